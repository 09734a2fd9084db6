//! Events: told where they happen, numbered by one task, handed to whoever listens, here and on other nodes.
//!
//! Telling never holds up a worker. What comes faster than it can be handed out is dropped and counted, and listeners
//! get one [`EventName::Gap`] in its place, so that they can look at the record instead.

mod letters;
mod listen;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::{Event, EventName, JobId, Store};
use tokio::sync::{Notify, broadcast};

pub use self::listen::Listener;
use crate::stop::Stop;

/// Events that may wait to be numbered.
const PENDING_MAX: usize = 4_096;
/// Events kept for listeners that come back.
const KEPT_MAX: usize = 2_000;
/// Events that travel to listeners together at most, and how many such batches a slow listener may leave unread.
const BATCH_MAX: usize = 16;
const UNREAD_MAX: usize = 2_048;
/// Events that a slow watcher of one job may leave unread.
const WATCHED_MAX: usize = 64;
/// An event is handed out at once, and those that follow it closely together.
const GATHERED_WITHIN: Duration = Duration::from_millis(1);
/// An event with its number in this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Rises by one.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// What a returning listener missed.
#[derive(Clone, Debug, PartialEq)]
pub enum Replay {
    /// All of it.
    Complete(Vec<Numbered>),
    /// More than is kept; look at the record.
    Lost,
}

/// Where events go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

struct Inner {
    door: Door,
    epoch: String,
    node: u64,
    shared: bool,
    listeners: AtomicUsize,
    /// Something happened while nobody listened, and was not told.
    unheard: AtomicBool,
    pending: Mutex<Vec<Event>>,
    full: AtomicBool,
    dropped: AtomicU64,
    /// Events told here so far, and those of them that were sent, or could not be.
    told: AtomicU64,
    sent: AtomicU64,
    /// Events that listeners missed since the start, because they were too slow or there were too many.
    lost: AtomicU64,
    /// Calls of listeners that panicked.
    panics: AtomicU64,
    rung: Notify,
    /// Rung when there is something to send to the other nodes.
    posted: Notify,
    out: Mutex<Out>,
    stop: Stop,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hub {}", self.epoch)
    }
}

struct Out {
    next: u64,
    /// The first number since which nothing went unheard.
    whole_from: u64,
    kept: VecDeque<Numbered>,
    all: broadcast::Sender<Arc<Vec<Numbered>>>,
    jobs: HashMap<JobId, broadcast::Sender<Arc<Numbered>>>,
    /// What waits to be sent to the other nodes.
    letter: VecDeque<Event>,
    letter_dropped: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// The log of the store through which processes tell each other.
    pub const LOG: &str = "events";

    pub(crate) fn start(store: Arc<dyn Store>, door: Door) -> Self {
        let out = Out {
            next: 1,
            whole_from: 0,
            kept: VecDeque::new(),
            all: broadcast::Sender::new(UNREAD_MAX),
            jobs: HashMap::new(),
            letter: VecDeque::new(),
            letter_dropped: 0,
        };
        let node = door.chance.bits() >> 16;
        let inner = Arc::new(Inner {
            epoch: format!("{:x}{:04x}", door.clock.now().as_millis(), node & 0xffff),
            node,
            shared: store.can().shared,
            listeners: AtomicUsize::new(0),
            unheard: AtomicBool::new(false),
            pending: Mutex::default(),
            full: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            told: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            rung: Notify::new(),
            posted: Notify::new(),
            out: Mutex::new(out),
            stop: Stop::new(),
            door,
        });
        let travel = {
            let (inner, stop) = (Arc::downgrade(&inner), inner.stop.clone());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(travel(inner, store, &stop)),
                    Err(error) => tracing::error!(%error, "nobody will hear of events"),
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("events".to_owned()).spawn(travel) {
            tracing::error!(%error, "nobody will hear of events");
        }
        Self(inner)
    }

    /// Ends the thread and every subscription: the engine goes.
    pub(crate) fn close(&self) {
        self.0.stop.drain();
        let mut out = lock(&self.0.out);
        // Without their senders the receivers hear the end.
        out.all = broadcast::Sender::new(1);
        out.jobs.clear();
    }

    /// Whether anybody would hear an event now. Ask before building one.
    pub fn is_heard(&self) -> bool {
        if self.0.listeners.load(Ordering::Relaxed) == 0 && !self.0.shared {
            if !self.0.unheard.load(Ordering::Relaxed) {
                self.0.unheard.store(true, Ordering::Relaxed);
            }
            return false;
        }
        let full = self.0.full.load(Ordering::Relaxed);
        if full {
            self.0.lose();
        }
        !full
    }

    /// Tells of an event. Returns at once.
    pub fn tell(&self, event: Event) {
        let mut pending = lock(&self.0.pending);
        if pending.len() >= PENDING_MAX {
            return self.0.lose();
        }
        pending.push(event);
        self.0.told.fetch_add(1, Ordering::SeqCst);
        let count = pending.len();
        drop(pending);
        if count == 1 {
            self.0.rung.notify_one();
        }
        if count >= PENDING_MAX {
            self.0.full.store(true, Ordering::Relaxed);
        }
    }

    /// Whether something told here is still on its way to other processes.
    pub fn is_sending(&self) -> bool {
        self.0.shared && self.0.told.load(Ordering::SeqCst) > self.0.sent.load(Ordering::SeqCst)
    }

    /// Names this run of this process; numbers of one epoch mean nothing in another.
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// Everything from now on.
    pub fn subscribe(&self) -> Subscription {
        self.resume(u64::MAX).1
    }

    /// Everything after event `number` of this epoch: what is kept of it, then what happens.
    pub fn resume(&self, number: u64) -> (Replay, Subscription) {
        let mut out = lock(&self.0.out);
        self.0.listeners.fetch_add(1, Ordering::Relaxed);
        if self.0.unheard.swap(false, Ordering::Relaxed) {
            out.whole_from = out.next;
        }
        let oldest = out.kept.front().map_or(out.next, |numbered| numbered.number);
        let missed = if number.saturating_add(1) < oldest || number < out.whole_from || number >= out.next {
            Replay::Lost
        } else {
            Replay::Complete(out.kept.iter().filter(|numbered| numbered.number > number).cloned().collect())
        };
        let source = Source::All { receiver: out.all.subscribe(), batch: VecDeque::new(), next: out.next };
        (missed, Subscription { hub: self.clone(), source })
    }

    /// What happens to one job from now on.
    pub fn watch(&self, job: &JobId) -> Subscription {
        let mut out = lock(&self.0.out);
        self.0.listeners.fetch_add(1, Ordering::Relaxed);
        let sender = out.jobs.entry(job.clone()).or_insert_with(|| broadcast::Sender::new(WATCHED_MAX));
        let receiver = sender.subscribe();
        Subscription { hub: self.clone(), source: Source::Job { receiver: Some(receiver), job: job.clone() } }
    }

    /// Subscriptions that are open now.
    pub fn listeners(&self) -> usize {
        self.0.listeners.load(Ordering::Relaxed)
    }

    /// Events of this process that listeners missed so far, because they were too slow or there were too many at once.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Calls of [`Hub::listen`]ers that panicked so far.
    pub fn listener_panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }
}

/// A way to hear events.
pub struct Subscription {
    hub: Hub,
    source: Source,
}

enum Source {
    All {
        receiver: broadcast::Receiver<Arc<Vec<Numbered>>>,
        batch: VecDeque<Numbered>,
        /// The number of the event after those received.
        next: u64,
    },
    Job {
        receiver: Option<broadcast::Receiver<Arc<Numbered>>>,
        job: JobId,
    },
}

impl Subscription {
    /// The next event; a [`EventName::Gap`] where some were missed. None when the engine has gone.
    pub async fn next(&mut self) -> Option<Numbered> {
        use broadcast::error::RecvError::{Closed, Lagged};
        let gap =
            |hub: &Hub| Numbered { number: 0, event: Event::new(EventName::Gap, hub.0.door.clock.now()) };
        let lose = |hub: &Hub, missed: u64| hub.0.lost.fetch_add(missed, Ordering::Relaxed);
        match &mut self.source {
            Source::Job { receiver, .. } => match receiver.as_mut()?.recv().await {
                Ok(numbered) => Some(Numbered::clone(&numbered)),
                Err(Lagged(missed)) => {
                    lose(&self.hub, missed);
                    Some(gap(&self.hub))
                }
                Err(Closed) => None,
            },
            Source::All { receiver, batch, next } => loop {
                if let Some(numbered) = batch.pop_front() {
                    return Some(numbered);
                }
                match receiver.recv().await {
                    Ok(more) => {
                        let first = more.first().map_or(*next, |one| one.number);
                        lose(&self.hub, first.saturating_sub(*next));
                        *next = first + more.len() as u64;
                        batch.extend(more.iter().cloned());
                    }
                    Err(Lagged(_)) => return Some(gap(&self.hub)),
                    Err(Closed) => return None,
                }
            },
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.0.listeners.fetch_sub(1, Ordering::Relaxed);
        if let Source::Job { receiver, job } = &mut self.source {
            let mut out = lock(&self.hub.0.out);
            drop(receiver.take());
            if out.jobs.get(job).is_some_and(|sender| sender.receiver_count() == 0) {
                out.jobs.remove(job);
            }
        }
    }
}

impl Out {
    /// Hands an event to those who watch its job; a gap to everybody.
    fn tell_watchers(&self, one: &Numbered) {
        let send = |sender: &broadcast::Sender<Arc<Numbered>>| {
            // A watcher that has gone hears nothing more.
            let _ = sender.send(Arc::new(one.clone()));
        };
        match &one.event.id {
            Some(id) => self.jobs.get(id).into_iter().for_each(send),
            None if one.event.event == EventName::Gap => self.jobs.values().for_each(send),
            None => {}
        }
    }
}

impl Inner {
    /// Counts an event that finds no room, and sees to it that listeners are told of a gap.
    fn lose(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.rung.notify_one();
    }

    fn hand_out(&self, events: Vec<Event>, dropped: u64, outgoing: bool) {
        let mut out = lock(&self.out);
        let gap = (dropped > 0).then(|| Event::new(EventName::Gap, self.door.clock.now()));
        let first = out.next;
        let numbered: Vec<Numbered> = (first..)
            .zip(events.into_iter().chain(gap))
            .map(|(number, event)| Numbered { number, event })
            .collect();
        out.next += numbered.len() as u64;
        if !out.jobs.is_empty() {
            for one in &numbered {
                out.tell_watchers(one);
            }
        }
        if outgoing && self.shared {
            out.letter.extend(numbered.iter().map(|one| one.event.clone()));
            // Of more than can wait the newest are sent.
            let surplus = out.letter.len().saturating_sub(letters::OUTGOING_MAX);
            out.letter.drain(..surplus);
            // A gap was told by nobody.
            self.sent.fetch_add(surplus as u64, Ordering::SeqCst);
            self.told.fetch_add(u64::from(dropped > 0), Ordering::SeqCst);
            out.letter_dropped += dropped + surplus as u64;
            self.posted.notify_one();
        }
        let newest = numbered.len().saturating_sub(KEPT_MAX);
        out.kept.extend(numbered[newest..].iter().cloned());
        let surplus = out.kept.len().saturating_sub(KEPT_MAX);
        out.kept.drain(..surplus);
        let mut rest = numbered.into_iter();
        loop {
            let batch: Vec<Numbered> = rest.by_ref().take(BATCH_MAX).collect();
            // Nobody listening is fine.
            if batch.is_empty() || out.all.send(Arc::new(batch)).is_err() {
                return;
            }
        }
    }
}

/// Everything that happens to events after they were told. On a thread of its own, so that handlers that block their
/// threads do not silence the others.
async fn travel(inner: Weak<Inner>, store: Arc<dyn Store>, stop: &Stop) {
    let shared = store.can().shared;
    let letters = async {
        if shared {
            tokio::join!(letters::send(inner.clone(), store.clone()), letters::read(inner.clone(), store));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = stop.draining() => {}
        () = number_events(inner.clone()) => {}
        () = letters => {}
    }
}

async fn number_events(inner: Weak<Inner>) {
    let real = Clock::system();
    loop {
        let Some(hub) = inner.upgrade() else { return };
        let notified = {
            let pending = std::mem::take(&mut *lock(&hub.pending));
            hub.full.store(false, Ordering::Relaxed);
            let dropped = hub.dropped.swap(0, Ordering::Relaxed);
            if pending.is_empty() && dropped == 0 {
                true
            } else {
                hub.hand_out(pending, dropped, true);
                false
            }
        };
        if notified {
            hub.rung.notified().await;
        } else {
            // Under load nobody has to wake this thread for a single event.
            real.sleep(GATHERED_WITHIN).await;
        }
    }
}
