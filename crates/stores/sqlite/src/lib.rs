//! The embedded store: one SQLite file.
//!
//! One thread writes, and one commit carries everything that waits: inserts, claims, renewals, ends
//! (the module `writer`). Looks run beside it on connections of their own. Several processes may use one file; they take
//! turns at a gate and ring each other's bell.

mod amend;
mod claim;
mod config;
#[cfg(test)]
mod cost;
mod desk;
mod error;
mod failures;
mod finish;
#[cfg(feature = "bench")]
pub mod floor;
mod flow;
mod gate;
mod history;
mod insert;
mod keep;
mod lanes;
mod limits;
mod look;
mod names;
mod open;
mod records;
mod rows;
mod ties;
mod tx;
mod unique;
mod wake;
mod within;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use longshore_clock::Door;
use longshore_core::limiter::{Permit, Rule};
use longshore_core::{
    Amended, Can, Change, Claim, Claims, Doc, Durability, Ended, Ends, Expect, FailureGroup, Fire, Fired,
    Hold, Inserted, Job, JobFilter, JobId, JobPage, JobSpec, Kept, KindInfo, KindName, Limit, LogEntry, Page,
    Put, QueueChange, QueueInfo, QueueName, Records, Renewal, Renewed, Store, StoreResult, Timestamp, Turned,
    WakeStream,
};

pub use config::{SqliteConfig, Synchronous};
pub use open::SCHEMA;
pub use rusqlite;
pub use within::{Within, insert_within};

use desk::Readers;
use gate::Gate;
use wake::{Bell, Peers};
use writer::Writer;

/// Looks that run at the same time.
const READERS: usize = 2;

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    bell: Bell,
    durability: Durability,
}

impl SqliteStore {
    /// Opens the file, creating it or bringing its schema up to date. Lease tokens are drawn from the door.
    ///
    /// Refuses a file of another program, a damaged one, and one with a newer schema.
    pub fn open(config: &SqliteConfig, door: &Door) -> StoreResult<Self> {
        let connection = open::writer(config)?;
        let peers = Peers::open(&config.path)?;
        let gate = Gate::open(&peers)?;
        let bell = Bell::start(peers, door.chance.bits())?;
        let writer = Writer::start(connection, config.synchronous, gate, bell.clone(), door.chance.clone())?;
        let connections = (0..READERS).map(|_| open::reader(config)).collect::<StoreResult<_>>()?;
        let durability = match config.synchronous {
            Synchronous::Full => Durability::Power,
            Synchronous::Normal => Durability::Kill,
        };
        Ok(Self { writer, readers: Readers::start(connections)?, bell, durability })
    }

    /// What is wrong with the file: what SQLite finds, and what of the schema is missing. Nothing if it is sound.
    pub async fn check(&self) -> StoreResult<Vec<String>> {
        let findings = self.readers.look(|conn| {
            let mut check = conn.prepare("PRAGMA integrity_check(20)")?;
            let rows = check.query_map([], |row| row.get::<_, String>(0))?;
            let mut findings = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            findings.extend(open::missing(conn)?);
            Ok(findings)
        });
        Ok(findings.await?.into_iter().filter(|finding| finding != "ok").collect())
    }
}

/// Waits for the end of threads.
async fn join(threads: impl IntoIterator<Item = JoinHandle<()>> + Send + 'static) {
    let joined = tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join())));
    let _ = joined.await;
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.bell.stop();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        self.writer.write(move |tx| tx.insert(&jobs, now)).await
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims> {
        self.writer.write_again(move |tx| tx.claim(&claim, now)).await
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        self.writer.write_again(move |tx| tx.renew(&renewals, lease, now)).await
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        self.writer.write(move |tx| tx.finish(&ends, now)).await
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        let nothing_ends = ends.is_empty();
        let turn = move |tx: &mut tx::Tx<'_>| {
            claim.check()?;
            Ok(Turned { ended: tx.finish(&ends, now)?, claims: tx.claim(&claim, now)? })
        };
        if nothing_ends { self.writer.write_again(turn).await } else { self.writer.write(turn).await }
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.writer.write_again(move |tx| tx.promote(limit, now)).await
    }

    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.writer.write_again(move |tx| tx.expire(limit, now)).await
    }

    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.writer.write_again(move |tx| tx.settle(limit, now)).await
    }

    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired> {
        self.writer.write(move |tx| tx.fire(&fire, now)).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        self.writer.write_again(move |tx| tx.reclaim(limit, stalls_max, now)).await
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.writer.write_again(move |tx| tx.prune(limit, now)).await
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        self.writer.write(move |tx| tx.amend(&ids, change, now)).await
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        _now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        change.check()?;
        self.writer.write(move |tx| tx.amend_queue(&queue, &change)).await
    }

    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, _now: Timestamp) -> StoreResult<()> {
        Limit::check_all(&limits)?;
        self.writer.write(move |tx| tx.set_kind(&kind, &limits)).await
    }

    async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        self.readers.look(limits::kinds).await
    }

    async fn sort(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.writer.write_again(move |tx| tx.sort(limit, now)).await
    }

    async fn remove_queue(&self, queue: QueueName, _now: Timestamp) -> StoreResult<bool> {
        self.writer.write(move |tx| tx.remove_queue(&queue)).await
    }

    async fn free_unique(&self, queue: QueueName, key: String, now: Timestamp) -> StoreResult<Option<JobId>> {
        self.writer.write(move |tx| tx.free_unique(&queue, &key, now)).await
    }

    async fn unique_owner(
        &self,
        queue: QueueName,
        key: String,
        now: Timestamp,
    ) -> StoreResult<Option<JobId>> {
        self.readers.look(move |conn| unique::owner(conn, &queue, &key, now)).await
    }

    async fn get(&self, id: JobId) -> StoreResult<Option<Job>> {
        self.readers.look(move |conn| look::job(conn, &id)).await
    }

    async fn holds(&self, id: JobId, now: Timestamp) -> StoreResult<Vec<Hold>> {
        self.writer.write_again(move |tx| tx.holds(&id, now)).await
    }

    async fn failures(&self, queue: QueueName, limit: usize) -> StoreResult<Vec<FailureGroup>> {
        self.readers.look(move |conn| failures::list(conn, &queue, limit)).await
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        page.check()?;
        self.readers.look(move |conn| look::list(conn, &filter, page)).await
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        self.readers.look(look::queues).await
    }

    fn wakeups(&self) -> WakeStream {
        self.bell.listen()
    }

    fn is_alone(&self) -> bool {
        self.bell.is_alone()
    }

    fn can(&self) -> Can {
        Can { durability: self.durability, shared: true, push: true }
    }

    async fn close(&self) -> StoreResult<()> {
        // The writer last, so that it copies all that there is.
        join(self.readers.stop()).await;
        join(self.writer.stop()).await;
        self.bell.stop();
        Ok(())
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn doc_get(&self, key: &str, now: Timestamp) -> StoreResult<Option<Doc>> {
        let key = key.to_owned();
        self.readers.look(move |conn| records::get(conn, &key, now)).await
    }

    async fn doc_put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> StoreResult<Put> {
        let key = key.to_owned();
        self.writer.write(move |tx| tx.doc_put(&key, &value, expect, ttl, now)).await
    }

    async fn doc_delete(&self, key: &str, expect: Expect, now: Timestamp) -> StoreResult<bool> {
        let key = key.to_owned();
        self.writer.write(move |tx| tx.doc_delete(&key, expect, now)).await
    }

    async fn doc_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Vec<Doc>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.readers.look(move |conn| records::list(conn, &prefix, after.as_deref(), limit, now)).await
    }

    async fn log_append(&self, log: &str, entries: Vec<Bytes>, keep: usize) -> StoreResult<u64> {
        let log = log.to_owned();
        self.writer.write(move |tx| tx.log_append(&log, &entries, keep)).await
    }

    async fn log_read(&self, log: &str, after: u64, limit: usize) -> StoreResult<Vec<LogEntry>> {
        let log = log.to_owned();
        self.readers.look(move |conn| records::log_read(conn, &log, after, limit)).await
    }

    async fn log_end(&self, log: &str) -> StoreResult<u64> {
        let log = log.to_owned();
        self.readers.look(move |conn| records::log_end(conn, &log)).await
    }

    async fn limit(&self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> StoreResult<Permit> {
        let key = key.to_owned();
        self.writer.write(move |tx| tx.limit(&key, rule, cost, now)).await
    }
}
