use std::time::Duration;

use tokio::runtime::Handle;

use super::moment::Moment;
use super::readings::STEP;
use super::timer::Timer;

/// Whether a runtime stands still, and how long it did.
pub(super) struct Standstill {
    runtime: Handle,
    timer: Timer,
    quiet: Option<Quiet>,
    ended: Option<Ended>,
}

/// Readings in a row at which no thread had noted anything and some were awake.
struct Quiet {
    /// It began after the one and before the other.
    after: Duration,
    from: Duration,
    /// What had been noted by then, by threads that were awake at the first of the readings.
    base: Moment,
    stands: Stands,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A thread that sleeps may look for timers; one was set to find out.
    Perhaps,
    Yes,
    /// One does.
    No,
}

/// The runtime stood still.
struct Ended {
    quiet: Quiet,
    /// It ended after the one and before the other.
    after: Duration,
    until: Duration,
}

impl Standstill {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, timer: Timer::default(), quiet: None, ended: None }
    }

    /// Since when it certainly stands still.
    pub(super) fn since(&self) -> Option<Duration> {
        self.quiet.as_ref().filter(|quiet| quiet.stands == Stands::Yes).map(|quiet| quiet.from)
    }

    /// Whether one that has ended is still to be told of.
    pub(super) fn is_due(&self) -> bool {
        self.ended.is_some()
    }

    /// Looks at a reading beside the one before it, and the time of the one before that.
    pub(super) fn look(&mut self, now: &Moment, last: &Moment, before_last: Duration) {
        if now.is_asleep() || now.beside(last).any(|(now, before)| now.has_noted(before)) {
            if let Some(quiet) = self.quiet.take_if(|quiet| quiet.stands == Stands::Yes) {
                self.ended = Some(Ended { quiet, after: last.at, until: now.at });
            }
            self.quiet = None;
            return;
        }
        let has_woken = now.beside(last).any(|(now, before)| before.is_asleep && !now.is_asleep);
        // Whoever looked in its sleep may be the one that has woken.
        let quiet = self.quiet.take_if(|quiet| quiet.stands != Stands::No || !has_woken);
        let mut quiet = quiet.unwrap_or_else(|| {
            let (after, from) = if has_woken { (last.at, now.at) } else { (before_last, last.at) };
            self.timer.set(&self.runtime);
            Quiet { after, from, base: now.clone(), stands: Stands::Perhaps }
        });
        if quiet.stands == Stands::Perhaps {
            let is_alone = now.threads.iter().all(|work| !work.is_asleep);
            let is_first = quiet.base.at == now.at;
            quiet.stands = match () {
                () if is_alone => Stands::Yes,
                () if is_first => Stands::Perhaps,
                () if self.timer.has_come() => Stands::No,
                () => Stands::Yes,
            };
        }
        self.quiet = Some(quiet);
    }

    /// How long it stood still, told once, when those who were awake have noted that.
    pub(super) fn take(&mut self, now: &Moment, usual: Duration) -> Option<Duration> {
        let Ended { quiet, after, until } = self.ended.as_ref()?;
        let awake = || now.beside(&quiet.base).filter(|(_, before)| !before.is_asleep);
        let have_all = awake().all(|(now, before)| now.has_noted(before));
        // Who has not by then is held up by something else.
        if !have_all && now.at.saturating_sub(*until) < STEP * 2 {
            return None;
        }
        let noted = awake().filter(|(now, before)| now.has_noted(before));
        let lag = noted.map(|(now, before)| now.since(before).stretch(usual)).min().unwrap_or_default();
        let (least, most) = (after.saturating_sub(quiet.from), until.saturating_sub(quiet.after));
        let lag = lag.clamp(least, most.max(least));
        self.ended = None;
        Some(lag)
    }
}
