//! A file of an older schema is brought up to date with all that is in it.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Claim, JobId, LaneWant, QueueName, State, Store, Timestamp, WorkerId};
use longshore_sqlite::{SCHEMA, SqliteConfig, SqliteStore};
use rusqlite::Connection;

/// The first schema with one job in each place where a job can stand.
fn first_schema(path: &Path) {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(include_str!("../src/schema/0001.sql")).unwrap();
    conn.execute_batch(
        "INSERT INTO name (id, text) VALUES (1, 'mail'), (2, 'send'), (3, 'anna');
         INSERT INTO queue (id) VALUES (1);
         INSERT INTO job (place, id, queue, kind, priority, created_at, waits, due_at, turn, args)
         VALUES (1, 'ready', 1, 2, 5.0, 1000, 2, NULL, 1, '[1]'), (2, 'later', 1, 2, 5.0, 1000, 1, 9000, 2, 'null'),
                (3, 'runs', 1, 2, 5.0, 1000, 2, NULL, 3, 'null'), (4, 'done', 1, 2, 5.0, 1000, 2, NULL, 4, 'null'),
                (5, 'lost', 1, 2, 5.0, 1000, 2, NULL, 5, 'null');
         INSERT INTO ready VALUES (1, 5.0, 1, 1);
         INSERT INTO scheduled VALUES (9000, 2);
         INSERT INTO running (place, nonce, until, worker, started_at, queue, attempt, stalls)
         VALUES (3, 7, 60000, 3, 2000, 1, 1, 0);
         INSERT INTO ended (queue, state, place, attempt, stalls, finished_at, expires_at)
         VALUES (1, 4, 4, 1, 0, 3000, 4102444800000), (1, 5, 5, 1, 0, 3000, 4102444800000);
         UPDATE ended SET reason = 'error' WHERE place = 5;
         INSERT INTO detail (place, errors) VALUES (5, '[{\"attempt\":1,\"reason\":\"error\",\"message\":\"no host 10.0.0.1\",
             \"worker\":\"anna\",\"started_at\":\"1970-01-01T00:00:02.000Z\",\"duration_ms\":1000}]');
         INSERT INTO count VALUES (1, 2, 1), (1, 1, 1), (1, 3, 1), (1, 4, 1), (1, 5, 1);
         UPDATE line SET next = 6;
         PRAGMA application_id = 1280526418; PRAGMA user_version = 1;",
    )
    .unwrap();
}

#[tokio::test]
async fn jobs_of_the_first_schema_are_all_there_and_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.db");
    first_schema(&path);
    let store = SqliteStore::open(&SqliteConfig::new(&path), &Door::system()).unwrap();
    assert!(store.check().await.unwrap().is_empty());
    for (id, state) in [
        ("ready", State::Ready),
        ("later", State::Scheduled),
        ("runs", State::Running),
        ("done", State::Completed),
        ("lost", State::Failed),
    ] {
        let job = store.get(JobId::parse(id).unwrap()).await.unwrap().unwrap();
        assert_eq!(job.state, state, "{id}");
    }
    let groups = store.failures(QueueName::new("mail").unwrap(), 9).await.unwrap();
    assert_eq!((groups.len(), groups[0].jobs, &*groups[0].message), (1, 1, "no host #"));
    let now = Timestamp::from_millis(70_000);
    store.reclaim(10, 3, now).await.unwrap();
    store.promote(10, now).await.unwrap();
    let lanes = vec![LaneWant { queue: QueueName::new("mail").unwrap(), limit: 9, slots: 9 }];
    let claim = Claim { worker: WorkerId::new("anna").unwrap(), lanes, lease: Duration::from_secs(30) };
    let claimed = store.claim(claim, now).await.unwrap().jobs;
    let ids: Vec<String> = claimed.iter().map(|claimed| claimed.spec.id.to_string()).collect();
    assert_eq!(ids, ["ready", "runs", "later"]);
    assert_eq!(claimed[0].spec.args.as_str(), "[1]");
    store.close().await.unwrap();
    let conn = Connection::open(&path).unwrap();
    let version: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, SCHEMA);
}
