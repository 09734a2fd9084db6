//! What most programs need: `use longshore::prelude::*;`.

pub use crate::shutdown_signal;
pub use longshore_core::{Backoff, JobId, ParentPolicy, Unique};
pub use longshore_cron::{Cron, CronCalculator, Zone};
pub use longshore_macros::Job;
pub use longshore_runtime::{
    Args, Attempt, Cancel, Client, Control, Engine, Flow, HookContext, HookError, IntoSeconds, Job, Keeper,
    KeeperConfig, Next, Outcome, Parents, Progress, Queue, RateScope, Receipt, Rule, Schedule, State, Stop,
    Worker, WorkerConfig, blocking,
};
