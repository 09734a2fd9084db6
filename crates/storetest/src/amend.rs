use longshore_core::limits::STEP_RECORDS_MAX;
use longshore_core::{Amended, Change, Job, JobId, Progress, Reason, State};

use crate::desk::Desk;
use crate::draft::{START, at, done, id, job};
use crate::stage::{BROUGHT, Stage};

const REMOVE: Change = Change::Remove { force: false };
const FORCE: Change = Change::Remove { force: true };

pub(crate) async fn a_waiting_job_is_cancelled_at_once(desk: &Desk) {
    for (stage, _) in desk.bring_all().await {
        if !matches!(stage.state(), State::Scheduled | State::Ready) {
            continue;
        }
        let name = stage.name();
        let Amended::Moved { job, to, .. } = desk.amend(&name, Change::Cancel, at(2_000)).await else {
            panic!("{stage:?}")
        };
        assert_eq!(to, Some(State::Cancelled));
        assert_eq!(*job, desk.job(&name).await);
        assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByOperator)));
        assert_eq!(job.finished_at, Some(at(2_000)));
        assert!(desk.claim(&name, 1, at(2_000)).await.is_empty());
    }
}

pub(crate) async fn the_worker_of_a_running_job_is_asked_to_stop_and_asking_again_answers_the_same(
    desk: &Desk,
) {
    desk.bring(Stage::Running).await;
    for _ in 0..2 {
        let Amended::Asked(job) = desk.amend("Running", Change::Cancel, at(2_000)).await else { panic!() };
        assert_eq!(*job, desk.job("Running").await);
        assert_eq!((job.state, job.cancel_requested), (State::Running, true));
    }
}

pub(crate) async fn an_ended_job_is_not_cancelled(desk: &Desk) {
    for (stage, _) in desk.bring_all().await.into_iter().filter(|(stage, _)| stage.state().is_end()) {
        let answer = desk.amend(&stage.name(), Change::Cancel, at(2_000)).await;
        assert_eq!(answer, Amended::WrongState(stage.state()), "{stage:?}");
    }
}

pub(crate) async fn a_failed_or_cancelled_job_is_revived_anew_and_keeps_its_errors(desk: &Desk) {
    for (stage, _) in desk.bring_all().await {
        if !matches!(stage.state(), State::Failed | State::Cancelled) {
            continue;
        }
        let name = stage.name();
        let errors = desk.job(&name).await.errors;
        let Amended::Moved { job, to, .. } = desk.amend(&name, Change::Revive, at(2_000)).await else {
            panic!("{stage:?}")
        };
        assert_eq!((to, job.state), (Some(State::Ready), State::Ready));
        assert_eq!(*job, desk.job(&name).await);
        let Job { attempt, stalls, progress, result, finished_at, expires_at, .. } = *job;
        assert_eq!((attempt, stalls, progress, result), (0, 0, Progress::default(), None));
        assert_eq!((finished_at, expires_at, job.result_expired_at, job.run_at), (None, None, None, None));
        assert_eq!((job.errors, job.created_at, job.reason), (errors, START, None), "{stage:?}");
        let claimed = desk.take(&name, at(2_000)).await;
        assert_eq!((claimed.attempt, claimed.stalls), (1, 0));
    }
}

pub(crate) async fn a_revived_job_is_not_asked_to_stop_any_more(desk: &Desk) {
    let token = desk.bring(Stage::RunningAskedToStop).await;
    let name = Stage::RunningAskedToStop.name();
    desk.end(token, done(), at(2_000)).await;
    desk.amend(&name, Change::Revive, at(2_000)).await;
    let token = desk.take(&name, at(2_000)).await.lease.token;
    desk.end(token, done(), at(3_000)).await;
    assert_eq!(desk.state(&name).await, Some(State::Completed));
}

pub(crate) async fn any_other_job_is_not_revived(desk: &Desk) {
    for (stage, _) in desk.bring_all().await {
        if !matches!(stage.state(), State::Failed | State::Cancelled) {
            let before = desk.whole().await;
            let answer = desk.amend(&stage.name(), Change::Revive, at(2_000)).await;
            assert_eq!(answer, Amended::WrongState(stage.state()), "{stage:?}");
            assert_eq!(desk.whole().await, before);
        }
    }
}

pub(crate) async fn the_record_of_a_job_that_does_not_run_can_be_removed(desk: &Desk) {
    for (stage, _) in desk.bring_all().await.into_iter().filter(|(stage, _)| stage.state() != State::Running)
    {
        let name = stage.name();
        let last = Box::new(desk.job(&name).await);
        assert_eq!(
            desk.amend(&name, REMOVE, at(2_000)).await,
            Amended::Moved { from: last.state, job: last, to: None }
        );
        desk.assert_gone(&name).await;
        assert!(desk.claim(&name, 1, at(2_000)).await.is_empty());
        assert_eq!(desk.amend(&name, REMOVE, at(2_000)).await, Amended::Unknown);
    }
}

pub(crate) async fn a_running_job_is_removed_only_by_force(desk: &Desk) {
    for stage in [Stage::Running, Stage::RunningAskedToStop] {
        desk.bring(stage).await;
        let name = stage.name();
        let before = desk.whole().await;
        assert_eq!(desk.amend(&name, REMOVE, at(2_000)).await, Amended::WrongState(State::Running));
        assert_eq!(desk.whole().await, before);
        let last = Box::new(desk.job(&name).await);
        assert_eq!(
            desk.amend(&name, FORCE, at(2_000)).await,
            Amended::Moved { from: last.state, job: last, to: None }
        );
        desk.assert_gone(&name).await;
    }
    assert_eq!(desk.store.reclaim(9, 3, at(900_000)).await.unwrap().moved, []);
}

pub(crate) async fn force_removes_any_job(desk: &Desk) {
    for (stage, _) in desk.bring_all().await {
        desk.amend(&stage.name(), FORCE, at(2_000)).await;
        desk.assert_gone(&stage.name()).await;
    }
}

pub(crate) async fn a_job_that_is_not_there_is_unknown(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let before = desk.whole().await;
    for change in [Change::Cancel, Change::Revive, REMOVE, FORCE] {
        assert_eq!(desk.amend("nobody", change, at(1)).await, Amended::Unknown);
    }
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn changes_are_answered_in_the_order_of_the_ids(desk: &Desk) {
    desk.bring_all().await;
    let ids =
        [Stage::Completed.name(), "nobody".to_owned(), Stage::Running.name(), Stage::ReadyByInsert.name()];
    let mut ids: Vec<JobId> = ids.iter().map(|name| id(name)).collect();
    ids.push(ids[3].clone());
    let answers = desk.store.amend(ids, Change::Cancel, at(BROUGHT)).await.unwrap();
    assert_eq!((&answers[0], &answers[1]), (&Amended::WrongState(State::Completed), &Amended::Unknown));
    assert!(matches!(&answers[2], Amended::Asked(job) if *job.id() == id("Running")));
    assert!(matches!(&answers[3], Amended::Moved { to: Some(State::Cancelled), .. }));
    assert_eq!(
        answers[4],
        Amended::WrongState(State::Cancelled),
        "an id that is named twice is changed in turn"
    );
    assert!(desk.store.amend(vec![], Change::Cancel, at(BROUGHT)).await.unwrap().is_empty());
}

pub(crate) async fn more_ids_than_one_step_touches_are_refused_whole(desk: &Desk) {
    let names: Vec<String> = (0..=STEP_RECORDS_MAX).map(|index| format!("j{index}")).collect();
    desk.insert(names.iter().map(|name| job(name)), START).await;
    let before = desk.whole().await;
    let mut ids: Vec<JobId> = names.iter().map(|name| id(name)).collect();
    desk.assert_refused(&before, desk.store.amend(ids.clone(), REMOVE, at(1)).await).await;
    ids.pop();
    assert_eq!(desk.store.amend(ids, REMOVE, at(1)).await.unwrap().len(), STEP_RECORDS_MAX);
    assert_eq!(desk.count("default", State::Ready).await, 1);
}
