//! `cargo xtask diagram`: draws the life of a job in ARCHITECTURE.md from the table in `longshore_core::life`.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;

use crate::root;
use crate::tidy::redraw;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let path = root().join("ARCHITECTURE.md");
    let old = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let new = redraw(&old).map_err(anyhow::Error::msg)?;
    if new == old {
        println!("the diagram in ARCHITECTURE.md is up to date");
    } else {
        fs::write(&path, new).with_context(|| format!("could not write {}", path.display()))?;
        println!("ARCHITECTURE.md: the diagram was drawn again");
    }
    Ok(ExitCode::SUCCESS)
}
