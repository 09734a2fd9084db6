//! What most programs need: `use longshore::prelude::*;`.

pub use crate::shutdown_signal;
pub use longshore_core::{Backoff, JobId};
pub use longshore_runtime::{
    Args, Attempt, Cancel, Client, Control, Engine, IntoSeconds, Job, Keeper, KeeperConfig, Outcome,
    Progress, Queue, Receipt, State, Stop, Worker, WorkerConfig,
};
