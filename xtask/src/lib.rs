//! The chores of the house, in Rust, so that they run wherever the house is built.
//!
//! A verb is a file below [`verb`]; a rule that the house keeps is a file below [`tidy`]. Nothing that users run
//! lives here, and no crate of ours may use this one.
#![expect(clippy::print_stdout, reason = "a tool for people: what it prints is what it is for")]

mod step;
pub mod tidy;
pub mod verb;

use std::path::Path;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
