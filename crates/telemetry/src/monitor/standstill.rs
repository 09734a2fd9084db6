use std::time::Duration;

use tokio::runtime::Handle;

use super::moment::Moment;
use super::readings::STEP;
use super::timer::Timer;

/// So much the times of a reading may differ.
const UNSURE: Duration = Duration::from_millis(1);

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
    /// Whether a thread had looked for timers by then, and whether any had noted what it did.
    has_looked: bool,
    has_noted: bool,
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

    /// Whether a thread has looked for timers since one was set. To be asked before a reading: what was noted before that look
    /// is in the reading then.
    pub(super) fn has_looked(&self) -> Option<bool> {
        self.timer.has_come()
    }

    /// Looks at a reading beside the one before it, and the time of the one before that. In a long step much may have happened
    /// by turns.
    pub(super) fn look(
        &mut self,
        now: &Moment,
        last: &Moment,
        before_last: Duration,
        looked: Option<bool>,
        is_long_step: bool,
    ) {
        let stands = self.quiet.take_if(|quiet| quiet.stands == Stands::Yes);
        let has_noted = now.is_asleep() || now.beside(last).any(|(now, before)| now.has_noted(before));
        let has_looked = looked == Some(true);
        if has_noted || (has_looked && stands.is_some()) {
            let ended = |quiet| Ended { quiet, after: last.at, until: now.at, has_looked, has_noted };
            let ended = stands.map(ended);
            self.ended = ended.or(self.ended.take());
            self.quiet = None;
            // Whoever is awake may have begun since then.
            if !has_noted || (is_long_step && !now.is_asleep()) {
                self.begin(now, last.at, now.at);
            }
            return;
        }
        let has_woken = now.beside(last).any(|(now, before)| before.is_asleep && !now.is_asleep);
        self.quiet = stands.or(self.quiet.take());
        match &mut self.quiet {
            Some(quiet) if quiet.stands == Stands::Perhaps => match (now.is_awake(), looked) {
                // Whoever has looked is at work by now.
                (true, Some(true)) => self.begin(now, last.at, now.at),
                (true, _) | (false, Some(false)) => quiet.stands = Stands::Yes,
                (false, _) => quiet.stands = Stands::No,
            },
            // Whoever looked in its sleep may be the one that has woken.
            Some(quiet) if quiet.stands == Stands::Yes || !has_woken => {}
            _ if has_woken => self.begin(now, last.at, now.at),
            _ => self.begin(now, before_last, last.at),
        }
    }

    /// Perhaps it stands still, and began to after the one and before the other.
    fn begin(&mut self, now: &Moment, after: Duration, from: Duration) {
        self.timer.set(&self.runtime);
        let stands = if now.is_awake() { Stands::Yes } else { Stands::Perhaps };
        self.quiet = Some(Quiet { after, from, base: now.clone(), stands });
    }

    /// How long it stood still, told once, when those who were awake have noted that.
    pub(super) fn take(&mut self, now: &Moment, usual: Duration) -> Option<Duration> {
        let Ended { quiet, after, until, has_looked, has_noted } = self.ended.as_ref()?;
        let awake = || now.beside(&quiet.base).filter(|(_, before)| !before.is_asleep);
        let have_all = awake().all(|(now, before)| now.has_noted(before));
        // Who has not by then is held up by something else.
        if *has_noted && !have_all && now.at.saturating_sub(*until) < STEP * 2 {
            return None;
        }
        let noted = awake().filter(|(now, before)| now.has_noted(before));
        let lag = noted.map(|(now, before)| now.since(before).stretch(usual)).min().unwrap_or_default();
        let (least, most) = (after.saturating_sub(quiet.from), until.saturating_sub(quiet.after));
        // Between tasks that yield a thread looks for timers and notes nothing, so that what it notes at last is from before.
        let is_older = lag > most + UNSURE;
        let lag = if !has_noted || (*has_looked && is_older) {
            // So late was the timer that was set.
            ((*after + *until) / 2).saturating_sub(quiet.base.at)
        } else {
            lag.clamp(least, most.max(least))
        };
        self.ended = None;
        Some(lag)
    }
}
