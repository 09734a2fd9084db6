use clap::Args;
use longshore_lab::Rates;
use longshore_lab::queue::{Plan, Report, run};

use super::subject::subject;
use crate::out;
use crate::table::Table;

/// A new file, which the lab removes again.
const STORE: &str = "sqlite:longshore-lab.db";

#[derive(Args, Debug)]
pub(crate) struct Queue {
    /// Jobs in each round
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    jobs: u64,
    /// Slots of the worker
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    slots: u64,
    /// How often everything is repeated
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,
    /// Print one JSON object, or an array of them if several stores are named
    #[arg(long)]
    json: bool,
}

impl Queue {
    /// Measures each store; `--store` may be given several times, and names new files.
    pub(crate) async fn run(self, mut stores: Vec<String>) -> anyhow::Result<()> {
        if stores.is_empty() {
            stores.push(STORE.to_owned());
        }
        let subjects = stores.iter().map(|url| subject(url)).collect::<anyhow::Result<Vec<_>>>()?;
        let plan = Plan {
            jobs: self.jobs as usize,
            slots: self.slots as usize,
            rounds: self.rounds as usize,
            ..Plan::default()
        };
        let mut reports = Vec::new();
        for subject in subjects {
            reports.push(run(&*subject, &plan, &mut |text| out::note(text)).await?);
        }
        match reports.as_slice() {
            [one] if self.json => out::json(one),
            all if self.json => out::json(&all),
            all => {
                out::line(shown(all));
                for report in all {
                    print_rates(report);
                }
                Ok(())
            }
        }
    }
}

/// How the rounds of one subject spread.
fn print_rates(report: &Report) {
    let rates = [("enqueue/s", report.enqueue_batch_rates), ("process/s", report.process_rates)];
    for (name, rates) in rates {
        let Some(Rates { mean, median, p95, p99, min, max }) = rates else { continue };
        out::line(format_args!(
            "{} {name}: mean {mean}, median {median}, p95 {p95}, p99 {p99}, min {min}, max {max} over {} rounds",
            report.store,
            report.rounds.len(),
        ));
    }
}

fn shown(reports: &[Report]) -> Table {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let mut table = Table::new([
        "STORE",
        "ENQUEUE/S",
        "SINGLE/S",
        "PROCESS/S",
        "OF FLOOR",
        "START P99 MS",
        "LATE P99 MS",
        "VALID",
    ]);
    for report in reports {
        table.row([
            report.store.clone(),
            report.enqueue_batch_per_s.to_string(),
            report.enqueue_single_per_s.to_string(),
            report.process_per_s.to_string(),
            ratio(report.process_ratio_to_floor),
            ratio(report.start_latency_ms.map(|spread| spread.p99)),
            ratio(report.lateness_ms.map(|spread| spread.p99)),
            if report.valid { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table
}
