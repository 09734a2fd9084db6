//! `cargo xtask sim`: plays seeded histories of the whole queue; see `crates/sim`.

use std::process::ExitCode;

use crate::step::{Step, run_quietly};

/// What follows goes to the player, which knows its own flags.
pub(super) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    run_quietly(&Step::cargo("sim", &["run", "--quiet", "--package", "longshore-sim", "--"]).with(args))
}
