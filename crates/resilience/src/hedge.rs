//! A second copy of a call that takes longer than most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use longshore_telemetry::Histogram;
use serde::Serialize;

use crate::events::{Audience, heard};

/// When another copy is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HedgeAfter {
    /// Once a call takes longer than this share of the calls of the last minute or so did, above 0 and below 1.
    Percentile(f64),
    /// After this time.
    Fixed(Duration),
}

/// How to hedge.
#[derive(Clone, Debug)]
pub struct HedgeConfig {
    /// When another copy is sent.
    pub after: HedgeAfter,
    /// With a percentile: none before so many calls were measured.
    pub min_samples: u64,
    /// Copies beside the first, at least 1.
    pub max_hedges: usize,
    /// Copies in all, as a share of the calls, above 0 and at most 1.
    pub budget: f64,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { after: HedgeAfter::Percentile(0.95), min_samples: 100, max_hedges: 1, budget: 0.1 }
    }
}

/// What hedging did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HedgeMetrics {
    /// Calls.
    pub calls: u64,
    /// Copies that were sent.
    pub hedged: u64,
    /// Calls that a copy has answered first.
    pub won: u64,
    /// Copies, the first one included, that were dropped because another one was faster.
    pub cancelled: u64,
}

/// Something that hedging did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HedgeEvent {
    /// Another copy was sent.
    Hedged {
        /// Its number, from 1 on; the first copy is 0.
        copy: usize,
    },
    /// A call succeeded.
    Ended {
        /// The copy that was first.
        copy: usize,
        /// Copies that were dropped for it.
        cancelled: usize,
        /// How long the call took.
        took: Duration,
    },
}

/// Half of the time that a percentile looks back.
const HALF: Duration = Duration::from_secs(30);
/// Copies that may be saved up.
const SAVED_MAX: f64 = 10.0;

/// Sends another copy of a call that takes long, and takes the first that succeeds. Only for calls that may happen twice.
/// Cheap to clone; clones share what was measured.
#[derive(Clone)]
pub struct Hedge(Arc<Shared>);

struct Shared {
    config: HedgeConfig,
    clock: Clock,
    book: Mutex<Book>,
    calls: AtomicU64,
    hedged: AtomicU64,
    won: AtomicU64,
    cancelled: AtomicU64,
    audience: Audience<HedgeEvent>,
}

struct Book {
    halves: [Histogram; 2],
    turned_at: Duration,
    saved: f64,
}

impl Hedge {
    /// Refuses shares out of range.
    pub fn new(config: HedgeConfig, door: &Door) -> Result<Self, Invalid> {
        match config.after {
            HedgeAfter::Percentile(share) if !(share > 0.0 && share < 1.0) => {
                return Err(Invalid::new("after", "a share above 0 and below 1, or a duration", share));
            }
            HedgeAfter::Percentile(_) => {}
            HedgeAfter::Fixed(time) if time.is_zero() => {
                return Err(Invalid::new(
                    "after",
                    "a share above 0 and below 1, or a duration above zero",
                    "0",
                ));
            }
            HedgeAfter::Fixed(time) => longshore_core::check_duration("after", time)?,
        }
        if config.max_hedges == 0 {
            return Err(Invalid::new("max_hedges", "a whole number above 0", 0));
        }
        if !(config.budget > 0.0 && config.budget <= 1.0) {
            return Err(Invalid::new("budget", "a number above 0 and at most 1", config.budget));
        }
        let book = Book { halves: Default::default(), turned_at: door.clock.uptime(), saved: 0.0 };
        Ok(Self(Arc::new(Shared {
            config,
            clock: door.clock.clone(),
            book: Mutex::new(book),
            calls: AtomicU64::new(0),
            hedged: AtomicU64::new(0),
            won: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            audience: Audience::default(),
        })))
    }

    /// The first success of the copies, or the last failure. `call` is given the number of the copy, from 0 on.
    pub async fn run<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        call: impl FnMut(usize) -> F,
    ) -> Result<T, E> {
        self.run_with(|_| false, call).await
    }

    /// The first success of the copies, where `is_local` tells refusals of our own: of the failures the last one that is none of
    /// those is told, if there is one.
    pub async fn run_with<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        is_local: impl Fn(&E) -> bool,
        mut call: impl FnMut(usize) -> F,
    ) -> Result<T, E> {
        let shared = &*self.0;
        shared.calls.fetch_add(1, Ordering::Relaxed);
        let after = shared.begin();
        let began = shared.clock.uptime();
        let mut copy = |number: usize| {
            let call = call(number);
            async move { (number, call.await) }
        };
        let mut out = FuturesUnordered::new();
        out.push(copy(0));
        let mut sent = 1;
        let mut next = after.map(|after| shared.clock.after(after));
        let mut failed = None;
        loop {
            let late = async {
                match &next {
                    Some(next) if sent <= shared.config.max_hedges => next.wait().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some((number, ended)) = out.next() => {
                    match ended {
                        Ok(value) => {
                            shared.ended(began, number, out.len());
                            return Ok(value);
                        }
                        Err(error) => {
                            failed = Some(match failed.take() {
                                Some(other) if is_local(&error) => other,
                                _ => error,
                            });
                        }
                    }
                    if out.is_empty() && let Some(error) = failed.take() {
                        return Err(error);
                    }
                }
                () = late => {
                    next = after.filter(|_| shared.spend()).map(|after| shared.clock.after(after));
                    if next.is_some() {
                        shared.hedged.fetch_add(1, Ordering::Relaxed);
                        shared.audience.tell(|| HedgeEvent::Hedged { copy: sent });
                        out.push(copy(sent));
                        sent += 1;
                    }
                }
            }
        }
    }

    heard!(HedgeEvent, 0.audience);

    /// What it did so far.
    pub fn get_metrics(&self) -> HedgeMetrics {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { calls, hedged, won, cancelled, .. } = &*self.0;
        HedgeMetrics { calls: read(calls), hedged: read(hedged), won: read(won), cancelled: read(cancelled) }
    }
}

impl Shared {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins: when a copy of it is due.
    fn begin(&self) -> Option<Duration> {
        let now = self.clock.uptime();
        let mut book = self.book();
        book.saved = (book.saved + self.config.budget).min(SAVED_MAX);
        match self.config.after {
            HedgeAfter::Fixed(time) => Some(time),
            HedgeAfter::Percentile(share) => {
                book.turn(now);
                let mut seen = book.halves[0].snapshot();
                seen.add(&book.halves[1].snapshot());
                seen.quantile(share).filter(|_| seen.count() >= self.config.min_samples)
            }
        }
    }

    fn spend(&self) -> bool {
        let mut book = self.book();
        let enough = book.saved >= 1.0 - 1e-9;
        book.saved -= if enough { 1.0 } else { 0.0 };
        enough
    }

    /// A copy has succeeded while so many others were out.
    fn ended(&self, began: Duration, number: usize, others: usize) {
        let now = self.clock.uptime();
        self.won.fetch_add(u64::from(number > 0), Ordering::Relaxed);
        self.cancelled.fetch_add(others as u64, Ordering::Relaxed);
        let took = now.saturating_sub(began);
        {
            let mut book = self.book();
            book.turn(now);
            book.halves[0].record(took);
        }
        self.audience.tell(|| HedgeEvent::Ended { copy: number, cancelled: others, took });
    }
}

impl Book {
    /// Forgets what is older than a minute.
    fn turn(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.turned_at);
        if passed < HALF {
            return;
        }
        self.halves.swap(0, 1);
        self.halves[0] = Histogram::default();
        if passed >= HALF * 2 {
            self.halves[1] = Histogram::default();
        }
        // By whole halves, so that what is rarely called does not remember for longer.
        self.turned_at += HALF * (passed.as_secs() / HALF.as_secs()) as u32;
    }
}
