//! `cargo xtask VERB`: see [`xtask::verb`].

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    xtask::verb::run(&args)
}
