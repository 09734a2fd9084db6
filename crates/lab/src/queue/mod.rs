//! `lab queue`: how fast a store and the engine on it are, beside the raw floor of the same store in the same run.
//!
//! Everything is on that a user has by default: leases, recovery, events, retention, the unique index, a keeper; and
//! one listener to all events and two other workers stand idle beside.

mod phases;
mod report;

use std::pin::Pin;
use std::time::Duration;

use longshore_runtime::Engine;

pub use report::{Report, Round};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Jobs in the batch and processing phases.
    pub jobs: usize,
    /// Slots of the one worker.
    pub slots: usize,
    /// Jobs per insert in the batch phase.
    pub batch: usize,
    /// Bytes of args of each job.
    pub args_bytes: usize,
    /// How often everything is repeated.
    pub rounds: usize,
    /// How long each phase of single inserts lasts.
    pub single: Duration,
    /// Jobs in the latency and lateness phases.
    pub samples: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            jobs: 200_000,
            slots: 50,
            batch: 500,
            args_bytes: 2,
            rounds: 3,
            single: Duration::from_secs(2),
            samples: 500,
        }
    }
}

impl Plan {
    /// The args of one job: a JSON text of the planned length.
    pub fn args(&self) -> String {
        if self.args_bytes <= 2 {
            "{}".to_owned()
        } else {
            format!("\"{}\"", "x".repeat(self.args_bytes - 2))
        }
    }
}

/// Rates of a raw floor, in jobs per second.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Inserts in batches.
    pub enqueue_per_s: f64,
    /// Claims and ends in batches.
    pub process_per_s: f64,
}

/// A future that somebody hands in.
pub type Handed<T> = Pin<Box<dyn Future<Output = anyhow::Result<T>> + Send>>;

/// A store under measurement, as the lab sees it.
pub trait Subject: Send + Sync {
    /// What the report calls it.
    fn name(&self) -> String;
    /// A fresh, empty engine.
    fn open(&self) -> Handed<Engine>;
    /// Takes the engine's data away.
    fn discard(&self) -> Handed<()>;
    /// Runs the raw floor of the same store; none if it has none.
    fn floor(&self, plan: &Plan) -> Handed<Option<Floor>>;
}

/// Measures `subject`, floor and engine alternating, and tells `progress` what it is doing.
pub async fn run(
    subject: &dyn Subject,
    plan: &Plan,
    progress: &mut (dyn FnMut(String) + Send),
) -> anyhow::Result<Report> {
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        progress(format!("{}: round {number} of {}, raw floor", subject.name(), plan.rounds));
        let floor = subject.floor(plan).await?;
        progress(format!("{}: round {number} of {}, engine", subject.name(), plan.rounds));
        let engine = subject.open().await?;
        let round = phases::all(&engine, plan, floor).await;
        drop(engine);
        subject.discard().await?;
        rounds.push(round?);
    }
    Ok(Report::of(subject.name(), plan, rounds))
}
