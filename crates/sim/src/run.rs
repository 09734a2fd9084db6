use std::fmt;
use std::sync::{Arc, Mutex};

use longshore_clock::{Chance, Door, Timestamp};
use longshore_core::Store;

use crate::cast;
use crate::finale;
use crate::ledger::{Ledger, Tally};
use crate::lock;
use crate::plan::Plan;
use crate::scene::Scene;
use crate::stage::Stage;
use crate::time::{START, Time};
use crate::trace::Trace;
use crate::watch::Watched;

/// Polls after which a history ends, however much of its time is left.
const POLLS_MAX: u64 = 20_000;

/// What became of one history.
#[derive(Clone, Debug)]
pub struct Report {
    /// What decided everything.
    pub seed: u64,
    /// What contradicts the contract; none if all is well.
    pub findings: Vec<String>,
    /// Lines of the trace.
    pub steps: u64,
    /// A number that stands for the whole trace: the same seed gives the same one.
    pub hash: u64,
    /// The last lines of the trace, or all of them if that was asked for.
    pub trace: Vec<String>,
    /// Requests and answers that got lost.
    pub faults: u64,
    /// Processes that died.
    pub crashes: u64,
    tally: Tally,
}

impl Report {
    /// Whether the auditor found nothing.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Jobs that came into the store.
    pub fn jobs(&self) -> u64 {
        self.tally.inserted
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        write!(
            f,
            "seed {}: {}, {} steps, {} jobs, {} attempts, {} leases lost, {} ends refused, {} repeated, {} released, \
             {} expired, {} pruned, {} amended, {} faults, {} crashes, trace {:016x}",
            self.seed,
            if self.is_sound() { "sound" } else { "broken" },
            self.steps,
            tally.inserted,
            tally.claimed,
            tally.reclaimed,
            tally.refused,
            tally.repeated,
            tally.released,
            tally.expired,
            tally.pruned,
            tally.amended,
            self.faults,
            self.crashes,
            self.hash,
        )
    }
}

/// Plays the history of a seed on an empty store, which `open` makes with a door of its own. With `whole`, the report
/// has the whole trace.
pub fn simulate(seed: u64, open: impl FnOnce(&Door) -> Arc<dyn Store>, whole: bool) -> Report {
    let (door, _) = Door::manual(Timestamp::from_millis(START), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let chance = Chance::seeded(seed);
    let plan = Plan::draw(&chance);
    let watched = Watched {
        inner: open(&door),
        ledger: Arc::new(Mutex::new(Ledger::default())),
        trace: Arc::new(Mutex::new(Trace::new(whole))),
        time: Arc::new(Time::played()),
        count: 0.into(),
    };
    let scene = Arc::new(Scene::new(plan, chance, watched));
    scene.announce(&format!("{:?}", scene.plan));
    let mut stage = Stage::new(scene.clone());
    for (name, make) in cast::all(&scene.plan) {
        stage.enter(name, make);
    }
    stage.play(scene.plan.length, POLLS_MAX, scene.plan.weather);
    stage.clear();
    if scene.is_sound() {
        finale::play(&scene);
    }
    let (ledger, trace) = (lock(&scene.ledger), lock(&scene.trace));
    Report {
        seed,
        findings: ledger.findings().to_vec(),
        steps: trace.count(),
        hash: trace.hash(),
        trace: trace.lines(),
        faults: scene.faults(),
        crashes: scene.crashes(),
        tally: ledger.tally,
    }
}
