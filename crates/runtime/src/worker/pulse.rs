//! The pulse of a worker: renews leases, carries progress up and cancellations down, and tells that the worker lives.
//!
//! It beats on a thread of its own, so that a handler which blocks every thread of the runtime cannot cost a lease.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::StreamExt;
use longshore_clock::{Deadline, Timestamp};
use longshore_core::{Renewal, Renewed, StoreError, Wake, WakeStream, limits::STEP_RECORDS_MAX};

use super::{Desk, lock};
use crate::attempt::Running;
use crate::signal::Interrupt;
use crate::stop::Stop;
use crate::{resets, roster};

/// After a renewal that failed, the next one follows within this time.
const AGAIN: Duration = Duration::from_secs(1);
/// The stored copy of progress follows the handler within this time.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Pulse {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Pulse {
    // Also where the worker is dropped in the middle: who has gone renews nothing. The thread awaits nothing any more, so this
    // is less than a moment.
    fn drop(&mut self) {
        self.stop.drain();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn start(desk: Arc<Desk>) -> Result<Pulse, StoreError> {
    let no_thread =
        |error: std::io::Error| StoreError::Unavailable(format!("cannot start a thread: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(no_thread)?;
    let stop = Stop::new();
    let until = stop.clone();
    // Listens before the first claim, so that no cancellation falls between the two.
    let wakes = desk.engine.store().wakeups();
    let beat = move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                // A store that does not answer must not hold up the end of the worker, and who has gone renews nothing.
                () = until.draining() => {}
                () = run(&desk, wakes) => {}
            }
        })
    };
    let thread =
        std::thread::Builder::new().name("worker-pulse".to_owned()).spawn(beat).map_err(no_thread)?;
    Ok(Pulse { stop, thread: Some(thread) })
}

async fn run(desk: &Desk, mut wakes: WakeStream) {
    let clock = &desk.engine.door().clock;
    // A worker that misses one beat is not taken for gone yet.
    let beat = desk.config.ttl / 3;
    let tick = (desk.config.lease / 6).min(beat);
    let mut tell_at = clock.after(beat);
    let mut save_at = clock.after(Duration::ZERO);
    let (mut unsaved, mut failed) = (false, false);
    loop {
        let save_due = if unsaved { save_at.clone() } else { Deadline::NEVER };
        let mut next =
            clock.after(if failed { tick.min(AGAIN) } else { tick }).sooner(tell_at.clone()).sooner(save_due);
        for running in lock(&desk.held).values() {
            next = next.sooner(running.defies_at());
        }
        let mut asked = tokio::select! {
            Some(wake) = wakes.next() => {
                let cancel = matches!(wake, Wake::Cancel | Wake::Missed);
                desk.cancels.fetch_add(u64::from(cancel), Ordering::SeqCst);
                cancel
            }
            () = desk.pulse.notified(), if !unsaved => { unsaved = true; false }
            () = next.wait() => false,
        };
        asked |= desk.recheck.swap(false, Ordering::SeqCst);
        let now = clock.now();
        let saves = unsaved && save_at.is_over();
        if saves {
            unsaved = false;
            save_at = clock.after(PROGRESS_EVERY);
        }
        failed = !renew(desk, asked || failed, saves, now).await;
        unsaved |= failed;
        if tell_at.is_over() || desk.retell.swap(false, Ordering::SeqCst) {
            tell_at = clock.after(beat);
            if let Err(error) = roster::tell(&**desk.engine.store(), &desk.info(), now).await {
                tracing::debug!(%error, "could not tell of this worker");
            }
            follow_resets(desk).await;
        }
    }
}

/// Closes the breakers that an operator wants closed.
pub(super) async fn follow_resets(desk: &Desk) {
    let guards = &desk.engine.shared.guards;
    if guards.have_breakers() {
        match resets::read(&**desk.engine.store(), desk.engine.now()).await {
            Ok(asked) => guards.follow(asked),
            Err(error) => tracing::debug!(%error, "could not look for breakers to be closed"),
        }
    }
}

/// Renews what is due, or `all`; with `saves` also what has new progress. Tells whether the store took it. Attempts whose
/// handlers block their threads, so that nobody else can stop them, end here.
async fn renew(desk: &Desk, all: bool, saves: bool, now: Timestamp) -> bool {
    let mut taken = true;
    let due = now + desk.config.lease * 2 / 3;
    let mut batch: Vec<(Arc<Running>, Renewal)> = Vec::new();
    let mut given_up = Vec::new();
    for running in lock(&desk.held).values() {
        given_up.extend(running.given_up().map(|fate| (running.clone(), fate)));
        let progress = if saves { running.take_progress() } else { None };
        let until = Timestamp::from_millis(running.lease_until.load(Ordering::Relaxed));
        if all || until <= due || progress.is_some() {
            batch.push((running.clone(), Renewal { token: running.token, progress }));
        }
    }
    for (running, fate) in given_up {
        desk.ended(running, Some(fate));
    }
    for part in batch.chunks(STEP_RECORDS_MAX) {
        let renewals = part.iter().map(|(_, renewal)| renewal.clone()).collect();
        match desk.engine.store().renew(renewals, desk.config.lease, now).await {
            Ok(answers) => {
                part.iter().zip(answers).for_each(|((running, _), answer)| apply(desk, running, answer))
            }
            Err(error) => {
                tracing::warn!(worker = %desk.id, %error, "could not renew leases; trying again");
                taken = false;
                for (running, renewal) in part {
                    renewal
                        .progress
                        .clone()
                        .into_iter()
                        .for_each(|progress| running.put_progress_back(progress));
                }
            }
        }
    }
    taken
}

fn apply(desk: &Desk, running: &Running, answer: Renewed) {
    match answer {
        Renewed::Held { until, cancel } => {
            running.lease_until.store(until.as_millis(), Ordering::Relaxed);
            if cancel {
                running.cancel(&desk.handlers);
            }
        }
        // What has ended meanwhile has no lease any more, and nobody to tell.
        Renewed::Lost => {
            if lock(&desk.held).contains_key(&running.token) {
                running.signal.raise(Interrupt::Lost);
            }
        }
    }
}
