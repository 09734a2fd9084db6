//! Every stage of a job against every move: those in the table happen, all others are refused and change nothing.

use longshore_core::life::{self, Move, Row, Writer};
use longshore_core::{Amended, Change, Ended, LeaseToken, Outcome, State, Timestamp};

use crate::desk::Desk;
use crate::draft::{at, outcomes};
use crate::stage::{BROUGHT, DUE, Stage, after_leases};

/// Before any lease of a running stage ends, and before any scheduled stage is due.
const EARLY: i64 = BROUGHT + 1_000;

/// What somebody does to a job, and the move that it would be.
#[derive(Clone, Debug)]
enum Deed {
    End(Outcome),
    Claim,
    Promote,
    Reclaim,
    Quarantine,
    Amend(Move, Change),
}

fn deeds() -> Vec<Deed> {
    let mut deeds: Vec<Deed> = outcomes(at(DUE)).into_iter().map(|(_, outcome)| Deed::End(outcome)).collect();
    deeds.extend([Deed::Claim, Deed::Promote, Deed::Reclaim, Deed::Quarantine]);
    deeds.extend([
        Deed::Amend(Move::Cancel, Change::Cancel),
        Deed::Amend(Move::Revive, Change::Revive),
        Deed::Amend(Move::Remove, Change::Remove { force: false }),
    ]);
    deeds
}

/// The row of the table that the deed follows; none if the deed must not happen at this stage.
fn expected(stage: Stage, deed: &Deed) -> Option<&'static Row> {
    let row = |by_move, writers: &[Writer]| {
        life::allowed(stage.state(), by_move).filter(|row| writers.contains(&row.writer))
    };
    let asked = stage == Stage::RunningAskedToStop;
    match deed {
        Deed::End(outcome) => row(outcome.by_move(asked), &[Writer::Worker]),
        Deed::Claim => row(Move::Claim, &[Writer::Worker]),
        Deed::Promote => row(Move::Promote, &[Writer::Keeper]),
        // The keeper cancels in the worker's place, because the worker is lost.
        Deed::Reclaim | Deed::Quarantine if asked => row(Move::Cancel, &[Writer::Worker]),
        Deed::Reclaim => row(Move::Reclaim, &[Writer::Keeper]),
        Deed::Quarantine => row(Move::Quarantine, &[Writer::Keeper]),
        Deed::Amend(by_move, _) => row(*by_move, &[Writer::Operator]),
    }
}

/// Does it, and tells whether the store says that the job moved.
async fn does(desk: &Desk, stage: Stage, token: LeaseToken, deed: &Deed) -> bool {
    let name = stage.name();
    match deed {
        Deed::End(outcome) => matches!(desk.end(token, outcome.clone(), at(EARLY)).await, Ended::Moved(_)),
        Deed::Claim => !desk.claim(&name, 1, at(EARLY)).await.is_empty(),
        Deed::Promote => !desk.store.promote(100, at(DUE)).await.unwrap().moved.is_empty(),
        Deed::Reclaim => !desk.store.reclaim(100, 3, after_leases()).await.unwrap().moved.is_empty(),
        Deed::Quarantine => !desk.store.reclaim(100, 0, after_leases()).await.unwrap().moved.is_empty(),
        Deed::Amend(_, change) => {
            matches!(desk.amend(&name, *change, at(EARLY)).await, Amended::Moved { .. })
        }
    }
}

async fn ask(desk: &Desk, stages: &[Stage]) {
    for stage in stages.iter().copied() {
        for deed in deeds() {
            let token = desk.bring(stage).await;
            let before = desk.whole().await;
            let moved = does(desk, stage, token, &deed).await;
            match expected(stage, &deed) {
                Some(row) => {
                    assert!(moved, "{stage:?} must allow {deed:?}");
                    assert_eq!(desk.state(&stage.name()).await, row.to, "{deed:?} at {stage:?}");
                }
                None if asks(stage, &deed) => {
                    assert_eq!(desk.state(&stage.name()).await, Some(State::Running));
                }
                None => {
                    assert!(!moved, "{stage:?} must refuse {deed:?}");
                    assert_eq!(desk.whole().await, before, "{deed:?} at {stage:?} changed something");
                }
            }
            wipe(desk, stage, after_leases()).await;
        }
    }
}

/// Cancelling a running job is no move, but it leaves its mark.
fn asks(stage: Stage, deed: &Deed) -> bool {
    stage == Stage::Running && matches!(deed, Deed::Amend(Move::Cancel, _))
}

async fn wipe(desk: &Desk, stage: Stage, now: Timestamp) {
    desk.amend(&stage.name(), Change::Remove { force: true }, now).await;
    desk.assert_gone(&stage.name()).await;
}

pub(crate) async fn a_scheduled_job_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    ask(desk, &[Stage::ScheduledByInsert, Stage::ScheduledByRetry, Stage::ScheduledBySnooze]).await;
}

pub(crate) async fn a_ready_job_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    use Stage::{ReadyByHandBack, ReadyByInsert, ReadyByPromote, ReadyByReclaim, ReadyByRevive};
    ask(desk, &[ReadyByInsert, ReadyByPromote, ReadyByHandBack, ReadyByReclaim, ReadyByRevive]).await;
}

pub(crate) async fn a_running_job_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    ask(desk, &[Stage::Running]).await;
}

pub(crate) async fn a_job_that_was_asked_to_stop_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    ask(desk, &[Stage::RunningAskedToStop]).await;
}

pub(crate) async fn a_completed_job_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    ask(desk, &[Stage::Completed]).await;
}

pub(crate) async fn a_failed_job_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    ask(desk, &[Stage::FailedByHandler, Stage::FailedByStalls]).await;
}

pub(crate) async fn a_cancelled_job_makes_the_moves_of_the_table_and_no_other(desk: &Desk) {
    ask(desk, &[Stage::CancelledWaiting, Stage::CancelledByHandler]).await;
}
