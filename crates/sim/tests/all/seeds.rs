use std::sync::Arc;

use longshore_clock::Door;
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_sim::{Report, simulate};
use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous};

fn memory(door: &Door) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(door))
}

fn assert_sound(report: &Report, store: &str) {
    let (trace, findings) = (report.trace.join("\n"), report.findings.join("\n"));
    assert!(
        report.is_sound(),
        "{trace}\n{report}\n{findings}\nreplay it: cargo xtask sim --seed {} --store {store}",
        report.seed
    );
}

#[test]
fn two_hundred_histories_are_sound_in_memory() {
    let reports: Vec<Report> = (1..=200).map(|seed| simulate(seed, memory, false)).collect();
    for report in &reports {
        assert_sound(report, "memory");
    }
    let (faults, crashes): (u64, u64) =
        (reports.iter().map(|report| report.faults).sum(), reports.iter().map(|report| report.crashes).sum());
    assert!(faults > 10_000 && crashes > 2_000, "{faults} faults and {crashes} crashes are no rough sea");
}

#[test]
fn histories_are_sound_on_sqlite() {
    for seed in 1..=10 {
        let dir = tempfile::tempdir().unwrap();
        let config =
            SqliteConfig { synchronous: Synchronous::Normal, ..SqliteConfig::new(dir.path().join("sim.db")) };
        let report = simulate(seed, |door| Arc::new(SqliteStore::open(&config, door).unwrap()), false);
        assert_sound(&report, "sqlite");
    }
}

#[test]
fn a_seed_gives_the_same_history_twice() {
    for seed in [1, 7, 41] {
        let (first, second) = (simulate(seed, memory, true), simulate(seed, memory, true));
        assert_eq!((first.hash, first.trace), (second.hash, second.trace), "seed {seed}");
        assert_ne!(first.hash, simulate(seed + 1, memory, false).hash);
    }
}
