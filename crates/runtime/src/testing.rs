//! A kit for the tests of users: no threads, no waiting, a clock that moves when it is told to.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::{Door, ManualClock, Timestamp};
use longshore_core::{
    Claim, Ended, Invalid, Job as Record, JobFilter, LaneWant, Page, QueueName, Store, StoreResult, WorkerId,
    limits::LEASE,
};
use tokio::sync::Notify;

use crate::attempt::{self, Running};
use crate::client::Client;
use crate::control::Control;
use crate::engine::Engine;
use crate::extract::States;
use crate::guard::KindGuard;
use crate::handler::{Handler, Handlers, Kinded};
use crate::job::Job;
use crate::keeper;
use crate::schedule::Schedules;

/// A whole system on a manual clock: enqueue with its client, run jobs one by one, assert on what was enqueued.
pub struct TestKit {
    engine: Engine,
    manual: ManualClock,
    handlers: Handlers,
    states: States,
}

impl TestKit {
    /// Around a store that was opened with a door of [`TestKit::door`].
    pub fn on(store: Arc<dyn Store>, door: Door, manual: ManualClock) -> Self {
        let engine = Engine::start(store, door);
        Self { states: States::of(&engine), engine, manual, handlers: Handlers::new() }
    }

    /// A door that stands at 2026-01-01T00:00:00Z, with the same chance every time.
    pub fn door() -> (Door, ManualClock) {
        Door::manual(Timestamp::from_millis(1_767_225_600_000), 7)
    }

    /// Adds a handler whose first parameter is `Args<J>`.
    pub fn register<P: Kinded + 'static>(&mut self, handler: impl Handler<P>) -> &mut Self {
        self.handlers.add(P::KIND, handler).expect("a kind is a valid name");
        self
    }

    /// Puts a guard before the handler of a kind that is registered.
    pub fn guard(&mut self, kind: &str, guard: KindGuard) -> Result<&mut Self, Invalid> {
        self.handlers.guard(kind, guard)?;
        self.handlers.arm(&self.engine)?;
        Ok(self)
    }

    /// Gives all handlers a shared thing.
    pub fn state<T: Send + Sync + 'static>(&mut self, state: T) -> &mut Self {
        self.states.put(Arc::new(state));
        self
    }

    /// To hand to the code under test.
    pub fn client(&self) -> Client {
        self.engine.client()
    }

    /// To add schedules to; `advance` fires them.
    pub fn schedules(&self) -> Schedules {
        self.engine.schedules()
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// To look at what became of jobs.
    pub fn control(&self) -> Control {
        self.engine.control()
    }

    /// Moves the clock, then does all that a keeper does: fires schedules, makes due jobs ready, lets go of children whose
    /// parents have ended, takes back lost leases.
    pub async fn advance(&self, by: Duration) -> StoreResult<()> {
        self.manual.advance(by);
        keeper::round(&self.engine).await?;
        Ok(())
    }

    /// Runs the next ready job of a queue to its end; none if no job is ready.
    pub async fn run_one(&self, queue: &str) -> StoreResult<Option<Record>> {
        let queue = QueueName::new(queue)?;
        let worker = WorkerId::new("test-kit")?;
        let claim = Claim { worker, lanes: vec![LaneWant { queue, limit: 1, slots: 1 }], lease: LEASE };
        let Some(claimed) = self.engine.store().claim(claim, self.engine.now()).await?.jobs.pop() else {
            return Ok(None);
        };
        let id = claimed.spec.id.clone();
        let (states, pulse) = (Arc::new(self.states.clone()), Arc::new(Notify::new()));
        let running = Arc::new(Running::new(
            claimed,
            self.engine.now(),
            states,
            self.engine.hub(),
            self.engine.door(),
            &pulse,
        ));
        if let Some(fate) = attempt::run(&running, &self.handlers).await {
            let ended =
                self.engine.store().finish(Arc::new(vec![running.end(fate)]), self.engine.now()).await?;
            assert!(matches!(ended.as_slice(), [Ended::Moved(_)]), "the end of {id} was refused: {ended:?}");
        }
        self.engine.store().get(id).await
    }

    /// Runs the ready jobs of a queue, and those that they enqueue, until none is left; tells how many attempts it took.
    pub async fn drain(&self, queue: &str) -> StoreResult<usize> {
        let mut attempts = 0;
        while self.run_one(queue).await?.is_some() {
            attempts += 1;
            assert!(attempts < 10_000, "the jobs of {queue} go on for ever");
        }
        Ok(attempts)
    }

    /// Every job of a kind that was enqueued, the oldest first.
    pub async fn enqueued<J: Job>(&self) -> StoreResult<Vec<J>> {
        let filter = JobFilter { kind: Some(J::KIND.to_owned()), ..JobFilter::default() };
        let page = self.control().list(filter, Page { after: None, limit: 1_000 }).await?;
        let args = page.jobs.iter().rev().map(|job| job.spec.args.to().expect("args of this kind"));
        Ok(args.collect())
    }

    /// Fails the test unless a job of the kind was enqueued for which `holds` is true.
    pub async fn assert_enqueued<J: Job>(&self, holds: impl Fn(&J) -> bool) {
        let jobs = self.enqueued::<J>().await.expect("the test store answers");
        assert!(jobs.iter().any(holds), "no {} job like that among the {} enqueued", J::KIND, jobs.len());
    }
}
