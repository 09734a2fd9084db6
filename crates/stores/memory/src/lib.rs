//! The store in memory. It keeps nothing beyond the process, and it is the clearest statement of what every store
//! must do: `storetest` compares the others with it, history by history.
//!
//! One lock around one table; each method of the contract is one function on `table::Table`.

mod amend;
mod flow;
mod keep;
mod limits;
mod look;
mod records;
mod table;
mod unique;
mod wake;
mod work;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use longshore_clock::{Chance, Door};
use longshore_core::limiter::{Permit, Rule};
use longshore_core::{
    Amended, Can, Change, Claim, Claims, Doc, Durability, Ended, Ends, Expect, FailureGroup, Fire, Fired,
    Hold, Inserted, Job, JobFilter, JobId, JobPage, JobSpec, Kept, KindInfo, KindName, Limit, LogEntry, Page,
    Put, QueueChange, QueueInfo, QueueName, Records, Renewal, Renewed, Store, StoreResult, Timestamp, Turned,
    WakeStream,
};
use std::sync::Arc;

use records::Shelf;
use table::Table;
use wake::Bell;

/// A store that lives and dies with its process.
pub struct MemoryStore {
    table: Mutex<Table>,
    shelf: Mutex<Shelf>,
    bell: Bell,
    chance: Chance,
}

impl MemoryStore {
    /// An empty store. Lease tokens are drawn from the door.
    pub fn new(door: &Door) -> Self {
        Self {
            table: Mutex::default(),
            shelf: Mutex::default(),
            bell: Bell::new(),
            chance: door.chance.clone(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while the lock is held is a bug in this crate; going on with the table is still the best that is left.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, table: &mut Table) {
        for wake in table.take_wakes() {
            self.bell.ring(wake);
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        let mut table = self.table();
        let inserted = table.insert(jobs, now)?;
        self.ring(&mut table);
        Ok(inserted)
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims> {
        let mut table = self.table();
        let claims = table.claim(&claim, self.chance.bits(), now)?;
        self.ring(&mut table);
        Ok(claims)
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        Ok(self.table().renew(renewals, lease, now))
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        let mut table = self.table();
        let ended = table.finish(&ends, now)?;
        self.ring(&mut table);
        Ok(ended)
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        claim.check()?;
        let mut table = self.table();
        let ended = table.finish(&ends, now)?;
        let claims = table.claim(&claim, self.chance.bits(), now)?;
        self.ring(&mut table);
        Ok(Turned { ended, claims })
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let mut table = self.table();
        let kept = table.promote(limit, now);
        self.ring(&mut table);
        Ok(kept)
    }

    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let mut table = self.table();
        let kept = table.expire(limit, now);
        self.ring(&mut table);
        Ok(kept)
    }

    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let mut table = self.table();
        let kept = table.settle(limit, now);
        self.ring(&mut table);
        Ok(kept)
    }

    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired> {
        let (mut table, mut shelf) = (self.table(), self.shelf());
        if shelf.get(&fire.key, now).is_none_or(|doc| doc.version != fire.expect) {
            return Ok(Fired::Conflict);
        }
        let inserted = table.insert(fire.jobs, now)?;
        let put = shelf.put(&fire.key, fire.value, Expect::Version(fire.expect), None, now);
        self.ring(&mut table);
        Ok(match put {
            Put::Written(version) => Fired::Done { version, inserted },
            Put::Conflict(_) => Fired::Conflict,
        })
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        let mut table = self.table();
        let kept = table.reclaim(limit, stalls_max, now);
        self.ring(&mut table);
        Ok(kept)
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let mut kept = {
            let mut table = self.table();
            table.prune_counters(now);
            table.prune(limit, now)
        };
        let (removed, next) = self.shelf().prune(limit - kept.removed, now);
        kept.removed += removed;
        kept.next = kept.next.into_iter().chain(next).min();
        Ok(kept)
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        let mut table = self.table();
        let amended = table.amend(&ids, change, now)?;
        self.ring(&mut table);
        Ok(amended)
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        _now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        change.check()?;
        let mut table = self.table();
        let info = table.set_queue(queue, &change);
        self.ring(&mut table);
        Ok(info)
    }

    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, _now: Timestamp) -> StoreResult<()> {
        Limit::check_all(&limits)?;
        let mut table = self.table();
        table.set_kind(kind, limits);
        self.ring(&mut table);
        Ok(())
    }

    async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        Ok(self.table().kinds())
    }

    async fn sort(&self, _limit: usize, _now: Timestamp) -> StoreResult<Kept> {
        // A change of limits has sorted everything already.
        Ok(Kept::default())
    }

    async fn remove_queue(&self, queue: QueueName, _now: Timestamp) -> StoreResult<bool> {
        Ok(self.table().remove_queue(&queue))
    }

    async fn free_unique(&self, queue: QueueName, key: String, now: Timestamp) -> StoreResult<Option<JobId>> {
        Ok(self.table().free_unique(queue, key, now))
    }

    async fn unique_owner(
        &self,
        queue: QueueName,
        key: String,
        now: Timestamp,
    ) -> StoreResult<Option<JobId>> {
        Ok(self.table().unique_owner(queue, key, now))
    }

    async fn get(&self, id: JobId) -> StoreResult<Option<Job>> {
        Ok(self.table().get(&id))
    }

    async fn holds(&self, id: JobId, now: Timestamp) -> StoreResult<Vec<Hold>> {
        Ok(self.table().holds(&id, now))
    }

    async fn failures(&self, queue: QueueName, limit: usize) -> StoreResult<Vec<FailureGroup>> {
        Ok(self.table().failures(&queue, limit))
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        page.check()?;
        Ok(self.table().list(&filter, page))
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        Ok(self.table().queues())
    }

    fn wakeups(&self) -> WakeStream {
        self.bell.listen()
    }

    fn can(&self) -> Can {
        Can { durability: Durability::Process, shared: false, push: true }
    }

    async fn close(&self) -> StoreResult<()> {
        Ok(())
    }
}

#[async_trait]
impl Records for MemoryStore {
    async fn doc_get(&self, key: &str, now: Timestamp) -> StoreResult<Option<Doc>> {
        Ok(self.shelf().get(key, now).cloned())
    }

    async fn doc_put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> StoreResult<Put> {
        Ok(self.shelf().put(key, value, expect, ttl, now))
    }

    async fn doc_delete(&self, key: &str, expect: Expect, now: Timestamp) -> StoreResult<bool> {
        Ok(self.shelf().delete(key, expect, now))
    }

    async fn doc_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Vec<Doc>> {
        Ok(self.shelf().list(prefix, after, limit, now))
    }

    async fn log_append(&self, log: &str, entries: Vec<Bytes>, keep: usize) -> StoreResult<u64> {
        let rings = !entries.is_empty();
        let end = self.shelf().append(log, entries, keep);
        if rings {
            self.bell.ring(longshore_core::Wake::Log(log.to_owned()));
        }
        Ok(end)
    }

    async fn log_read(&self, log: &str, after: u64, limit: usize) -> StoreResult<Vec<LogEntry>> {
        Ok(self.shelf().read(log, after, limit))
    }

    async fn log_end(&self, log: &str) -> StoreResult<u64> {
        Ok(self.shelf().end(log))
    }

    async fn limit(&self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> StoreResult<Permit> {
        rule.check()?;
        Ok(self.shelf().limit(key, rule, cost, now))
    }
}
