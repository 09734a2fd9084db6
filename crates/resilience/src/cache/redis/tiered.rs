use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use longshore_clock::{Clock, Door};
use tokio::task::AbortHandle;

use super::store::{Gone, RedisStore};
use crate::cache::backend::{Found, Life, Which};
use crate::cache::body::Body;
use crate::cache::marks::Baseline;
use crate::cache::memory::{MemoryStore, Proof};
use crate::cache::{CacheError, Glob};
use crate::{Retry, Timeout};

/// Entries in a Redis, and in the memory of this process those that it has read, for as long as it hears what others
/// invalidate.
pub(in crate::cache) struct TieredStore {
    shared: Arc<Shared>,
    listener: AbortHandle,
}

struct Shared {
    near: MemoryStore,
    far: RedisStore,
    near_ttl: Duration,
    /// Until when we hear what others invalidate, by the last beat that was answered, in milliseconds of uptime. A runtime
    /// that stands still lets it pass.
    heard_until: AtomicU64,
    clock: Clock,
}

impl Drop for TieredStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl TieredStore {
    pub(super) fn start(
        near: MemoryStore,
        far: RedisStore,
        near_ttl: Duration,
        beat: &Timeout,
        heartbeat: Duration,
        door: &Door,
    ) -> Self {
        let (heard_until, clock) = (AtomicU64::new(0), door.clock.clone());
        let shared = Arc::new(Shared { near, far, near_ttl, heard_until, clock });
        let task = listen(shared.clone(), beat.clone(), heartbeat, door.clone());
        Self { shared, listener: tokio::spawn(task).abort_handle() }
    }

    pub(in crate::cache) fn near(&self) -> &MemoryStore {
        &self.shared.near
    }

    pub(super) fn hears(&self) -> bool {
        self.shared.uptime() < self.shared.heard_until.load(Ordering::Acquire)
    }

    pub(in crate::cache) async fn get(&self, key: &str) -> Option<Found> {
        let shared = &*self.shared;
        if !self.hears() {
            return shared.far.get(key).await;
        }
        if let Some(found) = shared.near.get(key) {
            return Some(found);
        }
        let epoch = shared.near.epoch();
        let written = shared.far.read(key).await?;
        if written.found.stale_for.is_none() && self.hears() {
            let ttl = written.fresh_for.map_or(shared.near_ttl, |left| left.min(shared.near_ttl));
            let life = Life { ttl: Some(ttl), stale: Duration::ZERO };
            let body = &written.found.body;
            shared.near.put(&key.into(), body, life, &written.tags, Proof::Epoch(epoch));
        }
        Some(written.found)
    }

    pub(in crate::cache) async fn begin(&self, key: &str, tags: &[Arc<str>]) -> (Baseline, Option<Found>) {
        let near = self.shared.near.marks(key, tags);
        let (baseline, found) = self.shared.far.begin(key, tags).await;
        (Baseline { near, ..baseline }, found)
    }

    pub(in crate::cache) async fn put(
        &self,
        key: &Arc<str>,
        body: &Body,
        life: Life,
        tags: &[Arc<str>],
        baseline: Option<&Baseline>,
    ) -> bool {
        let shared = &*self.shared;
        let kept = shared.far.put(key, body, life, tags, baseline).await;
        match baseline {
            Some(baseline) if kept && self.hears() => {
                let ttl = life.ttl.map_or(shared.near_ttl, |ttl| ttl.min(shared.near_ttl));
                let life = Life { ttl: Some(ttl), stale: Duration::ZERO };
                shared.near.put(key, body, life, tags, Proof::Marks(&baseline.near));
            }
            Some(_) => {}
            // Of two at once Redis knows which came last, so it is read from there.
            None => drop(shared.near.remove(Which::Key(key))),
        }
        kept
    }

    pub(in crate::cache) async fn remove(&self, which: Which<'_>) -> Result<u64, CacheError> {
        let removed = self.shared.far.remove(which).await;
        self.shared.near.remove(which);
        removed
    }
}

/// Ends as it is dropped, also with the runtime that it was begun on.
struct Hearing<'a>(&'a Shared);

impl Hearing<'_> {
    /// A beat that was sent at this time was answered, and what came before the answer has been heard.
    fn beat(&self, sent: u64, patience: Duration) {
        self.0.heard_until.store(sent + patience.as_millis() as u64, Ordering::Release);
    }
}

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        self.0.heard_until.store(0, Ordering::Release);
        self.0.near.remove(Which::All);
    }
}

/// Hears what others invalidate. While it does not, nothing is read from the memory of this process.
async fn listen(shared: Arc<Shared>, beat: Timeout, heartbeat: Duration, door: Door) {
    let patience = heartbeat.saturating_add(beat.limit());
    let mut retry = Retry::reconnect(door.clone());
    loop {
        if let Ok(listener) = shared.far.link.listen().await {
            let (mut sink, mut notices) = listener.split();
            let (channel, began) = (shared.far.channel(), shared.uptime());
            if beat.run(sink.subscribe(&channel)).await.is_ok_and(|subscribed| subscribed.is_ok()) {
                retry = Retry::reconnect(door.clone());
                // What was put here meanwhile may be old already.
                shared.near.remove(Which::All);
                let hearing = Hearing(&shared);
                hearing.beat(began, patience);
                let beats = async {
                    loop {
                        let (next, sent) = (door.clock.after(heartbeat), shared.uptime());
                        if !beat.run(sink.ping::<redis::Value>()).await.is_ok_and(|pong| pong.is_ok()) {
                            return;
                        }
                        hearing.beat(sent, patience);
                        next.wait().await;
                    }
                };
                let heard = async {
                    while let Some(notice) = notices.next().await {
                        shared.apply(notice.get_payload_bytes());
                    }
                };
                // What was said before a beat was answered is heard before it counts.
                tokio::select! {
                    biased;
                    () = heard => {}
                    () = beats => {}
                }
                drop(hearing);
                tracing::warn!(channel, "invalidations are not heard; this process reads only from Redis");
            }
        }
        retry.wait().await;
    }
}

impl Shared {
    fn uptime(&self) -> u64 {
        self.clock.uptime().as_millis() as u64
    }

    /// Our own notices too: what was asked of Redis may have been done later than we knew.
    fn apply(&self, notice: &[u8]) {
        match serde_json::from_slice(notice) {
            Ok(Gone::Key(key)) => drop(self.near.remove(Which::Key(&key))),
            Ok(Gone::Tag(tag)) => drop(self.near.remove(Which::Tag(&tag))),
            Ok(Gone::Pattern(pattern)) if let Ok(glob) = Glob::parse(&pattern) => {
                self.near.remove(Which::Pattern(&glob));
            }
            // What is not understood may be anything.
            Ok(_) | Err(_) => drop(self.near.remove(Which::All)),
        }
    }
}
