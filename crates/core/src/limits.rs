//! Every limit of the engine by name. A face may allow less, never more.

use std::time::Duration;

/// Longest queue, kind or worker name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest id that a caller may choose, in bytes.
pub const CUSTOM_ID_BYTES_MAX: usize = 200;
/// Largest args that a job can carry, in bytes of JSON: a whole document fits.
pub const ARGS_BYTES_MAX: usize = 8 * 1_048_576;
/// Largest args that the faces take for a job unless they are told otherwise (setting `max_job_payload_bytes`).
pub const JOB_PAYLOAD_BYTES_USUAL: usize = 1_048_576;
/// Largest result that a job can carry, in bytes of JSON.
pub const RESULT_BYTES_MAX: usize = 8 * 1_048_576;
/// Largest result that workers take unless they are told otherwise (setting `max_result_bytes`); larger ones belong into
/// a produced file.
pub const RESULT_BYTES_USUAL: usize = 1_048_576;
/// How long a handler that was told to stop may take to clean up before it is dropped, unless its kind or the setting
/// `cancel_grace` says otherwise.
pub const CANCEL_GRACE: Duration = Duration::from_secs(2);
/// Most jobs in one insert.
pub const INSERT_JOBS_MAX: usize = 10_000;
/// Most records that one store step touches.
pub const STEP_RECORDS_MAX: usize = 1_000;
/// Ended jobs of one state that a queue keeps unless it is told otherwise.
pub const ENDED_JOBS_USUAL: u64 = 100_000;
/// The most that it may be told to keep.
pub const ENDED_JOBS_MAX: u64 = 1_000_000_000;
/// Most jobs on one page of a listing.
pub const PAGE_JOBS_MAX: usize = 1_000;
/// A page of a listing ends with the job whose args and result bring it to so many bytes.
pub const PAGE_BYTES_MAX: usize = 16 * 1_048_576;
/// Most tags on a job.
pub const TAGS_MAX: usize = 20;
/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;
/// Longest key that makes a job unique, in bytes.
pub const UNIQUE_KEY_BYTES_MAX: usize = 200;
/// Most parents of one job.
pub const PARENTS_MAX: usize = 1_000;
/// Most limits of one queue or kind.
pub const LIMITS_MAX: usize = 8;
/// Longest key of a limit, and longest value that jobs are limited by, in bytes.
pub const LIMIT_KEY_BYTES_MAX: usize = 200;
/// Most starts that a rate or a burst may name.
pub const LIMIT_RATE_MAX: u32 = 1_000_000;
/// Most jobs at once that a limit may name.
pub const LIMIT_CONCURRENCY_MAX: u32 = 1_000_000;
/// Shortest time of waiting that may count as one step of priority.
pub const AGEING_MIN: Duration = Duration::from_millis(100);
/// Most attempts a job may ask for.
pub const ATTEMPTS_MAX: u32 = 1_000;
/// Errors kept on a job, newest last.
pub const ERRORS_KEPT: usize = 20;
/// Longest error message kept, in bytes.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 2_000;
/// Longest trace kept with an error, in bytes.
pub const ERROR_TRACE_BYTES_MAX: usize = 16_000;
/// Longest progress message kept, in bytes.
pub const PROGRESS_MESSAGE_BYTES_MAX: usize = 500;
/// Largest free progress data kept, in bytes of JSON.
pub const PROGRESS_DATA_BYTES_MAX: usize = 16_384;
/// Longest delay, timeout or time to live: ten years.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);
/// Lost leases after which a job is put into quarantine instead of being tried again.
pub const STALLS_MAX: u32 = 3;
/// Default length of a lease.
pub const LEASE: Duration = Duration::from_secs(30);
/// Shortest lease of a worker: it has to be renewed several times before it ends.
pub const LEASE_MIN: Duration = Duration::from_millis(100);
/// A worker that has not told of itself for so long counts as gone, unless it was told otherwise (setting `worker_ttl`).
pub const WORKER_TTL: Duration = Duration::from_secs(30);
/// Shortest such time.
pub const WORKER_TTL_MIN: Duration = Duration::from_secs(1);
/// Jobs that a worker names when it tells of itself, of those it runs and of those it has read ahead.
pub const WORKER_JOBS_NAMED: usize = 100;
/// Shortest time between two looks that nobody asked for.
pub const SCAN_INTERVAL_MIN: Duration = Duration::from_millis(10);
