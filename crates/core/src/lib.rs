//! The words and the rules of Longshore.
//!
//! What a job is ([`Job`]), how it lives ([`life`]), what a worker may do with it ([`Lease`], [`Outcome`]), and
//! what a store must keep ([`Store`], [`Records`]). Nothing here reads a clock, draws chance, spawns a task or
//! opens a file: the present moment is always an argument.

mod backoff;
mod duration;
mod error;
mod event;
mod failure;
mod filter;
mod flow;
mod job;
mod json;
mod lease;
pub mod life;
/// Limits on queues and kinds, and what they count.
pub mod limit;
pub mod limiter;
pub mod limits;
mod name;
mod opaque;
mod options;
mod outcome;
mod queue;
mod records;
mod retention;
mod store;
mod traceparent;
mod unique;
mod variables;
mod worker;

pub use backoff::{Backoff, BackoffForm};
pub use duration::{DurationText, check_duration, format_duration, parse_duration};
pub use error::{Invalid, StoreError, StoreResult};
pub use event::{Event, EventName, Times};
pub use failure::{FailureGroup, Fingerprint};
pub use filter::JobFilter;
pub use flow::{Consequence, Parent, ParentEnd, ParentPolicy};
pub use job::{AttemptError, Job, JobError, JobSpec, Progress, Reason};
pub use json::{Fields, Json};
pub use lease::{Lease, LeaseToken};
pub use life::State;
pub use limit::{Hold, KindInfo, Limit};
pub use longshore_clock::Timestamp;
pub use name::{JobId, KindName, Priority, QueueName, ScheduleName, WorkerId};
pub use options::{JobDefaults, Options};
pub use outcome::{End, Ended, Ends, Outcome, Refusal};
pub use queue::{Counts, QueueChange, QueueInfo, Rate, rank};
pub use records::{Doc, Expect, LogEntry, Put, Records};
pub use retention::{Retention, RetentionChange};
pub use store::{
    Amended, Can, Change, Claim, Claimed, Claims, Cursor, Durability, Fire, Fired, Inserted, JobPage, Kept,
    LaneWant, Moved, Page, Renewal, Renewed, Store, Turned, Wake, WakeStream,
};
pub use traceparent::is_traceparent;
pub use unique::Unique;
pub use variables::Variables;
pub use worker::{Health, WorkerInfo};
