use longshore_core::{Change, LeaseToken, Progress, State};

use crate::desk::Desk;
use crate::draft::{
    FOREIGN, LEASE, START, at, cancel, claim_of, done_with, fail, id, job, ms, retry, snooze,
};

/// A place in a job's life, and the way that led there. One state may be reached on several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    ScheduledByInsert,
    ScheduledByRetry,
    ScheduledBySnooze,
    ReadyByInsert,
    ReadyByPromote,
    ReadyByHandBack,
    ReadyByReclaim,
    ReadyByRevive,
    Running,
    RunningAskedToStop,
    Completed,
    FailedByHandler,
    FailedByStalls,
    CancelledWaiting,
    CancelledByHandler,
}

use Stage::{
    CancelledByHandler, CancelledWaiting, Completed, FailedByHandler, FailedByStalls, ReadyByHandBack,
    ReadyByInsert, ReadyByPromote, ReadyByReclaim, ReadyByRevive, Running, RunningAskedToStop,
    ScheduledByInsert, ScheduledByRetry, ScheduledBySnooze,
};

impl Stage {
    pub(crate) const ALL: [Self; 15] = [
        ScheduledByInsert,
        ScheduledByRetry,
        ScheduledBySnooze,
        ReadyByInsert,
        ReadyByPromote,
        ReadyByHandBack,
        ReadyByReclaim,
        ReadyByRevive,
        Running,
        RunningAskedToStop,
        Completed,
        FailedByHandler,
        FailedByStalls,
        CancelledWaiting,
        CancelledByHandler,
    ];

    pub(crate) fn state(self) -> State {
        match self {
            ScheduledByInsert | ScheduledByRetry | ScheduledBySnooze => State::Scheduled,
            ReadyByInsert | ReadyByPromote | ReadyByHandBack | ReadyByReclaim | ReadyByRevive => State::Ready,
            Running | RunningAskedToStop => State::Running,
            Completed => State::Completed,
            FailedByHandler | FailedByStalls => State::Failed,
            CancelledWaiting | CancelledByHandler => State::Cancelled,
        }
    }

    /// The name of the job that is brought here, and of the queue it stands in.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

/// When a job was brought to its stage. The steps before took place since the start.
pub(crate) const BROUGHT: i64 = 1_000;

/// When jobs brought to a scheduled stage are due.
pub(crate) const DUE: i64 = 20_000;

impl Desk {
    /// Inserts a job with the name of the stage into a queue with the same name and leads it there. Answers with the
    /// latest lease that the job ever had; a lease that no store gave, if there was none.
    pub(crate) async fn bring(&self, stage: Stage) -> LeaseToken {
        let name = stage.name();
        let draft = job(&name).queue(&name);
        let waits = match stage {
            ScheduledByInsert => Some(at(DUE)),
            ReadyByPromote => Some(at(500)),
            _ => None,
        };
        self.insert([if let Some(due) = waits { draft.run_at(due) } else { draft }], START).await;
        let token = match stage {
            ScheduledByInsert | ReadyByInsert => FOREIGN,
            ReadyByPromote => {
                self.store.promote(100, at(600)).await.unwrap();
                FOREIGN
            }
            CancelledWaiting => {
                self.amend(&name, Change::Cancel, at(BROUGHT)).await;
                FOREIGN
            }
            ReadyByReclaim | FailedByStalls => {
                self.lose(&name, if stage == ReadyByReclaim { 3 } else { 0 }).await
            }
            ScheduledByRetry | ScheduledBySnooze | ReadyByHandBack | ReadyByRevive | Running
            | RunningAskedToStop | Completed | FailedByHandler | CancelledByHandler => self.work(stage).await,
        };
        assert_eq!(self.state(&name).await, Some(stage.state()), "the way to {stage:?}");
        token
    }

    async fn lose(&self, name: &str, stalls_max: u32) -> LeaseToken {
        let claim = longshore_core::Claim { lease: ms(100), ..claim_of(&[(name, 1)]) };
        let token = self.store.claim(claim, at(100)).await.unwrap().jobs[0].lease.token;
        self.store.reclaim(100, stalls_max, at(BROUGHT)).await.unwrap();
        token
    }

    async fn work(&self, stage: Stage) -> LeaseToken {
        let name = stage.name();
        let token = self.take(&name, at(100)).await.lease.token;
        self.renew(token, Some(Progress::new(5, "on the way")), at(100)).await;
        let outcome = match stage {
            ScheduledByRetry => retry(at(DUE)),
            ScheduledBySnooze => snooze(at(DUE)),
            ReadyByHandBack => longshore_core::Outcome::HandBack,
            Completed => done_with("[1]"),
            ReadyByRevive | FailedByHandler => fail(),
            CancelledByHandler => cancel(),
            _ => {
                if stage == RunningAskedToStop {
                    self.amend(&name, Change::Cancel, at(BROUGHT)).await;
                }
                return token;
            }
        };
        self.end(token, outcome, at(BROUGHT)).await;
        if stage == ReadyByRevive {
            self.amend(&name, Change::Revive, at(BROUGHT)).await;
        }
        token
    }

    /// Brings one job to every stage; each with its latest lease.
    pub(crate) async fn bring_all(&self) -> Vec<(Stage, LeaseToken)> {
        let mut brought = Vec::new();
        for stage in Stage::ALL {
            brought.push((stage, self.bring(stage).await));
        }
        brought
    }

    /// Asserts that the lease of a brought job ended before anything else did.
    pub(crate) async fn assert_gone(&self, name: &str) {
        assert_eq!(self.store.get(id(name)).await.unwrap(), None);
    }
}

/// When the leases of running stages have run out.
pub(crate) fn after_leases() -> longshore_core::Timestamp {
    at(100) + LEASE
}
