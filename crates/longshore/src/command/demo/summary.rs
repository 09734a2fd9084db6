use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_core::{Job, QueueName, Timestamp};
use longshore_runtime::QueueMeters;
use longshore_services::PdfResult;
use serde::Serialize;

use super::work::Piece;
use crate::out;
use crate::system::System;
use crate::table::Table;
use crate::time::millis;

/// What the demo did.
#[derive(Serialize)]
pub(super) struct Summary {
    url: String,
    report: String,
    pages: Option<u32>,
    retries: u64,
    jobs: Vec<Row>,
    queues: Vec<QueueRow>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    id: String,
    kind: String,
    state: &'static str,
    attempts: u32,
    /// From insert, or the time it was due, to the start of the latest attempt; waits between attempts count.
    waited_ms: Option<f64>,
    /// Of the latest attempt.
    ran_ms: Option<f64>,
}

#[derive(Serialize)]
struct QueueRow {
    queue: QueueName,
    attempts: u64,
    retries: u64,
    wait_p95_ms: Option<f64>,
    run_p95_ms: Option<f64>,
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl Summary {
    pub(super) fn of(system: &System, pieces: &[Piece], jobs: &[Job], report: &Path) -> Self {
        let queues: Vec<QueueRow> = system
            .engine
            .meters()
            .all()
            .into_iter()
            .map(|(queue, meters)| QueueRow::of(queue, &meters))
            .collect();
        let result = |(piece, job): (&Piece, &Job)| {
            job.result.as_ref().filter(|_| piece.is_report)?.to::<PdfResult>().ok()
        };
        Self {
            url: system.url(),
            report: report.display().to_string(),
            pages: pieces.iter().zip(jobs).find_map(result).and_then(|result| result.pages),
            retries: queues.iter().map(|queue| queue.retries).sum(),
            jobs: pieces.iter().zip(jobs).map(|(piece, job)| Row::of(piece, job)).collect(),
            queues,
        }
    }

    pub(super) fn print(&self, keep: bool) {
        let shown = |ms: Option<f64>| {
            ms.map_or_else(|| "-".to_owned(), |ms| millis(Duration::from_secs_f64(ms / 1_000.0)))
        };
        let mut table = Table::new(["WHAT", "KIND", "STATE", "ATTEMPTS", "WAITED", "RAN"]);
        for row in &self.jobs {
            let (waited, ran) = (shown(row.waited_ms), shown(row.ran_ms));
            table.row([
                row.name.to_owned(),
                row.kind.clone(),
                row.state.to_owned(),
                row.attempts.to_string(),
                waited,
                ran,
            ]);
        }
        out::line(format_args!("\n{table}"));
        let mut table = Table::new(["QUEUE", "ATTEMPTS", "RETRIES", "WAIT P95", "RUN P95"]);
        for row in &self.queues {
            let (wait, run) = (shown(row.wait_p95_ms), shown(row.run_p95_ms));
            table.row([row.queue.to_string(), row.attempts.to_string(), row.retries.to_string(), wait, run]);
        }
        out::line(format_args!("\n{table}\n"));
        let pages = self.pages.map_or_else(String::new, |pages| format!(", {pages} pages"));
        out::line(format_args!("retries  {}", self.retries));
        out::line(format_args!("report   {}{pages}", self.report));
        let end = if keep { "" } else { " (ended; `longshore demo --keep` goes on serving)" };
        out::line(format_args!("API      {}/api/v1/openapi.json{end}", self.url));
    }
}

impl Row {
    fn of(piece: &Piece, job: &Job) -> Self {
        let due: Timestamp = job.spec.run_at.map_or(job.created_at, |at| at.max(job.created_at));
        Self {
            name: piece.name,
            id: job.id().to_string(),
            kind: job.spec.kind.to_string(),
            state: job.state.as_str(),
            attempts: job.attempt,
            waited_ms: job.started_at.map(|at| ms(at.since(due))),
            ran_ms: job.started_at.zip(job.finished_at).map(|(from, to)| ms(to.since(from))),
        }
    }
}

impl QueueRow {
    fn of(queue: QueueName, meters: &QueueMeters) -> Self {
        let p95 = |snapshot: longshore_telemetry::Snapshot| snapshot.quantile(0.95).map(ms);
        Self {
            queue,
            attempts: meters.started.load(Ordering::Relaxed),
            retries: meters.retried.load(Ordering::Relaxed),
            wait_p95_ms: p95(meters.wait.snapshot()),
            run_p95_ms: p95(meters.run.snapshot()),
        }
    }
}
