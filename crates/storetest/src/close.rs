use longshore_core::{JobFilter, State, StoreError};

use crate::desk::{Desk, every};
use crate::draft::{START, at, claim_of, job, specs};
use crate::stage::Stage;

pub(crate) async fn a_closed_store_may_be_closed_again_and_says_that_it_is_closed_if_it_says_no(desk: &Desk) {
    desk.insert([job("a")], START).await;
    desk.store.close().await.unwrap();
    desk.store.close().await.unwrap();
    let answers = [
        desk.store.insert(specs([job("b")]), at(1)).await.err(),
        desk.store.claim(claim_of(&[("default", 1)]), at(1)).await.err(),
        desk.store.queues().await.err(),
    ];
    for error in answers.into_iter().flatten() {
        assert!(matches!(error, StoreError::Closed), "{error}");
    }
}

pub(crate) async fn what_was_accepted_is_there_when_the_store_is_opened_anew(desk: &Desk) {
    desk.bring_all().await;
    desk.store.log_append("log", vec![bytes::Bytes::from_static(b"x")], 9).await.unwrap();
    let before = desk.whole().await;
    let Some(store) = desk.reopen().await else { return };
    let after = (store.queues().await.unwrap(), every(&*store, &JobFilter::default(), 1_000).await.unwrap());
    assert_eq!(after, before);
    assert_eq!(store.log_end("log").await.unwrap(), 1);
    crate::assert_sound(&*store).await;
}

pub(crate) async fn a_lease_outlives_the_handle_that_gave_it(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let Some(store) = desk.reopen().await else { return };
    let renewal = longshore_core::Renewal { token, progress: None };
    let answer = store.renew(vec![renewal], crate::draft::LEASE, at(2_000)).await.unwrap();
    assert!(matches!(answer[0], longshore_core::Renewed::Held { .. }), "{answer:?}");
    let ends = longshore_core::Ends::new(vec![longshore_core::End::by_token(token, crate::draft::done())]);
    let ended = store.finish(ends, at(3_000)).await.unwrap();
    assert_eq!(ended, [longshore_core::Ended::Moved(State::Completed)]);
}

pub(crate) async fn what_was_under_way_at_the_close_is_finished_or_refused(desk: &Desk) {
    let tasks: Vec<_> = (0..20)
        .map(|index| {
            let store = desk.store.clone();
            tokio::spawn(async move { store.insert(specs([job(&format!("j{index}"))]), START).await })
        })
        .collect();
    let reopened = desk.reopen().await;
    let mut accepted = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(_) => accepted.push(format!("j{index}")),
            Err(error) => assert!(matches!(error, StoreError::Closed), "{error}"),
        }
    }
    let Some(store) = reopened else { return };
    for name in accepted {
        assert!(
            store.get(crate::draft::id(&name)).await.unwrap().is_some(),
            "{name} was accepted, then lost"
        );
    }
}
