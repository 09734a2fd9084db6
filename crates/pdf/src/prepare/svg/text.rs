/// Attributes of one element; some 50 are usual.
const ATTRIBUTES: usize = 1000;
/// Declarations of name spaces in one picture. A parser keeps a list of all of them for each.
const DECLARATIONS: usize = 10_000;

/// What the text of an SVG picture consists of, before any parser builds something from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) elements: usize,
    pub(super) nesting: usize,
}

/// Counts the tags of an XML text, or says why no parser shall see it.
///
/// The parsers behind this recurse, and they stop at the first mistake; up to there they see what is counted.
pub(super) fn outline(text: &str) -> Result<Outline, &'static str> {
    if text.matches("xmlns").count() > DECLARATIONS {
        return Err("it declares too many name spaces");
    }
    let (mut outline, mut depth) = (Outline::default(), 0_usize);
    let mut rest = text;
    while let Some(place) = rest.find('<') {
        let tag = &rest[place..];
        rest = if let Some(comment) = tag.strip_prefix("<!--") {
            after(comment, "-->")
        } else if tag.starts_with("<![CDATA[") {
            after(tag, "]]>")
        } else if tag.starts_with("<?") {
            after(tag, "?>")
        } else if tag.starts_with("<!") {
            declaration(tag)?
        } else if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
            after(tag, ">")
        } else {
            let length = start_tag(tag)?;
            outline.elements += 1;
            outline.nesting = outline.nesting.max(depth + 1);
            depth += usize::from(!tag[..length].ends_with("/>"));
            &tag[length..]
        };
    }
    Ok(outline)
}

/// A document type is a name and an address; what it defines itself could grow without end.
fn declaration(tag: &str) -> Result<&str, &'static str> {
    let rest = after(tag, ">");
    let inner = &tag[..tag.len() - rest.len()];
    let quotes = inner.matches(['"', '\'']).count();
    if inner.contains('[') || !quotes.is_multiple_of(2) || inner[1..].contains('<') {
        return Err("its document type has definitions of its own");
    }
    Ok(rest)
}

fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.find(end).map_or("", |place| &text[place + end.len()..])
}

fn start_tag(tag: &str) -> Result<usize, &'static str> {
    let (mut quote, mut attributes) = (None, 0);
    for (place, byte) in tag.bytes().enumerate() {
        match byte {
            b'"' | b'\'' if quote.is_none() => quote = Some(byte),
            _ if quote == Some(byte) => {
                quote = None;
                attributes += 1;
                if attributes > ATTRIBUTES {
                    return Err("an element has too many attributes");
                }
            }
            b'>' if quote.is_none() => return Ok(place + 1),
            _ => {}
        }
    }
    Ok(tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_counted_and_the_rest_is_not() {
        let text = "<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><!-- <g><g> -->\
                    <svg a='<>/>'><g b=\">\"/><g><![CDATA[<g><g><g>]]></g></svg>";
        assert_eq!(outline(text), Ok(Outline { elements: 3, nesting: 2 }));
        assert_eq!(outline(&"<g>".repeat(1000)), Ok(Outline { elements: 1000, nesting: 1000 }));
    }

    #[test]
    fn what_could_grow_is_refused() {
        for text in [
            "<!DOCTYPE svg [<!ENTITY a 'x'>]><svg/>".to_owned(),
            "<!DOCTYPE svg SYSTEM '>' [<!ENTITY a 'x'>]><svg/>".to_owned(),
            format!("<svg {}/>", "a='' ".repeat(1001)),
            format!("<svg {}/>", "xmlns:a='' ".repeat(10_001)),
        ] {
            assert!(outline(&text).is_err(), "{text}");
        }
    }
}
