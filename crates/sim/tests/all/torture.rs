use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{JobFilter, Page, Store};
use longshore_memory::MemoryStore;
use longshore_sim::{Torture, torture};
use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous};

use crate::planted::{Defect, Planted};

fn seconds(seed: u64, count: u64) -> Torture {
    Torture { seed, length: Duration::from_secs(count), steps: 100_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_stores_are_found_sound_and_left_empty() {
    let door = Door::system();
    let dir = tempfile::tempdir().unwrap();
    let config =
        SqliteConfig { synchronous: Synchronous::Normal, ..SqliteConfig::new(dir.path().join("sim.db")) };
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::new(&door)), Arc::new(SqliteStore::open(&config, &door).unwrap())];
    for store in stores {
        let verdict = torture(store.clone(), &door, seconds(1, 1)).await.unwrap();
        assert!(verdict.is_sound() && verdict.attempts > 10, "{verdict:?}");
        let page = store.list(JobFilter::default(), Page { after: None, limit: 10 }).await.unwrap();
        assert!(page.jobs.is_empty() && store.queues().await.unwrap().is_empty(), "{page:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_defects_are_found() {
    for defect in [Defect::LateEnd, Defect::GivesTwice, Defect::NeverSettles, Defect::LosesLast] {
        let door = Door::system();
        let mut findings = Vec::new();
        for seed in 1..=10 {
            let store = Arc::new(Planted::new(Arc::new(MemoryStore::new(&door)), defect));
            findings = torture(store, &door, seconds(seed, 2)).await.unwrap().findings;
            if !findings.is_empty() {
                break;
            }
        }
        println!("{defect:?}: {findings:?}");
        assert!(!findings.is_empty(), "{defect:?} was not found");
    }
}
