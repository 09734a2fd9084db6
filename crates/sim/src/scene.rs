//! What everything in one history shares.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use longshore_clock::Chance;
use longshore_core::{JobId, Store};

use crate::ledger::Ledger;
use crate::lock;
use crate::plan::Plan;
use crate::time::Time;
use crate::trace::Trace;
use crate::watch::Watched;

/// The shared things of one history.
pub(crate) struct Scene {
    pub(crate) plan: Plan,
    pub(crate) chance: Chance,
    pub(crate) time: Arc<Time>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) trace: Arc<Mutex<Trace>>,
    /// The store behind the auditor; what actors use goes through a [`crate::gate::Gate`] of their own.
    pub(crate) store: Arc<dyn Store>,
    /// Every id that was ever drawn.
    pub(crate) ids: Mutex<Vec<JobId>>,
    /// Whether requests and answers get lost.
    pub(crate) rough: AtomicBool,
    names: AtomicU64,
    faults: AtomicU64,
    crashes: AtomicU64,
}

impl Scene {
    /// Around a store that is watched.
    pub(crate) fn new(plan: Plan, chance: Chance, watched: Watched) -> Self {
        let (time, ledger, trace) = (watched.time.clone(), watched.ledger.clone(), watched.trace.clone());
        Self { ledger, trace, ..Self::on(plan, chance, time, Arc::new(watched)) }
    }

    /// Around any store.
    pub(crate) fn on(plan: Plan, chance: Chance, time: Arc<Time>, store: Arc<dyn Store>) -> Self {
        Self {
            plan,
            chance,
            time,
            ledger: Arc::default(),
            trace: Arc::new(Mutex::new(Trace::new(false))),
            ids: Mutex::default(),
            store,
            rough: true.into(),
            names: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
        }
    }

    /// A line of the trace, about whoever speaks.
    pub(crate) fn tell(&self, line: &str) {
        lock(&self.trace).tell(self.time.passed(), line);
    }

    /// A line of the trace that nobody speaks.
    pub(crate) fn announce(&self, line: &str) {
        lock(&self.trace).who = "".into();
        self.tell(line);
    }

    /// Whether the auditor has found nothing so far.
    pub(crate) fn is_sound(&self) -> bool {
        lock(&self.ledger).is_sound()
    }

    /// A number that nothing in this history has yet.
    pub(crate) fn number(&self) -> u64 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn faulted(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn crashed(&self) {
        self.crashes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    pub(crate) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::Relaxed)
    }

    /// True as often as `odds` says.
    pub(crate) fn odds(&self, odds: f64) -> bool {
        self.chance.unit() < odds
    }

    /// A whole number from `from` to `most`.
    pub(crate) fn between(&self, from: u64, most: u64) -> u64 {
        from + self.chance.below(most + 1 - from)
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.chance.below(of.len() as u64) as usize]
    }

    /// Lets somebody else go on first.
    pub(crate) async fn step_aside(&self) {
        let mut aside = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut aside, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
