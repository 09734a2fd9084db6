use std::time::Duration;

use clap::Args;
use longshore_sim::{Verdict, torture};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Told;
use crate::out;

/// Findings that are shown to people.
const SHOWN: usize = 10;

/// Plays a rough history on the store and says whether it is sound: many workers with short leases, keepers and
/// operators, lost requests and crashes. It uses queues of its own and removes them at the end. Jobs of others are left
/// alone, but for what keepers do for a whole store anyway.
#[derive(Args, Debug)]
pub(crate) struct Torture {
    /// What decides who does what
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many seconds it goes on
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// End after so many requests, even if there is time left
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    steps: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found {
    store: String,
    seed: u64,
    sound: bool,
    steps: u64,
    jobs: u64,
    attempts: u64,
    faults: u64,
    crashes: u64,
    seconds: f64,
    findings: Vec<String>,
}

impl Torture {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        let length = Duration::from_secs(self.seconds);
        let wish = longshore_sim::Torture { seed: self.seed, length, steps: self.steps };
        let verdict = torture(opened.store.clone(), opened.engine.door(), wish).await?;
        let found = found(&context.settings.store, verdict);
        if self.json {
            out::json(&found)?;
        } else {
            tell(&found);
        }
        if found.sound { Ok(()) } else { Err(Told.into()) }
    }
}

fn found(store: &str, verdict: Verdict) -> Found {
    Found {
        store: store.to_owned(),
        seed: verdict.seed,
        sound: verdict.is_sound(),
        steps: verdict.steps,
        jobs: verdict.jobs,
        attempts: verdict.attempts,
        faults: verdict.faults,
        crashes: verdict.crashes,
        seconds: verdict.took.as_secs_f64(),
        findings: verdict.findings,
    }
}

fn tell(found: &Found) {
    let word = if found.sound { "sound" } else { "broken" };
    out::line(format_args!("{}: {word} (seed {}, {:.1} s)", found.store, found.seed, found.seconds));
    out::line(format_args!(
        "{} requests, {} jobs, {} attempts; {} requests or answers lost and {} crashes on purpose",
        found.steps, found.jobs, found.attempts, found.faults, found.crashes
    ));
    found.findings.iter().take(SHOWN).for_each(|finding| out::line(format_args!("  {finding}")));
    if found.findings.len() > SHOWN {
        out::line(format_args!("  and {} more", found.findings.len() - SHOWN));
    }
}
