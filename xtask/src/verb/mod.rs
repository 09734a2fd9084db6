//! What `cargo xtask` can be asked to do: one verb per file.

mod diagram;
mod lint;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask VERB

  test [--fast] [--no-install] [-- ARGS]   build, run every test with nextest, then the doctests
                                           --fast        only what needs nothing but Rust
                                           --no-install  name what is missing instead of installing it
                                           -- ARGS       handed to nextest
  lint                                     formatting, clippy, docs, and cargo-deny where it is installed
  tidy                                     the rules of the house that no compiler checks
  sim [--seed N] [--seeds N] [--from N] [--store memory|sqlite]
                                           seeded histories of the whole queue with everything going wrong; 2000 seeds
                                           --seed N      one of them, with all its steps
  diagram                                  draw the life of a job in ARCHITECTURE.md again";

/// Runs a verb. The exit code is 0 when all is well, 2 for a verb or flag that does not exist, and otherwise that
/// of the first step that failed.
pub fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    let (verb, rest) = args.split_first().map_or(("help", args), |(verb, rest)| (verb.as_str(), rest));
    match (verb, rest) {
        ("test", rest) => match test::Wish::read(rest) {
            Ok(wish) => test::run(&wish),
            Err(stranger) => Ok(refuse(&stranger)),
        },
        ("lint", []) => lint::run(),
        ("tidy", []) => tidy::run(),
        ("sim", rest) => sim::run(rest),
        ("diagram", []) => diagram::run(),
        ("lint" | "tidy" | "diagram", [stranger, ..]) => Ok(refuse(stranger)),
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        (stranger, _) => Ok(refuse(stranger)),
    }
}

fn refuse(stranger: &str) -> ExitCode {
    println!("unknown: {stranger}\n\n{USAGE}");
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(args: &[&str]) -> ExitCode {
        run(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_does_not_exist_is_wrong_usage() {
        assert_eq!(exit(&["sing"]), ExitCode::from(2));
        assert_eq!(exit(&["lint", "--loudly"]), ExitCode::from(2));
        assert_eq!(exit(&["test", "--slow"]), ExitCode::from(2));
        assert_eq!(exit(&[]), ExitCode::SUCCESS);
    }
}
