//! Turns a store and handlers into a running system.
//!
//! An [`Engine`] holds what one process shares. From it come a [`Client`] (insert jobs), a [`Control`] (look and
//! operate), [`Worker`]s (run handlers) and a [`Keeper`] (promote, reclaim, prune). Handlers are plain async functions;
//! they see what they extract, and never the store.

mod attempt;
mod audit;
mod blocking;
mod client;
mod control;
mod engine;
mod events;
mod extract;
mod flow;
mod guard;
mod handler;
mod identity;
mod job;
mod keeper;
mod layer;
mod observe;
mod once;
mod outcome;
mod parents;
mod resets;
mod roster;
mod schedule;
mod signal;
mod stop;
pub mod testing;
mod why;
mod worker;

pub use audit::{AUDIT_KEPT, AUDIT_PAGE_MAX, AuditEntry, AuditFilter, Source};
pub use blocking::{Blocking, blocking, overdue_threads};
pub use client::{Client, Enqueue, Receipt};
pub use control::{Batch, Control, ControlError, Overview, QueueView, Refused, WorkerView};
pub use engine::Engine;
pub use events::{Hub, Listener, Numbered, Replay, Subscription};
pub use extract::{Args, Attempt, Extract, ExtractError, Progress, State};
pub use flow::Flow;
pub use guard::KindGuard;
pub use handler::{Handler, Handlers, KindBackoff, KindOptions, Kinded};
pub use identity::{ApiKey, Caller, KEYS_MAX, Keys, NewKey, Scope};
pub use job::{IntoSeconds, Job};
pub use keeper::{Keeper, KeeperConfig};
pub use layer::{Next, Returned};
pub use observe::{Depth, Figures, History, KindMeters, Meters, Percentiles, QueueMeters, SAMPLES_MAX, Span};
pub use once::OnceKey;
pub use outcome::{IntoResult, Outcome};
pub use parents::{ParentResult, Parents};
pub use schedule::{
    Misfire, Overlap, Rule, Schedule, ScheduleError, ScheduleRecord, Schedules, ShownSchedule, Standing,
    TimeRange,
};
pub use signal::Cancel;
pub use stop::Stop;
pub use why::{Why, WhyReason, describe_limit};
pub use worker::{HookContext, HookError, Queue, RateScope, Served, Worker, WorkerConfig};
