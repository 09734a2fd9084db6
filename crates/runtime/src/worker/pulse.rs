//! The pulse of a worker: renews leases, carries progress up and cancellations down, and tells that the worker lives.
//!
//! It beats on a thread of its own, so that a handler which blocks every thread of the runtime cannot cost a lease.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::StreamExt;
use longshore_clock::Timestamp;
use longshore_core::{Renewal, Renewed, StoreError, Wake, WakeStream, limits::STEP_RECORDS_MAX};

use super::{Desk, lock};
use crate::attempt::Running;
use crate::roster::{self, BEAT};
use crate::signal::Interrupt;
use crate::stop::Stop;

/// The stored copy of progress follows the handler within this time.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Pulse {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    pub(super) fn stop(mut self) {
        self.stop.drain();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Pulse {
    // The worker may be dropped in the middle; its thread must not live on.
    fn drop(&mut self) {
        self.stop.drain();
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
                // A store that does not answer must not hold up the end of the worker.
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
    let tick = (desk.config.lease / 6).min(BEAT);
    let mut tell_at = clock.now() + BEAT;
    let mut save_at = Timestamp::ZERO;
    let mut unsaved = false;
    loop {
        let now = clock.now();
        let save_due = if unsaved { save_at } else { Timestamp::MAX };
        let next = (now + tick).min(tell_at).min(save_due);
        let asked = tokio::select! {
            Some(wake) = wakes.next() => matches!(wake, Wake::Cancel | Wake::Missed),
            () = desk.pulse.notified(), if !unsaved => { unsaved = true; false }
            () = clock.sleep_until(next) => false,
        };
        let now = clock.now();
        let saves = unsaved && now >= save_at;
        if saves {
            unsaved = false;
            save_at = now + PROGRESS_EVERY;
        }
        if !renew(desk, asked, saves, now).await {
            unsaved = true;
        }
        if now >= tell_at {
            tell_at = now + BEAT;
            if let Err(error) = roster::tell(&**desk.engine.store(), &desk.info(), now).await {
                tracing::debug!(%error, "could not tell of this worker");
            }
        }
    }
}

/// Renews what is due, or `all`; with `saves` also what has new progress. Tells whether the store took it.
async fn renew(desk: &Desk, all: bool, saves: bool, now: Timestamp) -> bool {
    let mut taken = true;
    let due = now + desk.config.lease * 2 / 3;
    let mut batch: Vec<(Arc<Running>, Renewal)> = Vec::new();
    for running in lock(&desk.held).values() {
        let progress = if saves { running.take_progress() } else { None };
        let until = Timestamp::from_millis(running.lease_until.load(Ordering::Relaxed));
        if all || until <= due || progress.is_some() {
            batch.push((running.clone(), Renewal { token: running.token, progress }));
        }
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
                running.signal.raise(Interrupt::Cancel);
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
