use longshore_core::life::Move;
use longshore_core::limits::PROGRESS_MESSAGE_BYTES_MAX;
use longshore_core::{Change, Outcome, Progress, Renewal, Renewed, State};

use crate::desk::Desk;
use crate::draft::{FOREIGN, LEASE, START, at, done, job, json, ms, outcomes, retry};
use crate::stage::{BROUGHT, DUE, Stage};

const fn held(until: longshore_core::Timestamp) -> Renewed {
    Renewed::Held { until, cancel: false }
}

pub(crate) async fn a_lease_is_extended_to_now_and_the_wanted_length(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let renewal = vec![Renewal { token, progress: None }];
    assert_eq!(desk.store.renew(renewal.clone(), ms(60_000), at(2_000)).await.unwrap(), [held(at(62_000))]);
    assert_eq!(desk.store.renew(renewal, ms(1_000), at(62_000)).await.unwrap(), [held(at(63_000))]);
}

pub(crate) async fn a_renewed_lease_is_not_taken_back_at_its_old_end(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    desk.renew(token, None, at(20_000)).await;
    let kept = desk.store.reclaim(9, 3, at(40_000)).await.unwrap();
    assert_eq!((kept.moved.len(), kept.next), (0, Some(at(20_000) + LEASE)));
    assert_eq!(desk.store.reclaim(9, 3, at(20_001) + LEASE).await.unwrap().moved.len(), 1);
}

pub(crate) async fn a_lease_that_ran_out_can_be_renewed_until_it_is_taken_back(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let late = at(BROUGHT) + LEASE + LEASE;
    assert_eq!(desk.renew(token, None, late).await, held(late + LEASE));
    assert!(desk.store.reclaim(9, 3, late).await.unwrap().moved.is_empty());
}

pub(crate) async fn progress_is_stored(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let progress = Progress::new(40, "half way").with_data(json("{\"page\" : 3}")).unwrap();
    desk.renew(token, Some(progress.clone()), at(BROUGHT)).await;
    assert_eq!(desk.job("Running").await.progress, progress);
    desk.renew(token, None, at(BROUGHT)).await;
    assert_eq!(desk.job("Running").await.progress, progress, "a renewal without progress leaves it");
    let longest = Progress::new(50, &"ä".repeat(PROGRESS_MESSAGE_BYTES_MAX));
    desk.renew(token, Some(longest.clone()), at(BROUGHT)).await;
    assert_eq!(desk.job("Running").await.progress, longest);
}

pub(crate) async fn progress_never_falls_inside_an_attempt(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    for (told, kept) in [(10, 10), (70, 70), (30, 70), (0, 70), (71, 71), (100, 100), (99, 100)] {
        desk.renew(token, Some(Progress::new(told, "")), at(BROUGHT)).await;
        assert_eq!(desk.job("Running").await.progress.percent, kept, "after {told}");
    }
}

pub(crate) async fn a_completed_job_has_progress_100_and_one_that_waits_again_0(desk: &Desk) {
    for (by_move, outcome) in outcomes(at(DUE)) {
        let token = desk.bring(Stage::Running).await;
        desk.renew(token, Some(Progress::new(80, "nearly")), at(BROUGHT)).await;
        desk.end(token, outcome, at(BROUGHT)).await;
        let expected = match by_move {
            Move::Done => 100,
            Move::Fail | Move::Cancel => 80,
            _ => 0,
        };
        assert_eq!(desk.job("Running").await.progress.percent, expected, "{by_move:?}");
        desk.amend("Running", Change::Remove { force: false }, at(2_000)).await;
    }
    let token = desk.bring(Stage::Running).await;
    desk.renew(token, Some(Progress::new(80, "nearly")), at(BROUGHT)).await;
    desk.store.reclaim(9, 3, at(900_000)).await.unwrap();
    assert_eq!(
        desk.job("Running").await.progress.percent,
        0,
        "a lease that was lost took its progress along"
    );
}

pub(crate) async fn progress_begins_anew_with_the_next_attempt(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    desk.renew(token, Some(Progress::new(80, "nearly")), at(BROUGHT)).await;
    desk.end(token, retry(at(2_000)), at(BROUGHT)).await;
    desk.store.promote(9, at(2_000)).await.unwrap();
    let next = desk.take("Running", at(2_000)).await;
    assert_eq!(desk.job("Running").await.progress, Progress::default());
    desk.renew(next.lease.token, Some(Progress::new(10, "again")), at(2_100)).await;
    assert_eq!(desk.job("Running").await.progress, Progress::new(10, "again"));
}

pub(crate) async fn a_renewal_tells_that_the_job_shall_stop(desk: &Desk) {
    let token = desk.bring(Stage::RunningAskedToStop).await;
    for _ in 0..2 {
        let answer = desk.renew(token, None, at(BROUGHT)).await;
        assert_eq!(answer, Renewed::Held { until: at(BROUGHT) + LEASE, cancel: true });
    }
}

pub(crate) async fn a_lease_that_holds_no_job_is_lost(desk: &Desk) {
    for (stage, token) in
        desk.bring_all().await.into_iter().filter(|(stage, _)| stage.state() != State::Running)
    {
        let before = desk.whole().await;
        assert_eq!(
            desk.renew(token, Some(Progress::new(99, "late")), at(BROUGHT)).await,
            Renewed::Lost,
            "{stage:?}"
        );
        assert_eq!(desk.whole().await, before, "{stage:?}");
    }
}

pub(crate) async fn a_lease_is_lost_once_its_job_was_removed(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    desk.amend("Running", Change::Remove { force: true }, at(BROUGHT)).await;
    assert_eq!(desk.renew(token, None, at(BROUGHT)).await, Renewed::Lost);
    desk.insert([job("Running").queue("Running")], at(BROUGHT)).await;
    desk.take("Running", at(BROUGHT)).await;
    assert_eq!(
        desk.renew(token, None, at(BROUGHT)).await,
        Renewed::Lost,
        "a new job with the old id is not its job"
    );
}

pub(crate) async fn an_older_lease_of_the_same_job_is_lost(desk: &Desk) {
    let old = desk.bring(Stage::ReadyByReclaim).await;
    let new = desk.take("ReadyByReclaim", at(BROUGHT)).await.lease.token;
    assert_eq!(desk.renew(old, Some(Progress::new(99, "late")), at(2_000)).await, Renewed::Lost);
    assert_eq!(desk.job("ReadyByReclaim").await.progress, Progress::default());
    assert_eq!(desk.renew(new, None, at(2_000)).await, held(at(2_000) + LEASE));
}

pub(crate) async fn renewals_are_answered_in_their_order(desk: &Desk) {
    desk.insert(["a", "b", "c"].map(job), START).await;
    let tokens: Vec<_> =
        desk.claim("default", 3, at(1)).await.iter().map(|claimed| claimed.lease.token).collect();
    desk.end(tokens[1], done(), at(2)).await;
    desk.amend("a", Change::Cancel, at(2)).await;
    let order = [tokens[2], FOREIGN, tokens[1], tokens[0]];
    let renewals = order.map(|token| Renewal { token, progress: None }).to_vec();
    let until = at(3) + LEASE;
    let expected = [held(until), Renewed::Lost, Renewed::Lost, Renewed::Held { until, cancel: true }];
    assert_eq!(desk.store.renew(renewals, LEASE, at(3)).await.unwrap(), expected);
    assert!(desk.store.renew(vec![], LEASE, at(3)).await.unwrap().is_empty());
    desk.end(tokens[2], Outcome::HandBack, at(4)).await;
}
