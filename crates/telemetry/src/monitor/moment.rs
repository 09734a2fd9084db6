use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;

/// What each thread had done by a time since the start.
#[derive(Clone)]
pub(super) struct Moment {
    pub(super) at: Duration,
    pub(super) threads: Vec<Work>,
}

#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) busy: Duration,
    pub(super) parks: u64,
    pub(super) is_asleep: bool,
}

impl Work {
    /// Whether it has noted what it did since another moment.
    pub(super) fn has_noted(&self, before: &Self) -> bool {
        self.busy != before.busy || self.parks != before.parks
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(before.busy),
            parks: self.parks.saturating_sub(before.parks),
            is_asleep: self.is_asleep,
        }
    }

    /// The longest stretch of work in all that it did, beside what is usual.
    pub(super) fn stretch(self, usual: Duration) -> Duration {
        let others = self.parks.saturating_sub(1).min(u32::MAX.into()) as u32;
        self.busy.saturating_sub(usual.saturating_mul(others))
    }
}

impl Moment {
    pub(super) fn now(runtime: &Handle, started: Stopwatch) -> Self {
        let metrics = runtime.metrics();
        // In the opposite order to that in which they are noted: who sleeps has noted its work.
        let work = |worker| {
            // Odd from the beginning of a sleep to its end.
            let is_asleep = metrics.worker_park_unpark_count(worker) % 2 == 1;
            let parks = metrics.worker_park_count(worker);
            Work { busy: metrics.worker_total_busy_duration(worker), parks, is_asleep }
        };
        Self { at: started.elapsed(), threads: (0..metrics.num_workers()).map(work).collect() }
    }

    /// The time since another moment, and what each thread has done in it.
    pub(super) fn since<'a>(&'a self, before: &'a Self) -> (Duration, impl Iterator<Item = Work> + 'a) {
        let threads = self.threads.iter().zip(&before.threads).map(|(now, before)| now.since(before));
        (self.at.saturating_sub(before.at), threads)
    }

    /// All of them.
    pub(super) fn is_asleep(&self) -> bool {
        self.threads.iter().all(|work| work.is_asleep)
    }

    /// All of them.
    pub(super) fn is_awake(&self) -> bool {
        self.threads.iter().all(|work| !work.is_asleep)
    }

    /// Each thread with what it was at another moment.
    pub(super) fn beside<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a Work, &'a Work)> {
        self.threads.iter().zip(&before.threads)
    }
}
