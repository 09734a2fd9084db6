use skrifa::Tag;
use skrifa::raw::{FileRef, TableProvider};

/// Optional ligatures. Those that a script requires have other names and stay.
const OPTIONAL: [&[u8]; 2] = [b"liga", b"clig"];

/// Makes a font draw "fi" as two letters.
///
/// The engine tells the PDF only the first letter of a ligature, so that "first" would be found, copied and
/// read aloud as "frst". It offers no way to switch ligatures off, hence the change in the font: the feature
/// gets a name that nobody asks for.
pub(super) fn drop_optional(file: &mut [u8]) {
    for place in feature_tags(file) {
        if let Some(tag) = file.get_mut(place..place + 4) {
            tag.copy_from_slice(b"none");
        }
    }
}

/// Where in the file the names of optional ligature features stand.
fn feature_tags(file: &[u8]) -> Vec<usize> {
    let fonts = FileRef::new(file).into_iter().flat_map(|file| file.fonts().flatten());
    let mut places = Vec::new();
    for font in fonts {
        let tables = font.table_directory().table_records();
        let Some(table) = tables.iter().find(|table| table.tag() == Tag::new(b"GSUB")) else { continue };
        let start = table.offset() as usize;
        let Ok(substitution) = font.gsub() else { continue };
        let Ok(list) = substitution.feature_list() else { continue };
        // A feature list is a count of two bytes and records of six, each beginning with the name.
        let records = start + usize::from(substitution.feature_list_offset().to_u32() as u16) + 2;
        let optional = list.feature_records().iter().enumerate();
        let optional =
            optional.filter(|(_, record)| OPTIONAL.contains(&&record.feature_tag().to_be_bytes()[..]));
        places.extend(optional.map(|(index, _)| records + index * 6));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ligature_features_are_renamed_and_nothing_else() {
        let original = include_bytes!("../../fonts/DejaVuSans.ttf");
        let places = feature_tags(original);
        assert!(!places.is_empty());
        assert!(places.iter().all(|&place| OPTIONAL.contains(&&original[place..place + 4])));
        let mut changed = original.to_vec();
        drop_optional(&mut changed);
        let different = original.iter().zip(&changed).filter(|(before, after)| before != after).count();
        assert!(different <= places.len() * 4);
        assert!(feature_tags(&changed).is_empty());
        drop_optional(&mut b"not a font".to_vec());
    }
}
