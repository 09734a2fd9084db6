use longshore_core::limits::{ERRORS_KEPT, RESULT_BYTES_MAX};
use longshore_core::{Change, End, Ended, JobError, Outcome, Reason, Refusal, State};

use crate::desk::Desk;
use crate::draft::{
    FOREIGN, START, at, cancel, done, done_with, fail, job, json, outcomes, retry, snooze, worker,
};
use crate::stage::{BROUGHT, DUE, Stage, after_leases};

pub(crate) async fn an_attempt_that_succeeded_completes_its_job_with_its_result(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    assert_eq!(
        desk.end(token, done_with("{\"pages\" : 3}"), at(5_000)).await,
        Ended::Moved(State::Completed)
    );
    let job = desk.job("Running").await;
    assert_eq!((job.state, job.result, job.reason), (State::Completed, Some(json("{\"pages\" : 3}")), None));
    assert_eq!((job.attempt, job.stalls, job.errors, job.run_at), (1, 0, vec![], None));
    assert_eq!((job.finished_at, job.created_at), (Some(at(5_000)), START));
}

pub(crate) async fn no_result_is_kept_as_no_result(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    desk.end(token, done(), at(5_000)).await;
    assert_eq!(desk.job("Running").await.result, None);
}

pub(crate) async fn a_retry_waits_for_its_time_and_keeps_its_error(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let error = JobError::new("the disk is full").trace("at write\nat save");
    let outcome = Outcome::Retry { at: at(9_000), error, reason: Reason::Timeout };
    assert_eq!(desk.end(token, outcome, at(5_000)).await, Ended::Moved(State::Scheduled));
    let job = desk.job("Running").await;
    assert_eq!(
        (job.state, job.run_at, job.reason),
        (State::Scheduled, Some(at(9_000)), Some(Reason::Timeout))
    );
    assert_eq!((job.attempt, job.finished_at, job.expires_at), (1, None, None));
    let error = &job.errors[0];
    assert_eq!((error.attempt, error.reason, &*error.message), (1, Reason::Timeout, "the disk is full"));
    assert_eq!(error.trace.as_deref(), Some("at write\nat save"));
}

pub(crate) async fn a_retry_is_scheduled_even_if_its_time_has_come(desk: &Desk) {
    for due in [4_000, 5_000] {
        let token = desk.bring(Stage::Running).await;
        assert_eq!(desk.end(token, retry(at(due)), at(5_000)).await, Ended::Moved(State::Scheduled));
        assert_eq!(desk.store.promote(9, at(5_000)).await.unwrap().moved.len(), 1);
        desk.amend("Running", Change::Remove { force: false }, at(5_000)).await;
    }
}

pub(crate) async fn a_snooze_gives_the_attempt_back(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let outcome = Outcome::Snooze { until: at(9_000), reason: Some(Reason::UnknownKind) };
    assert_eq!(desk.end(token, outcome, at(5_000)).await, Ended::Moved(State::Scheduled));
    let job = desk.job("Running").await;
    assert_eq!(
        (job.run_at, job.reason, job.attempt, job.errors),
        (Some(at(9_000)), Some(Reason::UnknownKind), 0, vec![])
    );
    desk.store.promote(9, at(9_000)).await.unwrap();
    let again = desk.take("Running", at(9_000)).await;
    assert_eq!(again.attempt, 1);
    desk.end(again.lease.token, snooze(at(10_000)), at(9_500)).await;
    assert_eq!(desk.job("Running").await.reason, None);
}

pub(crate) async fn a_lease_that_is_handed_back_gives_the_attempt_back(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    assert_eq!(desk.end(token, Outcome::HandBack, at(5_000)).await, Ended::Moved(State::Ready));
    let job = desk.job("Running").await;
    assert_eq!((job.state, job.attempt, job.stalls, job.errors), (State::Ready, 0, 0, vec![]));
    assert_eq!(desk.take("Running", at(5_000)).await.attempt, 1);
}

pub(crate) async fn a_failure_ends_the_job_and_keeps_its_error(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    assert_eq!(desk.end(token, fail(), at(5_000)).await, Ended::Moved(State::Failed));
    let job = desk.job("Running").await;
    assert_eq!((job.state, job.reason, job.attempt), (State::Failed, Some(Reason::Panic), 1));
    assert_eq!((job.finished_at, job.result), (Some(at(5_000)), None));
    assert_eq!(
        (&*job.errors[0].message, job.errors[0].trace.as_deref()),
        ("no such printer", Some("at print"))
    );
}

pub(crate) async fn a_handler_may_cancel_its_job(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    assert_eq!(desk.end(token, cancel(), at(5_000)).await, Ended::Moved(State::Cancelled));
    let job = desk.job("Running").await;
    assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByHandler)));
    assert_eq!((job.finished_at, job.errors), (Some(at(5_000)), vec![]));
}

pub(crate) async fn an_error_tells_of_its_attempt(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let mut end = End::by_token(token, retry(at(9_000)));
    end.started_at = Some(at(1_200));
    desk.finish(vec![end], at(5_000)).await.unwrap();
    let job = desk.job("Running").await;
    assert_eq!(job.started_at, Some(at(1_200)), "when the handler really started");
    let error = &job.errors[0];
    assert_eq!((error.attempt, &error.worker), (1, &worker("anna")));
    assert_eq!((error.started_at, error.duration_ms), (at(1_200), 3_800));
}

pub(crate) async fn the_errors_of_the_newest_attempts_are_kept_oldest_first(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let attempts = ERRORS_KEPT as u32 + 3;
    for attempt in 1..=attempts {
        let now = i64::from(attempt) * 100;
        let token = desk.take("default", at(now)).await.lease.token;
        let error = JobError::new(&format!("failure {attempt}"));
        desk.end(token, Outcome::Retry { at: at(now + 50), error, reason: Reason::Error }, at(now + 10))
            .await;
        desk.store.promote(9, at(now + 50)).await.unwrap();
    }
    let kept: Vec<u32> = desk.job("a").await.errors.iter().map(|error| error.attempt).collect();
    assert_eq!(kept, (4..=attempts).collect::<Vec<_>>());
}

pub(crate) async fn ends_are_answered_in_their_order(desk: &Desk) {
    desk.insert(["a", "b", "c"].map(job), START).await;
    let tokens: Vec<_> =
        desk.claim("default", 3, at(1)).await.iter().map(|claimed| claimed.lease.token).collect();
    let ends = vec![
        End::by_token(tokens[2], fail()),
        End::by_token(tokens[0], done()),
        End::by_token(tokens[2], done()),
        End::by_token(tokens[0], done()),
        End::by_token(tokens[1], Outcome::HandBack),
    ];
    let expected = [
        Ended::Moved(State::Failed),
        Ended::Moved(State::Completed),
        Ended::Refused(Refusal::LeaseLost),
        Ended::Repeated(State::Completed),
        Ended::Moved(State::Ready),
    ];
    assert_eq!(desk.finish(ends, at(2)).await.unwrap(), expected);
    assert!(desk.finish(vec![], at(2)).await.unwrap().is_empty());
}

pub(crate) async fn only_the_lease_that_holds_the_job_now_may_end_it(desk: &Desk) {
    let old = desk.bring(Stage::ReadyByReclaim).await;
    let new = desk.take("ReadyByReclaim", at(BROUGHT)).await.lease.token;
    let before = desk.whole().await;
    for (by_move, outcome) in outcomes(at(DUE)) {
        let answer = desk.end(old, outcome, at(2_000)).await;
        assert_eq!(answer, Ended::Refused(Refusal::LeaseLost), "{by_move:?}");
    }
    assert_eq!(desk.whole().await, before);
    assert_eq!(desk.end(new, done(), at(2_000)).await, Ended::Moved(State::Completed));
}

pub(crate) async fn a_lease_that_no_store_gave_ends_nothing(desk: &Desk) {
    desk.bring_all().await;
    let before = desk.whole().await;
    for (by_move, outcome) in outcomes(at(DUE)) {
        assert!(matches!(desk.end(FOREIGN, outcome, at(2_000)).await, Ended::Refused(_)), "{by_move:?}");
    }
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn an_end_of_a_job_that_is_not_there_any_more_is_refused_as_gone(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    desk.amend("Running", Change::Remove { force: true }, at(BROUGHT)).await;
    for (by_move, outcome) in outcomes(at(DUE)) {
        assert_eq!(desk.end(token, outcome, at(2_000)).await, Ended::Refused(Refusal::Gone), "{by_move:?}");
    }
    desk.assert_gone("Running").await;
}

pub(crate) async fn an_old_lease_does_not_end_a_new_job_with_the_same_id(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    desk.amend("Running", Change::Remove { force: true }, at(BROUGHT)).await;
    desk.insert([job("Running").queue("Running")], at(BROUGHT)).await;
    desk.take("Running", at(BROUGHT)).await;
    let before = desk.whole().await;
    assert!(matches!(desk.end(token, done(), at(2_000)).await, Ended::Refused(_)));
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn a_repeated_end_is_answered_as_repeated_and_changes_nothing(desk: &Desk) {
    for (by_move, outcome) in outcomes(at(DUE)) {
        let token = desk.bring(Stage::Running).await;
        let Ended::Moved(state) = desk.end(token, outcome.clone(), at(2_000)).await else {
            panic!("{by_move:?}")
        };
        let before = desk.whole().await;
        for later in [2_000, 3_000] {
            assert_eq!(
                desk.end(token, outcome.clone(), at(later)).await,
                Ended::Repeated(state),
                "{by_move:?}"
            );
        }
        assert_eq!(desk.whole().await, before, "{by_move:?}");
        desk.amend("Running", Change::Remove { force: false }, at(3_000)).await;
    }
}

pub(crate) async fn an_end_can_be_repeated_although_its_job_has_moved_on(desk: &Desk) {
    for way in ["promoted", "claimed anew", "cancelled"] {
        let token = desk.bring(Stage::Running).await;
        desk.end(token, retry(at(2_000)), at(2_000)).await;
        match way {
            "cancelled" => drop(desk.amend("Running", Change::Cancel, at(2_500)).await),
            _ => drop(desk.store.promote(9, at(2_500)).await.unwrap()),
        }
        if way == "claimed anew" {
            desk.take("Running", at(2_500)).await;
        }
        let before = desk.whole().await;
        let again = desk.end(token, retry(at(2_000)), at(3_000)).await;
        assert_eq!(again, Ended::Repeated(State::Scheduled), "{way}");
        assert_eq!(desk.whole().await, before);
        desk.amend("Running", Change::Remove { force: true }, at(3_000)).await;
    }
}

pub(crate) async fn a_late_end_in_another_way_is_refused_and_changes_nothing(desk: &Desk) {
    for (first_move, first) in outcomes(at(DUE)) {
        let token = desk.bring(Stage::Running).await;
        desk.end(token, first, at(2_000)).await;
        let before = desk.whole().await;
        for (by_move, outcome) in outcomes(at(DUE)).into_iter().filter(|(by_move, _)| *by_move != first_move)
        {
            let answer = desk.end(token, outcome, at(3_000)).await;
            assert_eq!(answer, Ended::Refused(Refusal::LeaseLost), "{by_move:?} after {first_move:?}");
        }
        assert_eq!(desk.whole().await, before);
        desk.amend("Running", Change::Remove { force: false }, at(3_000)).await;
    }
}

pub(crate) async fn a_job_that_was_asked_to_stop_ends_as_cancelled_unless_it_failed(desk: &Desk) {
    for (by_move, outcome) in outcomes(at(DUE)) {
        let token = desk.bring(Stage::RunningAskedToStop).await;
        let failed = matches!(outcome, Outcome::Fail { .. });
        let state = if failed { State::Failed } else { State::Cancelled };
        assert_eq!(desk.end(token, outcome.clone(), at(2_000)).await, Ended::Moved(state), "{by_move:?}");
        let job = desk.job("RunningAskedToStop").await;
        assert_eq!((job.state, job.finished_at, job.run_at), (state, Some(at(2_000)), None), "{by_move:?}");
        assert_eq!(job.result, None, "{by_move:?}");
        assert_eq!(desk.count("RunningAskedToStop", State::Completed).await, 0);
        assert_eq!(desk.end(token, outcome, at(3_000)).await, Ended::Repeated(state), "{by_move:?}");
        desk.amend("RunningAskedToStop", Change::Remove { force: false }, at(3_000)).await;
    }
}

pub(crate) async fn a_lease_that_ran_out_may_end_its_job_until_it_is_taken_back(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let late = after_leases() + std::time::Duration::from_secs(1);
    assert_eq!(desk.end(token, done(), late).await, Ended::Moved(State::Completed));
    assert!(desk.store.reclaim(9, 3, late).await.unwrap().moved.is_empty());
}

pub(crate) async fn an_end_with_a_result_beyond_the_limit_refuses_all_ends(desk: &Desk) {
    desk.insert(["a", "b"].map(job), START).await;
    let tokens: Vec<_> =
        desk.claim("default", 2, at(1)).await.iter().map(|claimed| claimed.lease.token).collect();
    let before = desk.whole().await;
    let long = format!("\"{}\"", "x".repeat(RESULT_BYTES_MAX));
    let ends = vec![End::by_token(tokens[0], done()), End::by_token(tokens[1], done_with(&long))];
    desk.assert_refused(&before, desk.finish(ends, at(2)).await).await;
}
