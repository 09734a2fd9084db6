//! What `longshore lab queue` measures.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use longshore_clock::Door;
use longshore_lab::queue::{Floor, Handed, Plan, Subject};
use longshore_runtime::Engine;
use longshore_sqlite::{SqliteConfig, floor};

use crate::exit::Usage;

/// A store in this process's memory. It has no raw floor: there is no I/O below it.
struct Memory;

impl Subject for Memory {
    fn name(&self) -> String {
        "memory:".to_owned()
    }
    fn open(&self) -> Handed<Engine> {
        Box::pin(async { Ok(longshore::open("memory:").await?) })
    }
    fn discard(&self) -> Handed<()> {
        Box::pin(async { Ok(()) })
    }
    fn floor(&self, _plan: &Plan) -> Handed<Option<Floor>> {
        Box::pin(async { Ok(None) })
    }
}

/// A new SQLite file, removed after each round.
struct Sqlite {
    url: String,
    config: SqliteConfig,
}

impl Sqlite {
    fn new(url: &str) -> anyhow::Result<Self> {
        let config = SqliteConfig::from_url(url)?;
        ensure!(
            !config.path.exists(),
            "{} exists; the lab measures in a new file and removes it",
            config.path.display()
        );
        Ok(Self { url: url.to_owned(), config })
    }
}

fn remove(path: PathBuf) -> Handed<()> {
    Box::pin(async move {
        for ending in ["", "-wal", "-shm", "-peers"] {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            let path = PathBuf::from(name);
            if path.is_dir() {
                std::fs::remove_dir_all(&path)?;
            } else if path.exists() {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    })
}

impl Subject for Sqlite {
    fn name(&self) -> String {
        self.url.clone()
    }
    fn open(&self) -> Handed<Engine> {
        let url = self.url.clone();
        Box::pin(async move { Ok(longshore::open(&url).await?) })
    }
    fn discard(&self) -> Handed<()> {
        remove(self.config.path.clone())
    }
    fn floor(&self, plan: &Plan) -> Handed<Option<Floor>> {
        let (mut config, plan) = (self.config.clone(), plan.clone());
        let mut name = config.path.into_os_string();
        name.push(".floor");
        config.path = name.into();
        Box::pin(async move {
            let (jobs, args) = (plan.jobs, plan.args());
            let measured =
                tokio::task::spawn_blocking(move || floor::run(&config, jobs, &args, &Door::system()));
            let floor = measured.await?.context("the raw floor of SQLite")?;
            let per_s = |time: std::time::Duration| jobs as f64 / time.as_secs_f64();
            Ok(Some(Floor { enqueue_per_s: per_s(floor.enqueue), process_per_s: per_s(floor.process) }))
        })
    }
}

/// The subject that a store URL names.
pub(super) fn subject(url: &str) -> anyhow::Result<Arc<dyn Subject>> {
    match url.split_once(':').map_or(url, |(scheme, _)| scheme) {
        "memory" => Ok(Arc::new(Memory)),
        "sqlite" => Ok(Arc::new(Sqlite::new(url)?)),
        _ => Err(Usage(format!("--store: expected memory: or sqlite:PATH, got {url}")).into()),
    }
}
