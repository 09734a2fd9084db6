//! `cargo xtask lint`: what a machine can say about the code without running it, the cheapest first.

use std::process::ExitCode;

use crate::step::{Step, announce, has_cargo, run_all};

/// Features that are built wherever the workspace is: without them the raw floors would rot unseen.
pub(super) const FEATURES: &str =
    "longshore-sqlite/bench,longshore-resilience/redis,longshore-resilience/sqlite";

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let mut steps = vec![
        Step::cargo("format", &["fmt", "--all", "--check"]),
        Step::cargo(
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--features", FEATURES, "--", "-D", "warnings"],
        ),
        Step::cargo("docs", &["doc", "--no-deps", "--workspace", "--features", FEATURES])
            .env("RUSTDOCFLAGS", "-D warnings"),
    ];
    if has_cargo("deny") {
        steps.push(Step::cargo("deny", &["deny", "check"]));
    } else {
        println!("`cargo deny check` is left out: `cargo install cargo-deny --locked` brings it.");
    }
    announce(&steps);
    run_all(&steps)
}
