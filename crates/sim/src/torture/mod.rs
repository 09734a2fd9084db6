//! The same cast on a store of somebody else's, with real time and real tasks: short leases, lost requests, crashes. It
//! keeps to queues, kinds and ids of its own, and takes them away in the end.

mod noted;
mod notes;
mod verdict;

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_clock::{Chance, Door, Stopwatch};
use longshore_core::limits::STALLS_MAX;
use longshore_core::{DurationText, KindName, Limit, QueueChange, QueueName, Store, StoreResult};
use tokio::task::JoinHandle;

use crate::cast;
use crate::gate::Gate;
use crate::lock;
use crate::plan::Plan;
use crate::scene::Scene;
use crate::stage::Make;
use crate::time::Time;
use noted::Noted;
use notes::Notes;

/// What shall be done to a store.
#[derive(Clone, Copy, Debug)]
pub struct Torture {
    /// What decides who does what; with real tasks, not in which order it happens.
    pub seed: u64,
    /// How long it goes on at most.
    pub length: Duration,
    /// Requests after which it ends before that.
    pub steps: u64,
}

/// What became of the store.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// Requests to the store.
    pub steps: u64,
    /// Jobs that it accepted.
    pub jobs: u64,
    /// Attempts that it handed out.
    pub attempts: u64,
    /// Requests and answers that were lost on purpose.
    pub faults: u64,
    /// Processes that were killed on purpose.
    pub crashes: u64,
    /// What contradicts the contract; none if the store is sound.
    pub findings: Vec<String>,
    /// How long all of it took.
    pub took: Duration,
}

impl Verdict {
    /// Whether nothing was found.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What belongs to one torture alone, and how a process there should work.
#[derive(Clone, Debug)]
pub struct Place {
    /// The queues.
    pub queues: Vec<QueueName>,
    /// The kinds of all jobs.
    pub kinds: Vec<KindName>,
    /// How long leases last.
    pub lease: Duration,
}

/// What a guest does, until it is dropped in the middle of it.
pub type Guesting = Pin<Box<dyn Future<Output = ()> + Send>>;
type Start = dyn Fn(Arc<dyn Store>, Place) -> Guesting + Send;

/// A process of the caller's own that takes part: a real worker, for one. It is killed and started again as the others
/// are, and its requests get lost as theirs do.
pub struct Guest {
    /// Its name.
    pub name: String,
    /// Starts it, with its way to the store.
    pub start: Box<Start>,
}

impl Guest {
    fn into_make(self) -> Make {
        Box::new(move |scene: &Arc<Scene>| {
            let plan = &scene.plan;
            let lease = Duration::from_millis(plan.lease);
            let place = Place { queues: plan.queues.clone(), kinds: plan.kinds.clone(), lease };
            vec![(self.start)(Gate::of(scene, &self.name), place)]
        })
    }
}

/// Plays a history on a store, inside a Tokio runtime, and audits it.
///
/// All jobs are in queues of this history alone, and are removed at the end, together with the queues. Keepers do for
/// the whole store what every keeper does. Fails only if the store fails once the faults have stopped.
pub async fn torture(store: Arc<dyn Store>, door: &Door, wish: Torture) -> StoreResult<Verdict> {
    torture_with(store, door, wish, Vec::new()).await
}

/// The same, with guests.
pub async fn torture_with(
    store: Arc<dyn Store>,
    door: &Door,
    wish: Torture,
    guests: Vec<Guest>,
) -> StoreResult<Verdict> {
    let watch = Stopwatch::start();
    let chance = Chance::seeded(wish.seed);
    let plan = plan(&chance, &wish, door);
    let lease = Duration::from_millis(plan.lease);
    let notes = Arc::new(Mutex::new(Notes::new(lease)));
    let noted = Noted { inner: store.clone(), notes: notes.clone(), clock: door.clock.clone() };
    let time = Arc::new(Time::Real(door.clock.clone(), watch));
    let scene = Arc::new(Scene::on(plan, chance, time, Arc::new(noted)));
    limit(&scene, &notes).await?;
    play(&scene, &notes, &wish, guests).await;
    let verdict = verdict::reach(&scene, &notes).await;
    let cleared = verdict::clear(&scene, &*store).await;
    verdict?;
    cleared?;
    let mut findings = lock(&notes).findings().to_vec();
    findings.extend_from_slice(lock(&scene.ledger).findings());
    let notes = lock(&notes);
    Ok(Verdict {
        seed: wish.seed,
        steps: notes.steps(),
        jobs: notes.jobs(),
        attempts: notes.claims,
        faults: scene.faults(),
        crashes: scene.crashes(),
        findings,
        took: watch.elapsed(),
    })
}

fn plan(chance: &Chance, wish: &Torture, door: &Door) -> Plan {
    let mut plan = Plan::draw(chance);
    // Drawn from the door, so that two histories of one seed do not meet in one store.
    let prefix = format!("torture-{:08x}", door.chance.bits() & 0xffff_ffff);
    let queue = |name: &QueueName| QueueName::new(format!("{prefix}-{name}")).ok();
    plan.queues = plan.queues.iter().filter_map(queue).collect();
    plan.kinds =
        plan.kinds.iter().filter_map(|kind| KindName::new(format!("{prefix}.{kind}")).ok()).collect();
    plan.workers += 4;
    plan.operators = plan.operators.max(1);
    plan.lease = 150 + chance.below(250);
    plan.hang = plan.hang.max(0.05);
    plan.latency = 1 + chance.below(20);
    plan.stalls_max = STALLS_MAX;
    plan.length = wish.length.as_millis() as i64;
    plan.batches = (wish.length.as_millis() as u64 / 20).max(1);
    plan.span = 1_000;
    plan.prefix = prefix;
    plan.tame = true;
    plan.mix.retention = 0.0;
    plan
}

/// Every second queue has limits, from the beginning on.
async fn limit(scene: &Scene, notes: &Mutex<Notes>) -> StoreResult<()> {
    for queue in scene.plan.queues.iter().step_by(2) {
        let limits = vec![
            Limit { concurrency: Some(scene.between(2, 6) as u32), ..Limit::default() },
            Limit {
                key: Some("args.tenant".to_owned()),
                concurrency: Some(2),
                rate: Some(scene.between(20, 60) as u32),
                interval: Some(DurationText(Duration::from_secs(1))),
                burst: Some(scene.between(1, 5) as u32),
            },
        ];
        lock(notes).limits.insert(queue.clone(), limits.clone());
        let change = QueueChange { limits: Some(limits), ..QueueChange::default() };
        scene.store.set_queue(queue.clone(), change, scene.time.now()).await?;
    }
    Ok(())
}

/// One process: the tasks that live and die together.
struct Process {
    make: Make,
    tasks: Vec<JoinHandle<()>>,
}

impl Process {
    fn start(&mut self, scene: &Arc<Scene>) {
        self.tasks = (self.make)(scene).into_iter().map(tokio::spawn).collect();
    }

    fn kill(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

async fn play(scene: &Arc<Scene>, notes: &Mutex<Notes>, wish: &Torture, guests: Vec<Guest>) {
    let cast = cast::all(&scene.plan).into_iter().map(|(_, make)| make);
    let makes = cast.chain(guests.into_iter().map(Guest::into_make));
    let mut processes: Vec<Process> = makes.map(|make| Process { make, tasks: Vec::new() }).collect();
    for process in &mut processes {
        process.start(scene);
    }
    while scene.time.passed() < scene.plan.length && lock(notes).steps() < wish.steps {
        scene.time.sleep(scene.between(10, 120)).await;
        let index = scene.chance.below(processes.len() as u64) as usize;
        let Some(process) = processes.get_mut(index).filter(|_| scene.odds(0.5)) else { continue };
        process.kill();
        scene.crashed();
        scene.time.sleep(scene.between(1, 100)).await;
        process.start(scene);
    }
    processes.iter_mut().for_each(Process::kill);
    scene.rough.store(false, Ordering::Relaxed);
    // What was under way is carried to its end by tasks of its own.
    scene.time.sleep(50).await;
}
