use std::collections::HashSet;

use longshore_core::limits::INSERT_JOBS_MAX;
use longshore_core::{Change, Claim, Outcome, Progress, QueueChange, State};

use crate::desk::Desk;
use crate::draft::{LEASE, START, at, claim_of, fail, job, ms, queue, retry, snooze, worker};
use crate::stage::{DUE, Stage};

pub(crate) async fn each_lane_is_given_up_to_the_wanted_number(desk: &Desk) {
    let names = |name: &'static str| (0..4).map(move |index| job(&format!("{name}{index}")).queue(name));
    desk.insert(names("a").chain(names("b")).chain(names("c")), START).await;
    let claimed = desk
        .store
        .claim(claim_of(&[("a", 2), ("b", 9), ("unheard", 3), ("c", 0)]), at(1))
        .await
        .unwrap()
        .jobs;
    let of = |name: &str| claimed.iter().filter(|claimed| claimed.spec.queue.as_str() == name).count();
    assert_eq!((of("a"), of("b"), of("c"), claimed.len()), (2, 4, 0, 6));
    assert_eq!(desk.count("a", State::Running).await, 2);
    assert_eq!(desk.count("a", State::Ready).await, 2);
}

pub(crate) async fn a_claim_of_nothing_gives_nothing(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let before = desk.whole().await;
    assert!(desk.store.claim(claim_of(&[]), at(1)).await.unwrap().jobs.is_empty());
    assert!(desk.store.claim(claim_of(&[("default", 0)]), at(1)).await.unwrap().jobs.is_empty());
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn the_lowest_priority_number_goes_first(desk: &Desk) {
    let priorities = [5.0, 0.0, -1.5, 1e300, -1e300, 0.1, f64::MIN_POSITIVE, -0.0, 7.0, 1e-300, -2.0];
    desk.insert(
        priorities.iter().enumerate().map(|(index, value)| job(&format!("p{index}")).priority(*value)),
        START,
    )
    .await;
    let claimed = desk.claim("default", 99, at(1)).await;
    let order: Vec<f64> = claimed.iter().map(|claimed| claimed.spec.priority.get()).collect();
    let mut sorted = priorities.to_vec();
    sorted.sort_by(f64::total_cmp);
    assert_eq!(order, sorted);
    let zeros: Vec<_> = claimed.iter().filter(|claimed| claimed.spec.priority.get() == 0.0).collect();
    assert_eq!(zeros[0].spec.id.to_string(), "p1", "the two zeros are one priority");
}

pub(crate) async fn equal_priorities_go_in_the_order_in_which_they_were_inserted(desk: &Desk) {
    desk.insert([job("z"), job("a")], at(5)).await;
    // A clock may stand still or be behind on another machine; the order of the inserts counts.
    desk.insert([job("m")], at(5)).await;
    desk.insert([job("b"), job("y")], at(3)).await;
    desk.insert([job("first").priority(4.0)], at(9)).await;
    assert_eq!(desk.claim_ids("default", 99, at(10)).await, ["first", "z", "a", "m", "b", "y"]);
}

pub(crate) async fn a_promoted_job_stands_behind_those_that_were_ready_before(desk: &Desk) {
    desk.insert([job("later").run_at(at(200)), job("sooner").run_at(at(100)), job("ready")], START).await;
    desk.insert([job("also")], at(150)).await;
    desk.store.promote(10, at(300)).await.unwrap();
    desk.insert([job("last")], at(300)).await;
    assert_eq!(desk.claim_ids("default", 99, at(300)).await, ["ready", "also", "sooner", "later", "last"]);
}

/// Claims one job, lets another wait behind it, gives the first back in some way, and tells the order that follows.
async fn order_after(desk: &Desk, way: &str) -> Vec<String> {
    desk.insert([job(&format!("first by {way}")).queue(way)], START).await;
    let claim = Claim { lease: ms(10), ..claim_of(&[(way, 1)]) };
    let token = desk.store.claim(claim, at(1)).await.unwrap().jobs[0].lease.token;
    desk.insert([job(&format!("second by {way}")).queue(way)], at(2)).await;
    let outcome = match way {
        "hand back" => Some(Outcome::HandBack),
        "retry" => Some(retry(at(4))),
        "snooze" => Some(snooze(at(4))),
        "reclaim" => None,
        _ => Some(fail()),
    };
    if let Some(outcome) = outcome {
        desk.end(token, outcome, at(3)).await;
    }
    if way == "revive" {
        desk.amend(&format!("first by {way}"), Change::Revive, at(4)).await;
    }
    desk.store.promote(10, at(4)).await.unwrap();
    desk.store.reclaim(10, 3, at(50)).await.unwrap();
    let order = desk.claim_ids(way, 9, at(60)).await;
    order.iter().map(|name| name.split(' ').next().unwrap().to_owned()).collect()
}

pub(crate) async fn a_job_that_was_given_back_keeps_its_turn(desk: &Desk) {
    for way in ["hand back", "reclaim"] {
        assert_eq!(order_after(desk, way).await, ["first", "second"], "{way}");
    }
}

pub(crate) async fn a_job_that_became_ready_anew_joins_the_end_of_the_line(desk: &Desk) {
    for way in ["retry", "snooze", "revive"] {
        assert_eq!(order_after(desk, way).await, ["second", "first"], "{way}");
    }
}

pub(crate) async fn a_paused_queue_gives_none_until_it_is_resumed(desk: &Desk) {
    desk.insert([job("a").queue("paused"), job("b").queue("open")], START).await;
    let set = |paused| {
        desk.store.set_queue(
            queue("paused"),
            QueueChange { paused: Some(paused), ..QueueChange::default() },
            at(1),
        )
    };
    set(true).await.unwrap();
    let claimed = desk.store.claim(claim_of(&[("paused", 5), ("open", 5)]), at(2)).await.unwrap().jobs;
    assert_eq!(claimed.iter().map(|claimed| claimed.spec.id.to_string()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(desk.state("a").await, Some(State::Ready));
    set(false).await.unwrap();
    assert_eq!(desk.claim_ids("paused", 5, at(3)).await, ["a"]);
}

pub(crate) async fn a_claim_counts_one_attempt_on_each(desk: &Desk) {
    desk.insert([job("a"), job("b")], START).await;
    for attempt in 1..=3 {
        let now = i64::from(attempt) * 1_000;
        for claimed in desk.claim("default", 9, at(now)).await {
            assert_eq!(claimed.attempt, attempt);
            assert_eq!(desk.job(&claimed.spec.id.to_string()).await.attempt, attempt);
            desk.end(claimed.lease.token, retry(at(now + 10)), at(now + 1)).await;
        }
        assert_eq!(desk.store.promote(9, at(now + 10)).await.unwrap().moved.len(), 2);
    }
}

pub(crate) async fn a_claim_tells_what_the_worker_needs(desk: &Desk) {
    let spec = job("a").args("{\"n\": 1}").priority(2.5).owner("ann").correlation("c-1").spec();
    desk.store.insert(vec![spec.clone()], START).await.unwrap();
    let claimed = desk.take("default", at(7)).await;
    assert_eq!(claimed.spec, spec);
    assert_eq!((claimed.attempt, claimed.stalls, claimed.created_at), (1, 0, START));
    assert_eq!(claimed.lease.until, at(7) + LEASE);
}

pub(crate) async fn a_claimed_job_runs_under_its_worker(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let claim = Claim { worker: worker("bob"), ..claim_of(&[("default", 1)]) };
    desk.store.claim(claim, at(7)).await.unwrap();
    let job = desk.job("a").await;
    assert_eq!(job.state, State::Running);
    assert_eq!(job.worker, Some(worker("bob")));
    assert_eq!((job.attempt, job.finished_at, job.progress), (1, None, Progress::default()));
}

pub(crate) async fn only_ready_jobs_are_given(desk: &Desk) {
    for (stage, _) in desk.bring_all().await {
        let given = desk.claim_ids(&stage.name(), 9, at(2_000)).await.len();
        assert_eq!(given, usize::from(stage.state() == State::Ready), "{stage:?}");
    }
}

pub(crate) async fn a_due_job_is_not_given_before_it_was_promoted(desk: &Desk) {
    desk.bring(Stage::ScheduledByInsert).await;
    let name = Stage::ScheduledByInsert.name();
    assert!(desk.claim(&name, 1, at(DUE + 1)).await.is_empty());
    desk.store.promote(1, at(DUE + 1)).await.unwrap();
    assert_eq!(desk.claim(&name, 1, at(DUE + 1)).await.len(), 1);
}

pub(crate) async fn a_job_is_given_once_and_every_lease_has_a_token_of_its_own(desk: &Desk) {
    desk.insert((0..50).map(|index| job(&format!("j{index}"))), START).await;
    let (mut tokens, mut ids) = (HashSet::new(), HashSet::new());
    for step in 0..10 {
        for claimed in desk.claim("default", 7, at(step)).await {
            assert!(tokens.insert(claimed.lease.token) && ids.insert(claimed.spec.id.clone()), "{claimed:?}");
        }
    }
    assert_eq!(ids.len(), 50);
    let token = *tokens.iter().next().unwrap();
    desk.end(token, Outcome::HandBack, at(20)).await;
    assert!(
        tokens.insert(desk.take("default", at(21)).await.lease.token),
        "a new lease on the same job is a new token"
    );
}

pub(crate) async fn a_claim_that_breaks_a_limit_is_refused_whole(desk: &Desk) {
    desk.insert([job("a"), job("b").queue("other")], START).await;
    let before = desk.whole().await;
    for lanes in [
        &[("default", INSERT_JOBS_MAX), ("other", 1)][..],
        &[("default", INSERT_JOBS_MAX + 1)],
        &[("other", 1), ("default", 1), ("other", 1)],
    ] {
        desk.assert_refused(&before, desk.store.claim(claim_of(lanes), at(1)).await).await;
    }
    let momentary = Claim { lease: ms(0), ..claim_of(&[("default", 1)]) };
    desk.assert_refused(&before, desk.store.claim(momentary, at(1)).await).await;
    let largest = claim_of(&[("default", INSERT_JOBS_MAX - 1), ("other", 1)]);
    assert_eq!(desk.store.claim(largest, at(1)).await.unwrap().jobs.len(), 2);
}
