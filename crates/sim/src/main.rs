//! `cargo xtask sim`: plays many seeds, or shows the whole history of one.
#![expect(clippy::print_stdout, reason = "a tool for people: what it prints is what it is for")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use longshore_clock::{Door, Stopwatch};
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_sim::{Report, simulate};
use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous};

const USAGE: &str = "\
cargo xtask sim [--seed N] [--seeds N] [--from N] [--store memory|sqlite]

  --seed N     plays one seed and prints its whole history
  --seeds N    plays so many seeds (2000)
  --from N     the first of them (1)
  --store S    memory, or sqlite in a file that goes away";

/// What was asked for.
struct Wish {
    seed: Option<u64>,
    seeds: u64,
    from: u64,
    sqlite: bool,
}

impl Wish {
    fn read(args: &[String]) -> Option<Self> {
        let mut wish = Self { seed: None, seeds: 2_000, from: 1, sqlite: false };
        for pair in args.chunks(2) {
            let [name, value] = pair else { return None };
            match (name.as_str(), value.as_str()) {
                ("--seed", value) => wish.seed = Some(value.parse().ok()?),
                ("--seeds", value) => wish.seeds = value.parse().ok().filter(|seeds| *seeds > 0)?,
                ("--from", value) => wish.from = value.parse().ok()?,
                ("--store", "memory") => wish.sqlite = false,
                ("--store", "sqlite") => wish.sqlite = true,
                _ => return None,
            }
        }
        Some(wish)
    }

    fn play(&self, seed: u64, whole: bool) -> Report {
        if !self.sqlite {
            return simulate(seed, |door| Arc::new(MemoryStore::new(door)), whole);
        }
        let dir = tempfile::tempdir().expect("a folder for the store");
        let config =
            SqliteConfig { synchronous: Synchronous::Normal, ..SqliteConfig::new(dir.path().join("sim.db")) };
        let open = |door: &Door| -> Arc<dyn Store> {
            Arc::new(SqliteStore::open(&config, door).expect("an empty store opens"))
        };
        simulate(seed, open, whole)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(wish) = Wish::read(&args) else {
        println!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Some(seed) = wish.seed {
        let report = wish.play(seed, true);
        report.trace.iter().for_each(|line| println!("{line}"));
        return end(&wish, &report);
    }
    many(&wish)
}

/// Says how one history ended.
fn end(wish: &Wish, report: &Report) -> ExitCode {
    println!("{report}");
    report.findings.iter().for_each(|finding| println!("  {finding}"));
    if report.is_sound() {
        return ExitCode::SUCCESS;
    }
    let store = if wish.sqlite { " --store sqlite" } else { "" };
    println!("replay it: cargo xtask sim --seed {}{store}", report.seed);
    ExitCode::FAILURE
}

fn many(wish: &Wish) -> ExitCode {
    let watch = Stopwatch::start();
    let (next, steps, jobs) = (AtomicU64::new(wish.from), AtomicU64::new(0), AtomicU64::new(0));
    let (faults, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    let broken: Mutex<Vec<Report>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= wish.from + wish.seeds || broken.lock().is_ok_and(|broken| !broken.is_empty()) {
            return;
        }
        let report = wish.play(seed, false);
        steps.fetch_add(report.steps, Ordering::Relaxed);
        jobs.fetch_add(report.jobs(), Ordering::Relaxed);
        faults.fetch_add(report.faults, Ordering::Relaxed);
        crashes.fetch_add(report.crashes, Ordering::Relaxed);
        if !report.is_sound()
            && let Ok(mut broken) = broken.lock()
        {
            broken.push(report);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut broken = broken.into_inner().unwrap_or_default();
    broken.sort_by_key(|report| report.seed);
    if let Some(report) = broken.first() {
        report.trace.iter().for_each(|line| println!("{line}"));
        return end(wish, report);
    }
    let took = watch.elapsed().as_secs_f64();
    println!(
        "{} seeds from {} in {took:.1} s ({:.0} a second): {} steps, {} jobs, {} faults, {} crashes; all sound",
        wish.seeds,
        wish.from,
        wish.seeds as f64 / took,
        steps.into_inner(),
        jobs.into_inner(),
        faults.into_inner(),
        crashes.into_inner(),
    );
    ExitCode::SUCCESS
}
