//! Kinds for trying things out, as `longshore serve --test-kinds` and `longshore worker start --test-kinds` register
//! them. They need nothing and touch nothing.
//!
//! | kind | args | what it does |
//! |---|---|---|
//! | `test.noop` | any | nothing |
//! | `test.echo` | any | returns its args |
//! | `test.sleep` | `{ms}` | waits, and ends early when it is cancelled |
//! | `test.fail` | `{times, message}` | fails that many attempts, then succeeds |
//! | `test.progress` | `{steps, ms}` | tells its progress in that many steps, each that long |
//! | `test.cpu` | `{ms}` | keeps one core busy |
//! | `test.panic` | any | panics |

use std::time::Duration;

use longshore_clock::{Clock, Stopwatch};
use longshore_core::Json;
use longshore_runtime::{Args, Attempt, Cancel, Handlers, Outcome, Progress};
use serde::Deserialize;

/// Other args are allowed, so that limits by what stands in them can be tried out.
#[derive(Default, Deserialize)]
struct Sleep {
    #[serde(default)]
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    #[serde(default = "always")]
    times: u32,
    #[serde(default = "on_purpose")]
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    steps: u64,
    #[serde(default)]
    ms: u64,
}

impl Default for Fail {
    fn default() -> Self {
        Self { times: always(), message: on_purpose() }
    }
}

fn always() -> u32 {
    u32::MAX
}

fn on_purpose() -> String {
    "failed on purpose".to_owned()
}

/// A handler for every kind of the table above.
pub fn handlers() -> Handlers {
    let mut handlers = Handlers::new();
    let added = handlers
        .add("test.noop", noop)
        .and_then(|()| handlers.add("test.echo", echo))
        .and_then(|()| handlers.add("test.sleep", sleep))
        .and_then(|()| handlers.add("test.fail", fail))
        .and_then(|()| handlers.add("test.progress", steps))
        .and_then(|()| handlers.add("test.cpu", cpu))
        .and_then(|()| handlers.add("test.panic", panics));
    debug_assert!(added.is_ok(), "these are valid names");
    handlers
}

async fn wait(ms: u64) {
    let clock = Clock::system();
    clock.sleep(Duration::from_millis(ms)).await;
}

async fn noop() -> Result<(), Outcome> {
    Ok(())
}

async fn echo(Args(args): Args<Json>) -> Result<Json, Outcome> {
    Ok(args)
}

async fn sleep(Args(args): Args<Option<Sleep>>, cancel: Cancel) -> Result<(), Outcome> {
    let args = args.unwrap_or_default();
    tokio::select! {
        () = wait(args.ms) => Ok(()),
        // As an error it is a try that did not succeed; the engine knows whether it was a stop or a cancellation.
        () = cancel.cancelled() => Err(Outcome::retry_after(Duration::ZERO, "told to stop")),
    }
}

async fn fail(Args(args): Args<Option<Fail>>, attempt: Attempt) -> Result<u32, Outcome> {
    let args = args.unwrap_or_default();
    if attempt.number > args.times {
        return Ok(attempt.number);
    }
    Err(std::io::Error::other(args.message).into())
}

async fn steps(Args(args): Args<Steps>, progress: Progress) -> Result<u64, Outcome> {
    for step in 1..=args.steps {
        wait(args.ms).await;
        progress.at((step * 100 / args.steps) as u8, &format!("step {step} of {}", args.steps)).await;
    }
    Ok(args.steps)
}

async fn cpu(Args(args): Args<Option<Sleep>>) -> Result<u64, Outcome> {
    let args = args.unwrap_or_default();
    let busy = move || {
        let (watch, mut rounds) = (Stopwatch::start(), 0_u64);
        while watch.elapsed() < Duration::from_millis(args.ms) {
            rounds = std::hint::black_box(rounds + 1);
        }
        rounds
    };
    Ok(longshore_pool::run_cpu_bound(busy).await?)
}

async fn panics() -> Result<(), Outcome> {
    panic!("panicked on purpose")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_table_has_a_handler() {
        let kinds: Vec<String> = handlers().kinds().iter().map(ToString::to_string).collect();
        let table = include_str!("test_kinds.rs");
        assert_eq!(kinds.len(), 7);
        for kind in kinds {
            assert!(table.contains(&format!("//! | `{kind}` |")), "{kind}");
        }
    }
}
