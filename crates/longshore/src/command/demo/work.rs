use anyhow::Context as _;
use longshore_core::JobId;
use serde_json::{Value, json};

use super::http::Http;
use super::{folder, primes};

/// Something that is asked of the system.
pub(super) struct Order {
    name: &'static str,
    path: &'static str,
    body: Value,
}

/// A job that was accepted.
pub(super) struct Piece {
    pub(super) name: &'static str,
    pub(super) id: JobId,
    pub(super) is_report: bool,
}

const JOBS: &str = "/api/v1/jobs";
const PDF: &str = "/api/v1/pdf";

/// Everything the demo does, in the order in which it is submitted.
pub(super) fn orders() -> anyhow::Result<Vec<Order>> {
    let data: Value = serde_json::from_str(folder::DATA)?;
    Ok(vec![
        Order {
            name: "monthly report as PDF",
            path: PDF,
            body: json!({ "template_name": "monthly_report", "context_data": data, "filename": "report" }),
        },
        Order {
            name: "primes, which keep a core busy",
            path: JOBS,
            body: json!({ "kind": primes::KIND, "queue": "cpu", "args": { "below": 1_500_000 } }),
        },
        Order {
            name: "a fault, twice, then success",
            path: JOBS,
            body: json!({
                "kind": "test.fail", "queue": "demo", "args": { "times": 2, "message": "injected fault" },
                "backoff": { "type": "fixed", "delay": "200ms", "jitter": 0 },
            }),
        },
        Order {
            name: "a job for half a second later",
            path: JOBS,
            body: json!({ "kind": "test.echo", "queue": "demo", "args": "right on time", "delay": "500ms" }),
        },
        Order {
            name: "a job that tells how far it is",
            path: JOBS,
            body: json!({ "kind": "test.progress", "queue": "demo", "args": { "steps": 10, "ms": 80 } }),
        },
    ])
}

impl Order {
    pub(super) async fn submit(self, http: &Http) -> anyhow::Result<Piece> {
        let answer = http
            .post(self.path, self.body)
            .await
            .with_context(|| format!("{} was not accepted", self.name))?;
        let id = answer["id"].as_str().context("the answer has no id")?;
        Ok(Piece { name: self.name, id: JobId::parse(id)?, is_report: self.path == PDF })
    }
}
