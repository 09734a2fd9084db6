use std::time::Duration;

use longshore_core::limits::{ARGS_BYTES_MAX, ATTEMPTS_MAX, DURATION_MAX, INSERT_JOBS_MAX, TAGS_MAX};
use longshore_core::{Backoff, Change, DurationText, Inserted, Job, State, StoreError, Timestamp};

use crate::desk::Desk;
use crate::draft::{START, at, id, job, queue, specs};
use crate::stage::{BROUGHT, Stage};

fn created(text: &str, state: State) -> Inserted {
    Inserted { id: id(text), state, duplicate: false, replaced: None }
}

fn duplicate(text: &str, state: State) -> Inserted {
    Inserted { id: id(text), state, duplicate: true, replaced: None }
}

pub(crate) async fn jobs_are_answered_in_their_order(desk: &Desk) {
    let answers = desk.insert([job("c"), job("a").run_at(at(50)), job("b").queue("other")], START).await;
    assert_eq!(
        answers,
        [created("c", State::Ready), created("a", State::Scheduled), created("b", State::Ready)]
    );
}

pub(crate) async fn no_jobs_are_no_mistake(desk: &Desk) {
    assert_eq!(desk.insert([], START).await, []);
    assert_eq!(desk.whole().await, (vec![], vec![]));
}

pub(crate) async fn a_job_is_recorded_as_it_is_born(desk: &Desk) {
    let now = at(100);
    for (name, draft) in [
        ("plain", job("plain")),
        ("past", job("past").run_at(START)),
        ("present", job("present").run_at(now)),
        ("future", job("future").run_at(at(101))),
    ] {
        let spec = draft.spec();
        desk.store.insert(vec![spec.clone()], now).await.unwrap();
        assert_eq!(desk.job(name).await, Job::new(spec, now));
    }
}

pub(crate) async fn now_may_be_any_moment(desk: &Desk) {
    for (name, now) in
        [("late", Timestamp::from_millis(253_402_300_799_000)), ("early", Timestamp::from_millis(5))]
    {
        let draft = job(name).queue(name).run_at(now + Duration::from_secs(1));
        assert_eq!(desk.insert([draft], now).await, [created(name, State::Scheduled)]);
        assert_eq!(desk.job(name).await.created_at, now);
    }
    let kept = desk.store.promote(10, Timestamp::from_millis(1_005)).await.unwrap();
    assert_eq!(kept.moved.len(), 1);
    assert_eq!(desk.take("early", Timestamp::from_millis(1_006)).await.created_at, Timestamp::from_millis(5));
}

pub(crate) async fn an_id_that_exists_in_the_same_queue_is_a_duplicate_and_the_answer_names_its_state(
    desk: &Desk,
) {
    for (stage, _) in desk.bring_all().await.iter().filter(|(stage, _)| stage.state() != State::Cancelled) {
        let name = stage.name();
        let answer = desk.insert([job(&name).queue(&name)], at(BROUGHT)).await;
        assert_eq!(answer, [duplicate(&name, stage.state())], "{stage:?}");
    }
}

pub(crate) async fn a_duplicate_creates_and_changes_nothing(desk: &Desk) {
    desk.bring_all().await;
    let before = desk.whole().await;
    for stage in Stage::ALL.into_iter().filter(|stage| stage.state() != State::Cancelled) {
        let name = stage.name();
        desk.insert(
            [job(&name).queue(&name).args("[\"other\"]").priority(1.0).run_at(at(90_000))],
            at(BROUGHT),
        )
        .await;
    }
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn a_batch_may_hold_new_jobs_beside_duplicates(desk: &Desk) {
    desk.insert([job("old")], START).await;
    let answers = desk.insert([job("a"), job("old"), job("b")], at(10)).await;
    assert_eq!(
        answers,
        [created("a", State::Ready), duplicate("old", State::Ready), created("b", State::Ready)]
    );
    assert_eq!(desk.claim_ids("default", 9, at(20)).await, ["old", "a", "b"]);
}

pub(crate) async fn an_id_that_exists_in_another_queue_refuses_the_whole_batch(desk: &Desk) {
    for stage in Stage::ALL.into_iter().filter(|stage| stage.state() != State::Cancelled) {
        let name = stage.name();
        desk.bring(stage).await;
        let before = desk.whole().await;
        let batch = specs([job("new"), job(&name).queue("elsewhere"), job("newer").queue("unheard")]);
        match desk.store.insert(batch, at(BROUGHT)).await {
            Err(StoreError::IdTaken { id: taken, queue }) => assert_eq!((taken, queue), (name.clone(), name)),
            other => panic!("{stage:?}: {other:?}"),
        }
        assert_eq!(desk.whole().await, before, "{stage:?}");
    }
}

pub(crate) async fn a_cancelled_job_does_not_hold_its_id(desk: &Desk) {
    for stage in [Stage::CancelledWaiting, Stage::CancelledByHandler] {
        let name = stage.name();
        desk.bring(stage).await;
        let spec = job(&name).queue(&name).args("[\"new\"]").spec();
        let answer = desk.store.insert(vec![spec.clone()], at(BROUGHT)).await.unwrap();
        assert_eq!(answer, [created(&name, State::Ready)]);
        assert_eq!(desk.job(&name).await, Job::new(spec, at(BROUGHT)));
        assert_eq!(desk.store.queue(queue(&name)).await.unwrap().unwrap().counts.total(), 1);
        assert_eq!(desk.take(&name, at(BROUGHT)).await.attempt, 1);
    }
}

pub(crate) async fn a_cancelled_job_does_not_hold_its_id_against_another_queue_either(desk: &Desk) {
    let name = Stage::CancelledWaiting.name();
    desk.bring(Stage::CancelledWaiting).await;
    let answer = desk.insert([job(&name).queue("elsewhere")], at(BROUGHT)).await;
    assert_eq!(answer, [created(&name, State::Ready)]);
    assert_eq!(desk.store.queue(queue(&name)).await.unwrap().unwrap().counts.total(), 0);
    assert_eq!(desk.count("elsewhere", State::Ready).await, 1);
}

pub(crate) async fn a_second_occurrence_inside_the_batch_is_a_duplicate_of_the_first(desk: &Desk) {
    let answers =
        desk.insert([job("a").args("1"), job("b").run_at(at(90)), job("a").args("2"), job("b")], START).await;
    let expected = [
        created("a", State::Ready),
        created("b", State::Scheduled),
        duplicate("a", State::Ready),
        duplicate("b", State::Scheduled),
    ];
    assert_eq!(answers, expected);
    assert_eq!(desk.job("a").await.spec.args.as_str(), "1");
}

pub(crate) async fn an_id_is_free_again_once_its_record_is_gone(desk: &Desk) {
    desk.insert([job("a")], START).await;
    desk.amend("a", Change::Remove { force: false }, at(1)).await;
    assert_eq!(desk.insert([job("a").queue("elsewhere")], at(2)).await, [created("a", State::Ready)]);
}

pub(crate) async fn a_batch_that_breaks_a_limit_is_refused_whole(desk: &Desk) {
    desk.insert([job("standing")], START).await;
    let before = desk.whole().await;
    let long = format!("\"{}\"", "x".repeat(ARGS_BYTES_MAX));
    let wrong = [
        job("wrong").args(&long),
        job("wrong").options(|options| options.max_attempts = 0),
        job("wrong").options(|options| options.max_attempts = ATTEMPTS_MAX + 1),
        job("wrong").options(|options| options.tags = vec!["tag".to_owned(); TAGS_MAX + 1]),
        job("wrong").options(|options| options.tags = vec!["two words".to_owned()]),
        job("wrong").options(|options| options.timeout = Some(DurationText(Duration::ZERO))),
        job("wrong").options(|options| options.timeout = Some(DurationText(Duration::MAX))),
        job("wrong")
            .options(|options| options.retention = Some(DurationText(DURATION_MAX + Duration::from_secs(1)))),
        job("wrong").options(|options| options.result_retention = Some(DurationText(Duration::MAX))),
        job("wrong").options(|options| options.backoff = Backoff::fixed(Duration::MAX)),
    ];
    for draft in wrong {
        let batch = specs([job("good").queue("unheard"), draft, job("better")]);
        desk.assert_refused(&before, desk.store.insert(batch, at(1)).await).await;
    }
}

pub(crate) async fn the_largest_batch_is_taken_and_a_larger_one_refused(desk: &Desk) {
    let many = |count: usize| specs((0..count).map(|index| job(&format!("job-{index}"))));
    let before = desk.whole().await;
    desk.assert_refused(&before, desk.store.insert(many(INSERT_JOBS_MAX + 1), START).await).await;
    assert_eq!(desk.store.insert(many(INSERT_JOBS_MAX), START).await.unwrap().len(), INSERT_JOBS_MAX);
    assert_eq!(desk.count("default", State::Ready).await, INSERT_JOBS_MAX as u64);
}
