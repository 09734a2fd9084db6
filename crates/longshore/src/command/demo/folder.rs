use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

/// Says that a folder was made by the demo, and may be made anew.
const MARK: &str = ".longshore-demo";

const TEMPLATE: &[(&str, &str)] = &[
    ("template.html", include_str!("../../../../../templates/monthly_report/template.html")),
    ("report.css", include_str!("../../../../../templates/monthly_report/report.css")),
];

/// What fills the template.
pub(super) const DATA: &str = include_str!("../../../../../templates/monthly_report/data.json");

/// Makes the folder anew, with the template of the report in it. A folder of somebody else is left alone.
pub(super) fn prepare(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    if dir.join(MARK).exists() {
        fs::remove_dir_all(dir)
            .with_context(|| format!("cannot remove the old {shown}; choose another folder with --dir"))?;
    } else if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{shown} is not empty, and not from a demo; choose another folder with --dir");
    }
    let template = dir.join("templates/monthly_report");
    let write = || {
        fs::create_dir_all(&template)?;
        fs::write(dir.join(MARK), "")?;
        TEMPLATE.iter().try_for_each(|(name, text)| fs::write(template.join(name), text))
    };
    write().with_context(|| format!("cannot write into {shown}; choose another folder with --dir"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        prepare(&own).unwrap();
        fs::write(own.join("demo.db"), "old").unwrap();
        prepare(&own).unwrap();
        assert!(!own.join("demo.db").exists());
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(prepare(dir.path()).unwrap_err().to_string().contains("--dir"));
        assert!(dir.path().join("letter.txt").exists());
    }
}
