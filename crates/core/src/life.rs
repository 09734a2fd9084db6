//! The life of a job, written once. Stores perform these moves; they do not invent others, and the diagram in
//! ARCHITECTURE.md is made from this table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EventName, Invalid};

/// Where a job stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for other jobs.
    Blocked,
    /// Waits for a time. A retry is a scheduled job whose attempt is above zero.
    Scheduled,
    /// May be claimed.
    Ready,
    /// A worker holds its lease.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly; no further attempt will be made.
    Failed,
    /// Ended before success, by an operator or by its handler.
    Cancelled,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Blocked,
        Self::Scheduled,
        Self::Ready,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the job has ended.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            Invalid::new(
                "state",
                "one of blocked, scheduled, ready, running, completed, failed, cancelled",
                format!("{text:?}"),
            )
        })
    }
}

/// Who makes a move. Each has verbs of its own in [`crate::Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Whoever submits jobs.
    Caller,
    /// Whoever runs them.
    Worker,
    /// The loops that move due, lost and old jobs.
    Keeper,
    /// A person, or a program in a person's place.
    Operator,
}

/// What can happen to a job after it was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// It need not wait for any parent any more.
    Release,
    /// The same, but its own time has not come yet.
    Delay,
    /// A parent did not complete, and it shall fail then.
    FailWithParent,
    /// A parent did not complete, and it shall be cancelled then.
    CancelWithParent,
    /// It waited longer than it may.
    Expire,
    /// Its time has come.
    Promote,
    /// A worker takes a lease on it.
    Claim,
    /// The attempt succeeded.
    Done,
    /// The attempt failed and another one will follow.
    Retry,
    /// The handler asks to be called later; the attempt is given back.
    Snooze,
    /// The worker stops; the attempt is given back.
    HandBack,
    /// The lease ran out; the attempt is given back and the loss is counted.
    Reclaim,
    /// No further attempt will be made.
    Fail,
    /// The lease ran out once too often.
    Quarantine,
    /// It shall not succeed any more.
    Cancel,
    /// It shall be tried again from the start.
    Revive,
    /// The same, but a parent has not completed.
    ReviveBlocked,
    /// Its record goes.
    Remove,
}

/// One row of the table: a move that is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The state before.
    pub from: State,
    /// What happens.
    pub by_move: Move,
    /// The state after; none when the record goes.
    pub to: Option<State>,
    /// Who makes the move.
    pub writer: Writer,
    /// The event that tells of it.
    pub event: Option<EventName>,
}

const fn row(from: State, by_move: Move, to: Option<State>, writer: Writer, event: Option<EventName>) -> Row {
    Row { from, by_move, to, writer, event }
}

use State::{Blocked, Cancelled, Completed, Failed, Ready, Running, Scheduled};
use Writer::{Keeper, Operator, Worker};

/// Every move that changes a state. What is not here cannot happen.
pub const TABLE: &[Row] = &[
    row(Blocked, Move::Release, Some(Ready), Keeper, Some(EventName::Ready)),
    row(Blocked, Move::Delay, Some(Scheduled), Keeper, Some(EventName::Delayed)),
    row(Blocked, Move::FailWithParent, Some(Failed), Keeper, Some(EventName::Failed)),
    row(Blocked, Move::CancelWithParent, Some(Cancelled), Keeper, Some(EventName::Cancelled)),
    row(Scheduled, Move::Promote, Some(Ready), Keeper, Some(EventName::Ready)),
    row(Blocked, Move::Expire, Some(Failed), Keeper, Some(EventName::Expired)),
    row(Scheduled, Move::Expire, Some(Failed), Keeper, Some(EventName::Expired)),
    row(Ready, Move::Expire, Some(Failed), Keeper, Some(EventName::Expired)),
    row(Ready, Move::Claim, Some(Running), Worker, Some(EventName::Started)),
    row(Running, Move::Done, Some(Completed), Worker, Some(EventName::Completed)),
    row(Running, Move::Retry, Some(Scheduled), Worker, Some(EventName::Retrying)),
    row(Running, Move::Snooze, Some(Scheduled), Worker, Some(EventName::Delayed)),
    row(Running, Move::HandBack, Some(Ready), Worker, None),
    row(Running, Move::Reclaim, Some(Ready), Keeper, Some(EventName::Stalled)),
    row(Running, Move::Fail, Some(Failed), Worker, Some(EventName::Failed)),
    row(Running, Move::Quarantine, Some(Failed), Keeper, Some(EventName::Failed)),
    row(Running, Move::Cancel, Some(Cancelled), Worker, Some(EventName::Cancelled)),
    row(Blocked, Move::Cancel, Some(Cancelled), Operator, Some(EventName::Cancelled)),
    row(Scheduled, Move::Cancel, Some(Cancelled), Operator, Some(EventName::Cancelled)),
    row(Ready, Move::Cancel, Some(Cancelled), Operator, Some(EventName::Cancelled)),
    row(Failed, Move::Revive, Some(Ready), Operator, Some(EventName::Ready)),
    row(Cancelled, Move::Revive, Some(Ready), Operator, Some(EventName::Ready)),
    row(Failed, Move::ReviveBlocked, Some(Blocked), Operator, None),
    row(Cancelled, Move::ReviveBlocked, Some(Blocked), Operator, None),
    row(Blocked, Move::Remove, None, Operator, Some(EventName::Removed)),
    row(Scheduled, Move::Remove, None, Operator, Some(EventName::Removed)),
    row(Ready, Move::Remove, None, Operator, Some(EventName::Removed)),
    row(Completed, Move::Remove, None, Operator, Some(EventName::Removed)),
    row(Failed, Move::Remove, None, Operator, Some(EventName::Removed)),
    row(Cancelled, Move::Remove, None, Operator, Some(EventName::Removed)),
];

/// The row for a move, if the state allows it.
pub fn allowed(from: State, by_move: Move) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.from == from && row.by_move == by_move)
}

/// The state in which a job is born: ready, or scheduled if its time lies ahead.
pub fn born(run_at: Option<crate::Timestamp>, now: crate::Timestamp) -> State {
    if run_at.is_some_and(|due| due > now) { Scheduled } else { Ready }
}

/// The table as a Mermaid state diagram, as it stands in ARCHITECTURE.md.
pub fn diagram() -> String {
    let mut lines = vec![
        "stateDiagram-v2".to_owned(),
        "    [*] --> ready: insert".to_owned(),
        "    [*] --> scheduled: insert with a later time".to_owned(),
        "    [*] --> blocked: insert with parents".to_owned(),
    ];
    for row in TABLE.iter().filter(|row| row.to.is_some()) {
        let to = row.to.map_or("[*]", State::as_str);
        lines.push(format!(
            "    {} --> {to}: {} ({})",
            row.from,
            word(row.by_move),
            format!("{:?}", row.writer).to_lowercase()
        ));
    }
    lines.join("\n") + "\n"
}

fn word(by_move: Move) -> &'static str {
    match by_move {
        Move::Release => "release",
        Move::Delay => "delay",
        Move::FailWithParent => "fail with parent",
        Move::CancelWithParent => "cancel with parent",
        Move::Expire => "expire",
        Move::Promote => "promote",
        Move::Claim => "claim",
        Move::Done => "done",
        Move::Retry => "retry",
        Move::Snooze => "snooze",
        Move::HandBack => "hand back",
        Move::Reclaim => "reclaim",
        Move::Fail => "fail",
        Move::Quarantine => "quarantine",
        Move::Cancel => "cancel",
        Move::Revive => "revive",
        Move::ReviveBlocked => "revive blocked",
        Move::Remove => "remove",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_leads_to_one_state_only() {
        for row in TABLE {
            let same =
                TABLE.iter().filter(|other| other.from == row.from && other.by_move == row.by_move).count();
            assert_eq!(same, 1, "{row:?}");
        }
    }

    #[test]
    fn every_state_but_the_completed_one_can_be_left_alive() {
        for state in State::ALL {
            let ways_on = TABLE.iter().any(|row| row.from == state && row.to.is_some());
            assert_eq!(ways_on, state != Completed, "{state}");
        }
    }

    #[test]
    fn only_workers_and_the_keeper_end_a_running_job_and_nobody_removes_it() {
        assert!(
            TABLE.iter().filter(|row| row.from == Running).all(|row| matches!(row.writer, Worker | Keeper))
        );
        assert!(allowed(Running, Move::Remove).is_none());
        assert!(allowed(Running, Move::Revive).is_none());
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("waiting".parse::<State>().is_err());
    }
}
