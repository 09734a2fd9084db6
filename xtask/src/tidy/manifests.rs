//! Every crate takes version, edition, licence and lints from the root, and names no version of a dependency.

use toml::{Table, Value};

use super::Complaint;
use super::house::House;

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];
const SECTIONS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// The manifest of every crate leans on the one at the root.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for krate in &house.crates {
        let place = format!("{}/Cargo.toml", krate.folder);
        let Some(text) = house.text(&place) else { continue };
        match text.parse::<Table>() {
            Ok(manifest) => {
                complaints.extend(alone(&place, &manifest));
                complaints.extend(versions(&place, &manifest));
            }
            Err(error) => complaints.push(Complaint::new(place, error.to_string(), "write it as TOML")),
        }
    }
    complaints
}

fn alone(place: &str, manifest: &Table) -> Vec<Complaint> {
    let package = manifest.get("package");
    let mut complaints: Vec<_> = INHERITED
        .iter()
        .filter(|&&key| !inherits(package.and_then(|package| package.get(key))))
        .map(|key| {
            Complaint::new(
                place,
                format!("`{key}` is its own"),
                format!("write `{key}.workspace = true` below [package]"),
            )
        })
        .collect();
    if !inherits(manifest.get("lints")) {
        complaints.push(Complaint::new(
            place,
            "the lints of the house are off",
            "write `workspace = true` below [lints]",
        ));
    }
    complaints
}

fn versions(place: &str, manifest: &Table) -> Vec<Complaint> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    tables
        .flat_map(|table| SECTIONS.iter().filter_map(|section| table.get(*section)?.as_table()))
        .flatten()
        .filter(|(_, entry)| !inherits(Some(entry)))
        .map(|(name, _)| {
            Complaint::new(
                place,
                format!("`{name}` does not come from the root manifest"),
                format!(
                    "put it below [workspace.dependencies] there and write `{name}.workspace = true` here"
                ),
            )
        })
        .collect()
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
        package = { version.workspace = true, edition.workspace = true, rust-version.workspace = true, \
                    license.workspace = true, publish.workspace = true }\n\
        lints.workspace = true\n\
        [dependencies]\n\
        serde = { workspace = true, optional = true }\n";

    fn found(manifest: &str) -> Vec<String> {
        let house = House::of(&[("crates/a/Cargo.toml", manifest)]).with("a", "crates/a", &[]);
        check(&house).into_iter().map(|complaint| complaint.found).collect()
    }

    #[test]
    fn a_crate_that_leans_on_the_root_is_well() {
        assert_eq!(found(GOOD), [] as [&str; 0]);
    }

    #[test]
    fn an_edition_and_lints_of_its_own_are_found() {
        assert_eq!(
            found(&GOOD.replace("edition.workspace = true", "edition = \"2021\"")),
            ["`edition` is its own"]
        );
        assert_eq!(found(&GOOD.replace("lints.workspace = true", "")), ["the lints of the house are off"]);
    }

    #[test]
    fn a_version_is_found_in_every_section() {
        for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.build-dependencies"] {
            let manifest = GOOD.replace("[dependencies]", &format!("[{section}]\nbytes = \"1\""));
            assert_eq!(found(&manifest), ["`bytes` does not come from the root manifest"], "{section}");
        }
    }
}
