use longshore_core::limits::{INSERT_JOBS_MAX, PARENTS_MAX};
use longshore_core::{Change, Invalid, ParentPolicy, Reason, State, StoreError, Unique, Wake};

use crate::desk::Desk;
use crate::draft::{Draft, START, at, cancel, done_with, fail, id, job, ms, retry, specs};

const POLICIES: [ParentPolicy; 4] =
    [ParentPolicy::Wait, ParentPolicy::Fail, ParentPolicy::Cancel, ParentPolicy::Run];

/// A job in a queue of its own, so that it can be claimed alone.
fn own(name: &str) -> Draft {
    job(name).queue(name)
}

async fn complete(desk: &Desk, name: &str, now: i64) {
    let token = desk.take(name, at(now)).await.lease.token;
    desk.end(token, done_with(&format!("\"{name}\"")), at(now)).await;
}

async fn fail_job(desk: &Desk, name: &str, now: i64) {
    let token = desk.take(name, at(now)).await.lease.token;
    desk.end(token, fail(), at(now)).await;
}

/// Draws all consequences, and tells which jobs moved where.
async fn settle(desk: &Desk, now: i64) -> Vec<(String, State)> {
    let mut moved = Vec::new();
    loop {
        let kept = desk.store.settle(100, at(now)).await.unwrap();
        moved.extend(kept.moved.iter().map(|moved| (moved.spec.id.to_string(), moved.state)));
        if kept.next.is_none() {
            return moved;
        }
    }
}

fn said(moved: &[(&str, State)]) -> Vec<(String, State)> {
    moved.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect()
}

async fn refusal(desk: &Desk, drafts: Vec<Draft>) -> Invalid {
    let before = desk.whole().await;
    let answer = desk.store.insert(specs(drafts), at(5)).await;
    assert_eq!(desk.whole().await, before, "a refused flow changed something");
    match answer {
        Err(StoreError::Invalid(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_job_is_blocked_until_its_parents_have_completed(desk: &Desk) {
    let answers = desk.insert([own("a"), own("b"), own("child").after(&["a", "b"])], START).await;
    assert_eq!(answers[2].state, State::Blocked);
    assert_eq!(desk.job("child").await.parents_left, 2);
    complete(desk, "a", 10).await;
    assert_eq!(settle(desk, 11).await, []);
    assert_eq!(desk.job("child").await.parents_left, 1);
    assert!(desk.claim("child", 1, at(12)).await.is_empty());
    complete(desk, "b", 20).await;
    assert_eq!(settle(desk, 21).await, said(&[("child", State::Ready)]));
    assert_eq!(settle(desk, 22).await, [], "it is released once");
    assert_eq!(desk.claim_ids("child", 1, at(23)).await, ["child"]);
}

pub(crate) async fn a_parent_that_another_job_stands_for_is_known_under_its_name_and_waited_for_once(
    desk: &Desk,
) {
    let key = || Unique::new("report/7");
    desk.insert([own("holder").unique(key())], START).await;
    let flow = [job("ghost").queue("holder").unique(key()), own("child").after(&["ghost", "holder"])];
    let answers = desk.insert(flow, at(1)).await;
    assert_eq!((&answers[0].id, answers[1].state), (&id("holder"), State::Blocked));
    let child = desk.job("child").await;
    let parents: Vec<_> =
        child.spec.options.depends_on.iter().map(|parent| (&parent.id, parent.label())).collect();
    assert_eq!(parents, [(&id("holder"), "ghost".to_owned()), (&id("holder"), "holder".to_owned())]);
    assert_eq!(child.parents_left, 1);
    complete(desk, "holder", 10).await;
    assert_eq!(settle(desk, 11).await, said(&[("child", State::Ready)]));
}

pub(crate) async fn a_flow_may_be_given_in_any_order_and_depth(desk: &Desk) {
    let flow = [
        own("d").after(&["b", "c"]),
        own("c").after(&["a"]),
        own("b").after(&["a"]),
        own("a"),
        own("e").after(&["d"]),
    ];
    let answers = desk.insert(flow, START).await;
    let born: Vec<State> = answers.iter().map(|answer| answer.state).collect();
    assert_eq!(born, [State::Blocked, State::Blocked, State::Blocked, State::Ready, State::Blocked]);
    for (name, released) in [("a", &["c", "b"][..]), ("b", &[]), ("c", &["d"]), ("d", &["e"]), ("e", &[])] {
        complete(desk, name, 10).await;
        let expected: Vec<_> = released.iter().map(|name| (*name, State::Ready)).collect();
        assert_eq!(settle(desk, 11).await, said(&expected), "after {name}");
    }
}

pub(crate) async fn a_completed_parent_need_not_be_waited_for(desk: &Desk) {
    desk.insert([own("a")], START).await;
    complete(desk, "a", 1).await;
    let answers =
        desk.insert([own("now").after(&["a"]), own("later").after(&["a"]).run_at(at(90))], at(2)).await;
    assert_eq!((answers[0].state, answers[1].state), (State::Ready, State::Scheduled));
    assert_eq!(desk.claim_ids("now", 1, at(3)).await, ["now"]);
    assert_eq!(desk.job("later").await.run_at, Some(at(90)));
}

pub(crate) async fn a_released_job_still_waits_for_its_own_time(desk: &Desk) {
    desk.insert([own("a"), own("child").after(&["a"]).run_at(at(90))], START).await;
    assert_eq!(desk.job("child").await.run_at, None, "while it is blocked it waits for no time");
    complete(desk, "a", 1).await;
    assert_eq!(settle(desk, 2).await, said(&[("child", State::Scheduled)]));
    assert_eq!(desk.job("child").await.run_at, Some(at(90)));
}

pub(crate) async fn a_parent_may_stand_in_another_queue_and_have_many_children(desk: &Desk) {
    let children = (0..40).map(|number| own(&format!("child{number}")).after(&["a"]));
    desk.insert(std::iter::once(own("a")).chain(children), START).await;
    complete(desk, "a", 1).await;
    let first = desk.store.settle(7, at(2)).await.unwrap();
    assert_eq!((first.moved.len(), first.next), (7, Some(at(2))), "it moves at most the limit");
    assert_eq!(settle(desk, 3).await.len(), 33);
}

pub(crate) async fn a_failed_attempt_of_a_parent_decides_nothing(desk: &Desk) {
    four(desk).await;
    let token = desk.take("a", at(1)).await.lease.token;
    desk.end(token, retry(at(50)), at(2)).await;
    assert_eq!(settle(desk, 3).await, []);
}

pub(crate) async fn each_policy_answers_a_failed_parent(desk: &Desk) {
    four(desk).await;
    fail_job(desk, "a", 1).await;
    let expected = [("Fail", State::Failed), ("Cancel", State::Cancelled), ("Run", State::Ready)];
    assert_eq!(settle(desk, 2).await, said(&expected));
    assert_eq!(desk.state("Wait").await, Some(State::Blocked));
    for name in ["Fail", "Cancel"] {
        assert_eq!(desk.job(name).await.reason, Some(Reason::ParentFailed), "{name}");
    }
    desk.amend("a", Change::Revive, at(3)).await;
    complete(desk, "a", 4).await;
    assert_eq!(settle(desk, 5).await, said(&[("Wait", State::Ready)]), "a retry of the parent completed");
}

pub(crate) async fn each_policy_answers_a_cancelled_parent(desk: &Desk) {
    four(desk).await;
    let token = desk.take("a", at(1)).await.lease.token;
    desk.end(token, cancel(), at(1)).await;
    assert_eq!(settle(desk, 2).await, said(&WITHOUT));
}

pub(crate) async fn each_policy_answers_a_removed_parent(desk: &Desk) {
    four(desk).await;
    desk.amend("a", Change::Remove { force: false }, at(1)).await;
    assert_eq!(settle(desk, 2).await, said(&WITHOUT));
}

pub(crate) async fn an_expired_parent_is_a_failed_one(desk: &Desk) {
    desk.insert([own("a").ttl(ms(10)), own("child").after(&["a"]).policy(ParentPolicy::Fail)], START).await;
    desk.store.expire(10, at(10)).await.unwrap();
    assert_eq!(settle(desk, 11).await, said(&[("child", State::Failed)]));
}

const WITHOUT: [(&str, State); 4] = [
    ("Wait", State::Cancelled),
    ("Fail", State::Failed),
    ("Cancel", State::Cancelled),
    ("Run", State::Ready),
];

async fn four(desk: &Desk) {
    let children = POLICIES.map(|policy| own(&format!("{policy:?}")).after(&["a"]).policy(policy));
    desk.insert(std::iter::once(own("a")).chain(children), START).await;
}

pub(crate) async fn the_end_of_a_child_goes_down_the_flow(desk: &Desk) {
    let flow = [
        own("a"),
        own("b").after(&["a"]).policy(ParentPolicy::Cancel),
        own("c").after(&["b"]).policy(ParentPolicy::Cancel),
        own("d").after(&["c"]).policy(ParentPolicy::Run),
    ];
    desk.insert(flow, START).await;
    fail_job(desk, "a", 1).await;
    let expected = [("b", State::Cancelled), ("c", State::Cancelled), ("d", State::Ready)];
    assert_eq!(settle(desk, 2).await, said(&expected));
}

pub(crate) async fn a_child_of_a_parent_that_ended_before_follows_its_policy(desk: &Desk) {
    desk.insert([own("a")], START).await;
    fail_job(desk, "a", 1).await;
    let children = POLICIES.map(|policy| own(&format!("{policy:?}")).after(&["a"]).policy(policy));
    let answers = desk.insert(children, at(2)).await;
    assert_eq!(answers[3].state, State::Ready, "{answers:?}");
    let expected = [("Fail", State::Failed), ("Cancel", State::Cancelled)];
    assert_eq!(settle(desk, 3).await, said(&expected));
    assert_eq!(desk.state("Wait").await, Some(State::Blocked));
}

pub(crate) async fn a_result_stays_until_the_last_child_has_ended(desk: &Desk) {
    let parent = own("a").retention(ms(10)).result_retention(ms(5));
    desk.insert([parent, own("b").after(&["a"]), own("c").after(&["a"])], START).await;
    complete(desk, "a", 1).await;
    settle(desk, 2).await;
    complete(desk, "b", 3).await;
    settle(desk, 4).await;
    assert_eq!(desk.store.prune(10, at(1_000)).await.unwrap().removed, 0);
    assert!(desk.job("a").await.result.is_some());
    complete(desk, "c", 1_001).await;
    settle(desk, 1_002).await;
    let removed = desk.store.prune(10, at(1_003)).await.unwrap().removed;
    assert_eq!((removed, desk.state("a").await), (2, None), "the result and the record go");
}

pub(crate) async fn a_revived_child_waits_for_parents_that_have_not_completed(desk: &Desk) {
    desk.insert([own("a"), own("b"), own("child").after(&["a", "b"])], START).await;
    complete(desk, "a", 1).await;
    settle(desk, 2).await;
    desk.amend("child", Change::Cancel, at(3)).await;
    settle(desk, 4).await;
    desk.amend("child", Change::Revive, at(5)).await;
    let child = desk.job("child").await;
    assert_eq!((child.state, child.parents_left), (State::Blocked, 1));
    complete(desk, "b", 6).await;
    assert_eq!(settle(desk, 7).await, said(&[("child", State::Ready)]));
    complete(desk, "child", 8).await;
}

pub(crate) async fn a_parent_revived_before_it_was_settled_is_waited_for(desk: &Desk) {
    desk.insert([own("a"), own("child").after(&["a"]).policy(ParentPolicy::Cancel)], START).await;
    fail_job(desk, "a", 1).await;
    desk.amend("a", Change::Revive, at(2)).await;
    assert_eq!(settle(desk, 3).await, []);
    complete(desk, "a", 4).await;
    assert_eq!(settle(desk, 5).await, said(&[("child", State::Ready)]));
}

pub(crate) async fn an_unknown_parent_refuses_the_whole_batch(desk: &Desk) {
    desk.insert([own("a")], START).await;
    let error = refusal(desk, vec![own("x"), own("y").after(&["a", "nobody"])]).await;
    assert_eq!((error.code, error.field.as_str()), ("unknown_parent", "jobs[1].depends_on[1]"));
}

pub(crate) async fn a_circle_refuses_the_whole_batch(desk: &Desk) {
    let circle = vec![own("x"), own("a").after(&["c"]), own("b").after(&["a"]), own("c").after(&["b"])];
    assert_eq!(refusal(desk, circle).await.code, "flow_cycle");
    assert_eq!(refusal(desk, vec![own("a").after(&["a"])]).await.code, "flow_cycle");
}

pub(crate) async fn more_parents_than_a_job_may_have_are_refused(desk: &Desk) {
    let names: Vec<String> = (0..=PARENTS_MAX).map(|number| format!("p{number}")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    let flow = names.iter().map(|name| own(name)).chain([own("child").after(&many)]).collect();
    assert_eq!(refusal(desk, flow).await.code, "too_many");
}

pub(crate) async fn the_largest_flow_is_taken(desk: &Desk) {
    let chain = (0..INSERT_JOBS_MAX).map(|number| {
        let draft = job(&format!("j{number}")).queue("flow");
        if number == 0 { draft } else { draft.after(&[&format!("j{}", number - 1)]) }
    });
    desk.insert(chain, START).await;
    assert_eq!(desk.count("flow", State::Blocked).await, INSERT_JOBS_MAX as u64 - 1);
    assert_eq!(desk.claim_ids("flow", 5, at(1)).await, ["j0"]);
}

pub(crate) async fn the_end_of_a_parent_rings(desk: &Desk) {
    use futures_util::StreamExt;
    desk.insert([own("a"), own("child").after(&["a"])], START).await;
    let mut wakes = desk.store.wakeups();
    complete(desk, "a", 1).await;
    while wakes.next().await.unwrap() != Wake::Settle {}
}
