//! `cargo xtask test`: from a bare machine with Rust to a tested house.
//!
//! The order is the table of contents: what is missing is installed, everything is built, the tests run, the
//! doctests run. What a test calls besides Rust stands in [`NEEDS`], with the step that installs it. A test that talks to a
//! server starts one of its own, so that it may also stop and kill it.

use std::process::ExitCode;

use crate::step::{Step, announce, has_cargo, has_program, run_all};
use crate::verb::lint::FEATURES;

/// Something that a machine must have before the tests can run.
struct Need {
    name: &'static str,
    /// Whether `--fast` needs it too.
    fast: bool,
    is_here: fn() -> bool,
    install: fn() -> Step,
}

const NEEDS: &[Need] = &[
    Need {
        name: "cargo-nextest",
        fast: true,
        is_here: || has_cargo("nextest"),
        // The version is named so that every machine runs the same one, and one that our toolchain can build.
        install: || Step::cargo("nextest", &["install", "cargo-nextest", "--locked", "--version", "0.9.143"]),
    },
    Need { name: "redis-server", fast: false, is_here: || has_program("redis-server"), install: redis },
];

/// From the packages of Debian and its relatives; elsewhere it has to be brought by hand. The service that comes with it is
/// not started.
fn redis() -> Step {
    let install = "apt-get install -y --no-install-recommends redis-server";
    let script = format!("{install} || (apt-get update && {install})");
    Step::program("redis", "sh", &["-c", &script]).env("RUNLEVEL", "1")
}

/// The profile of nextest that leaves out what needs more than Rust.
const FAST: [&str; 2] = ["--profile", "fast"];

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    fast: bool,
    install: bool,
    nextest: Vec<String>,
}

impl Wish {
    /// Reads the flags; the error is the one that does not exist.
    pub(super) fn read(args: &[String]) -> Result<Self, String> {
        let mut wish = Self { fast: false, install: true, nextest: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--fast" => wish.fast = true,
                "--no-install" => wish.install = false,
                "--" => wish.nextest = args.by_ref().cloned().collect(),
                stranger => return Err(stranger.to_owned()),
            }
        }
        Ok(wish)
    }
}

pub(super) fn run(wish: &Wish) -> anyhow::Result<ExitCode> {
    let missing: Vec<&Need> =
        NEEDS.iter().filter(|need| need.fast || !wish.fast).filter(|need| !(need.is_here)()).collect();
    if !missing.is_empty() && !wish.install {
        println!("missing, and not installed because of --no-install:");
        for need in missing {
            println!("  {:<16} {}", need.name, (need.install)());
        }
        return Ok(ExitCode::FAILURE);
    }

    println!("Tests of the whole workspace, with the memory and SQLite stores.");
    for need in &missing {
        println!("{} is missing and will be installed.", need.name);
    }
    let mut steps: Vec<Step> = missing.iter().map(|need| (need.install)()).collect();
    let fast = FAST.map(str::to_owned);
    let nextest = if wish.fast { [&fast, &*wish.nextest].concat() } else { wish.nextest.clone() };
    steps.extend(tests(&nextest));
    announce(&steps);
    run_all(&steps)
}

fn tests(nextest: &[String]) -> [Step; 4] {
    [
        // With `--tests`, so that the binaries that tests start share their dependencies with the tests.
        Step::cargo("build", &["build", "--workspace", "--bins", "--tests", "--features", FEATURES]),
        Step::cargo("tests", &["nextest", "run", "--workspace", "--features", FEATURES]).with(nextest),
        Step::cargo("doctests", &["test", "--doc", "--workspace", "--features", FEATURES]),
        // With other primitives in one crate, so by itself: nothing else works with them.
        Step::cargo(
            "threads",
            &["nextest", "run", "-p", "longshore-resilience", "--features", "shuttle", "--test", "shuttle"],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Wish, String> {
        Wish::read(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_follows_two_dashes_belongs_to_nextest() {
        let wish = read(&["--fast", "--no-install", "--", "--profile", "ci"]).unwrap();
        assert_eq!(
            wish,
            Wish { fast: true, install: false, nextest: vec!["--profile".to_owned(), "ci".to_owned()] }
        );
        assert!(tests(&wish.nextest)[1].to_string().ends_with("--profile ci"));
    }

    #[test]
    fn an_unknown_flag_is_named() {
        assert_eq!(read(&["--quick"]), Err("--quick".to_owned()));
    }
}
