use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::body::Body;
use super::marks::{BUCKETS, Baseline, bucket};

/// How a load ended, for those who waited for it.
#[derive(Clone)]
pub(super) enum Landed {
    Value(Body),
    /// The error, whatever its type, and the stale value that there was, with how long ago it stopped being fresh.
    Failed(Arc<dyn Any + Send + Sync>, Option<(Body, Duration)>),
}

struct Flight {
    baseline: Baseline,
    landed: watch::Receiver<Option<Landed>>,
}

/// The loads that are under way: one for each key.
pub(super) struct Flights(Mutex<Board>);

struct Board {
    flights: HashMap<Arc<str>, Flight>,
    /// How many loads have ended, by [`bucket`] of their keys.
    ended: [u64; BUCKETS],
}

impl Default for Flights {
    fn default() -> Self {
        Self(Mutex::new(Board { flights: HashMap::new(), ended: [0; BUCKETS] }))
    }
}

/// What a caller is to do.
pub(super) enum Seat {
    /// Load, and tell the others.
    Lead(Lead),
    /// Wait for the one who loads.
    Follow(watch::Receiver<Option<Landed>>),
    /// Look again: a load has ended since.
    Again,
}

/// The one who loads. Dropped without a result, it leaves the others to find another.
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: Arc<str>,
    landed: watch::Sender<Option<Landed>>,
}

impl Flights {
    fn open(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many loads of a key have ended, or of one that looks like it, to be asked before a look at what is kept.
    pub(super) fn ended(&self, key: &str) -> u64 {
        self.open().ended[bucket(key)]
    }

    /// A seat for a key that was not found after so many of its loads had ended; without that number it is not asked whether
    /// more have since. A load that began before an invalidation takes nobody with it who came after.
    pub(super) fn board(self: &Arc<Self>, key: &Arc<str>, baseline: &Baseline, ended: Option<u64>) -> Seat {
        let mut board = self.open();
        match board.flights.get(key) {
            Some(flight) if flight.baseline.is_as_new_as(baseline) => {
                return Seat::Follow(flight.landed.clone());
            }
            None if ended.is_some_and(|ended| board.ended[bucket(key)] != ended) => return Seat::Again,
            _ => {}
        }
        Seat::Lead(self.lead(&mut board, key, baseline))
    }

    /// The seat of the one who loads, if that is still the load that was waited for in vain.
    pub(super) fn take_over(
        self: &Arc<Self>,
        key: &Arc<str>,
        baseline: &Baseline,
        waited_for: &watch::Receiver<Option<Landed>>,
    ) -> Option<Lead> {
        let mut board = self.open();
        let is_same = |flight: &Flight| flight.landed.same_channel(waited_for);
        board.flights.get(key).is_some_and(is_same).then(|| self.lead(&mut board, key, baseline))
    }

    fn lead(self: &Arc<Self>, board: &mut Board, key: &Arc<str>, baseline: &Baseline) -> Lead {
        let (landed, receiver) = watch::channel(None);
        board.flights.insert(key.clone(), Flight { baseline: baseline.clone(), landed: receiver });
        Lead { flights: self.clone(), key: key.clone(), landed }
    }

    pub(super) fn is_loading(&self, key: &str) -> bool {
        self.open().flights.contains_key(key)
    }
}

impl Lead {
    pub(super) fn land(self, landed: Landed) {
        self.landed.send_replace(Some(landed));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut board = self.flights.open();
        board.ended[bucket(&self.key)] += 1;
        if board
            .flights
            .get(&self.key)
            .is_some_and(|flight| flight.landed.same_channel(&self.landed.subscribe()))
        {
            board.flights.remove(&self.key);
        }
    }
}

/// What the other one has loaded; none if it gave up.
pub(super) async fn land(mut flight: watch::Receiver<Option<Landed>>) -> Option<Landed> {
    flight.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone())
}
