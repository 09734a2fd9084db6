//! `longshore demo`: the whole system at work in a fresh folder, with nothing to set up.

mod folder;
mod http;
mod primes;
mod summary;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::MultiProgress;
use longshore_core::{Job, State};
use longshore_runtime::{Handlers, Stop};

use self::http::Http;
use self::summary::Summary;
use self::work::Piece;
use crate::config::{Effective, Settings, Sources};
use crate::follow::{Line, follow};
use crate::system::{System, Wanted};
use crate::{out, signals};

/// Nobody waits longer for a demo.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Go on serving until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// The folder for everything; made anew
    #[arg(long, default_value = "longshore-demo")]
    dir: PathBuf,
    /// Print the summary as one JSON object; what goes on is told on standard error
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        out::keep_clean()?;
        folder::prepare(&self.dir)?;
        let settings = settings(&self.dir)?;
        let mut handlers = Handlers::new();
        primes::register(&mut handlers)?;
        let stop = Stop::new();
        if self.keep {
            signals::steer(&stop)?;
        }
        let wanted = Wanted { worker: true, test_kinds: true, handlers };
        let system = System::start(&settings, wanted, stop.clone()).await?;
        let shown = self.show(&system).await;
        if shown.is_err() || !self.keep {
            stop.drain();
        } else {
            self.say(&format!("serving on {} until Ctrl-C", system.url()));
        }
        let stopped = system.wait().await;
        shown.and(stopped).with_context(|| {
            let dir = self.dir.display();
            format!("the demo failed; what it left is in {dir}: `longshore job list --store sqlite:{dir}/demo.db` shows it")
        })
    }

    async fn show(&self, system: &System) -> anyhow::Result<()> {
        self.say(&format!("serving on {}, with everything in {}", system.url(), self.dir.display()));
        let http = Http::new(system.url());
        let mut pieces = Vec::new();
        for order in work::orders()? {
            pieces.push(order.submit(&http).await?);
        }
        let jobs = self.watch(system, &pieces).await?;
        let report = self.fetch_report(&http, &pieces).await?;
        let summary = Summary::of(system, &pieces, &jobs, &report);
        if self.json {
            out::json(&summary)?;
        } else {
            summary.print(self.keep);
        }
        if let Some((piece, job)) = pieces.iter().zip(&jobs).find(|(_, job)| job.state != State::Completed) {
            let error = job.errors.last().map_or("no error was recorded", |error| &error.message);
            bail!("{}: expected completed, got {}: {error}", piece.name, job.state);
        }
        Ok(())
    }

    /// Shows all jobs at once, until the last one has ended.
    async fn watch(&self, system: &System, pieces: &[Piece]) -> anyhow::Result<Vec<Job>> {
        let clock = &system.engine.door().clock;
        let lines = MultiProgress::new();
        let say: fn(&str) = if self.json { |text| out::note(text) } else { |text| out::line(text) };
        let followed = pieces.iter().map(|piece| async {
            let line = Line::among(&lines, piece.name, say);
            let job = follow(&system.engine, &piece.id, &line).await;
            line.finish();
            job
        });
        let all = futures_util::future::try_join_all(followed);
        tokio::select! {
            jobs = all => Ok(jobs?),
            () = clock.sleep(PATIENCE) => {
                bail!("not all work ended within {} s; try it on a less busy machine", PATIENCE.as_secs())
            }
        }
    }

    async fn fetch_report(&self, http: &Http, pieces: &[Piece]) -> anyhow::Result<PathBuf> {
        let piece = pieces.iter().find(|piece| piece.is_report).context("no report was ordered")?;
        let bytes = http.get(format!("/api/v1/jobs/{}/result", piece.id)).await?;
        if !bytes.starts_with(b"%PDF-") {
            bail!("the report is no PDF");
        }
        let path = self.dir.join("report.pdf");
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn say(&self, text: &str) {
        if self.json { out::note(text) } else { out::line(text) }
    }
}

/// The defaults, all in one folder; the user's own configuration is not asked.
fn settings(dir: &Path) -> anyhow::Result<Settings> {
    let defaults = Settings::of(&Effective::read(&Sources::default())?);
    Ok(Settings {
        store: format!("sqlite:{}", dir.join("demo.db").display()),
        listen: ([127, 0, 0, 1], 0).into(),
        templates: dir.join("templates"),
        files: dir.join("files"),
        ..defaults
    })
}
