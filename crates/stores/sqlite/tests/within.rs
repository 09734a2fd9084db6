//! Jobs in a transaction of the caller's own.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::sync::Arc;

use futures_util::StreamExt;
use longshore_clock::Door;
use longshore_core::{
    JobId, JobSpec, Json, KindName, Parent, QueueName, State, Store, StoreError, Timestamp, Unique, Wake,
};
use longshore_sqlite::{SqliteConfig, SqliteStore, insert_within};
use rusqlite::{Connection, TransactionBehavior};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_millis(5_000);

struct Shop {
    _folder: TempDir,
    store: SqliteStore,
    orders: Connection,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let store = SqliteStore::open(&SqliteConfig::new(&path), &Door::system()).unwrap();
        let orders = Connection::open(&path).unwrap();
        orders.execute_batch("CREATE TABLE orders (number INTEGER PRIMARY KEY)").unwrap();
        Self { _folder: folder, store, orders }
    }

    fn orders(&self) -> i64 {
        self.orders.query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).unwrap()
    }
}

fn job(id: &str) -> JobSpec {
    let kind = KindName::new("order.ship").unwrap();
    JobSpec::new(JobId::parse(id).unwrap(), QueueName::new("mail").unwrap(), kind, Json::default())
}

#[tokio::test]
async fn a_job_is_there_if_the_transaction_commits_and_else_it_never_was() {
    let mut shop = Shop::open();
    for commits in [false, true] {
        let tx = shop.orders.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        tx.execute("INSERT INTO orders (number) VALUES (1)", []).unwrap();
        let child = {
            let mut child = job("child");
            Arc::make_mut(&mut child.options).depends_on = vec![Parent::new(JobId::parse("a").unwrap())];
            child
        };
        let within = insert_within(&tx, &[Arc::new(job("a")), Arc::new(child)], NOW).unwrap();
        let states: Vec<State> = within.inserted().iter().map(|inserted| inserted.state).collect();
        assert_eq!(states, [State::Ready, State::Blocked]);
        assert!(shop.store.get(JobId::parse("a").unwrap()).await.unwrap().is_none(), "not before the commit");
        if !commits {
            drop(tx);
            continue;
        }
        let mut wakes = shop.store.wakeups();
        tx.commit().unwrap();
        within.ring();
        assert_eq!(wakes.next().await, Some(Wake::Ready(QueueName::new("mail").unwrap())));
    }
    let info = shop.store.queue(QueueName::new("mail").unwrap()).await.unwrap().unwrap();
    assert_eq!((info.counts.get(State::Ready), info.counts.get(State::Blocked), shop.orders()), (1, 1, 1));
    let there = shop.store.get(JobId::parse("a").unwrap()).await.unwrap().unwrap();
    assert_eq!((there.state, there.created_at), (State::Ready, NOW));
    assert_eq!(shop.store.check().await.unwrap(), Vec::<String>::new());
    // The store itself goes on as before.
    shop.store.insert(vec![Arc::new(job("b"))], NOW).await.unwrap();
}

#[tokio::test]
async fn a_refused_job_leaves_the_transaction_as_it_was() {
    let mut shop = Shop::open();
    let tx = shop.orders.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    tx.execute("INSERT INTO orders (number) VALUES (1)", []).unwrap();
    let mut orphan = job("orphan");
    Arc::make_mut(&mut orphan.options).depends_on = vec![Parent::new(JobId::parse("nobody").unwrap())];
    let error = insert_within(&tx, &[Arc::new(job("a")), Arc::new(orphan)], NOW).unwrap_err();
    assert!(matches!(error, StoreError::Invalid(invalid) if invalid.code == "unknown_parent"));
    let unique = |id: &str| {
        let mut spec = job(id);
        Arc::make_mut(&mut spec.options).unique = Some(Unique::new("once"));
        Arc::new(spec)
    };
    let within = insert_within(&tx, &[unique("first"), unique("second")], NOW).unwrap();
    assert!(within.inserted()[1].duplicate);
    tx.commit().unwrap();
    within.ring();
    assert_eq!(shop.orders(), 1);
    for (id, is_there) in [("a", false), ("orphan", false), ("first", true), ("second", false)] {
        assert_eq!(shop.store.get(JobId::parse(id).unwrap()).await.unwrap().is_some(), is_there, "{id}");
    }
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let mut other = Connection::open_in_memory().unwrap();
    let tx = other.transaction().unwrap();
    let error = insert_within(&tx, &[Arc::new(job("a"))], NOW).unwrap_err();
    assert!(matches!(error, StoreError::Invalid(invalid) if invalid.field == "transaction"));
}
