use anyhow::Context as _;
use clap::Args;
use longshore_clock::Door;
use longshore_core::Durability;
use longshore_sqlite::{SqliteConfig, SqliteStore};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Told;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found {
    store: String,
    ok: bool,
    survives: &'static str,
    several_processes: bool,
    queues: usize,
    jobs: u64,
    findings: Vec<String>,
}

impl Check {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let url = &context.settings.store;
        let opened = context.open_existing()?;
        let control = opened.control();
        control.check_writable().await.context("the store takes no writes")?;
        let queues = control.queues().await?;
        let can = control.can();
        let findings = findings(url).await?;
        let found = Found {
            store: url.clone(),
            ok: findings.is_empty(),
            survives: survives(can.durability),
            several_processes: can.shared,
            queues: queues.len(),
            jobs: queues.iter().map(|queue| queue.counts.total()).sum(),
            findings,
        };
        if self.json {
            out::json(&found)?;
        } else {
            out::line(format_args!(
                "{url}: {}",
                if found.ok { "sound, and takes writes" } else { "damaged" }
            ));
            out::line(format_args!(
                "{} jobs in {} queues; what it answers survives {}",
                found.jobs, found.queues, found.survives
            ));
            found.findings.iter().for_each(|finding| out::line(format_args!("  {finding}")));
        }
        if found.ok { Ok(()) } else { Err(Told.into()) }
    }
}

async fn findings(url: &str) -> anyhow::Result<Vec<String>> {
    if !url.starts_with("sqlite:") {
        return Ok(Vec::new());
    }
    Ok(SqliteStore::open(&SqliteConfig::from_url(url)?, &Door::system())?.check().await?)
}

const fn survives(durability: Durability) -> &'static str {
    match durability {
        Durability::Process => "nothing: it lives in this process",
        Durability::Kill => "kill -9",
        Durability::Power => "kill -9 and a power failure",
    }
}
