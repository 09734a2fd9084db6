use bytes::Bytes;
use longshore_core::{Expect, Fire, Fired, Put, StoreError};

use crate::desk::Desk;
use crate::draft::{Draft, START, at, job, specs};

const KEY: &str = "schedule/nightly";

async fn standing(desk: &Desk) -> u64 {
    let put = desk.store.doc_put(KEY, Bytes::from_static(b"one"), Expect::Absent, None, START).await.unwrap();
    let Put::Written(version) = put else { panic!("{put:?}") };
    version
}

fn fire(expect: u64, drafts: Vec<Draft>) -> Fire {
    Fire { key: KEY.to_owned(), expect, value: Bytes::from_static(b"two"), jobs: specs(drafts) }
}

pub(crate) async fn a_document_is_written_and_jobs_are_inserted_in_one_step(desk: &Desk) {
    let version = standing(desk).await;
    let fired = desk.store.fire(fire(version, vec![job("a"), job("b").run_at(at(50))]), at(1)).await.unwrap();
    let Fired::Done { version: next, inserted } = fired else { panic!("{fired:?}") };
    assert!(next > version);
    assert_eq!(inserted.len(), 2);
    let doc = desk.store.doc_get(KEY, at(2)).await.unwrap().unwrap();
    assert_eq!((doc.version, &*doc.value), (next, &b"two"[..]));
    assert_eq!(desk.claim_ids("default", 9, at(3)).await, ["a"]);
}

pub(crate) async fn another_version_changes_nothing(desk: &Desk) {
    let version = standing(desk).await;
    let before = desk.whole().await;
    for expect in [version + 1, version.wrapping_sub(1)] {
        let fired = desk.store.fire(fire(expect, vec![job("a")]), at(1)).await.unwrap();
        assert_eq!(fired, Fired::Conflict);
    }
    desk.store.doc_delete(KEY, Expect::Anything, at(2)).await.unwrap();
    assert_eq!(desk.store.fire(fire(version, vec![job("a")]), at(3)).await.unwrap(), Fired::Conflict);
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn of_many_that_fire_at_once_one_succeeds(desk: &Desk) {
    let version = standing(desk).await;
    let handles = desk.handles().await;
    let fires = (0..8).map(|number| {
        let store = handles[number % handles.len()].clone();
        async move { store.fire(fire(version, vec![job(&format!("j{number}"))]), at(1)).await.unwrap() }
    });
    let fired = futures_util::future::join_all(fires).await;
    assert_eq!(fired.iter().filter(|fired| **fired != Fired::Conflict).count(), 1);
    assert_eq!(desk.claim("default", 99, at(2)).await.len(), 1);
}

pub(crate) async fn jobs_that_are_refused_leave_the_document(desk: &Desk) {
    let version = standing(desk).await;
    let refused = desk.store.fire(fire(version, vec![job("a"), job("b").after(&["nobody"])]), at(1)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let doc = desk.store.doc_get(KEY, at(2)).await.unwrap().unwrap();
    assert_eq!((doc.version, &*doc.value), (version, &b"one"[..]));
    assert!(desk.claim("default", 9, at(2)).await.is_empty());
}
