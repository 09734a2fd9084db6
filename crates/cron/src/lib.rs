//! When a schedule is due: cron expressions, zones and daylight saving.
//!
//! [`Cron`] is a parsed expression, [`Zone`] one of the IANA zones that are compiled in. [`Cron::after`] walks the
//! moments at which an expression is due, jumping from match to match; [`CronCalculator`] puts bounds, a cache and
//! counters around that and answers in the shapes that faces promise.
//!
//! Nothing here reads a clock, a file or the zones of the machine: the present moment is always an argument, and the
//! same question has the same answer everywhere.
//!
//! ```
//! use longshore_cron::{Adjusted, Cron, Zone};
//!
//! let nightly = Cron::parse("30 2 * * *")?;
//! let zone = Zone::parse("America/New_York")?;
//! let due = nightly.next_after(&zone, "2025-03-08T12:00:00Z".parse()?).expect("daily");
//! assert_eq!(due.local().to_string(), "2025-03-09T03:00:00-04:00");
//! assert_eq!(due.adjusted, Some(Adjusted::Gap));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calculator;
mod calendar;
mod cron;
mod days;
mod describe;
mod error;
mod field;
mod frequency;
mod item;
mod scan;
mod search;
mod times;
mod value;
mod zone;
mod zoned;

pub use calculator::{
    Calculation, CalculatorStats, CronCalculator, CronRequest, DstWarning, ShortValidation, Status,
    Validation, Verdict, limits,
};
pub use cron::Cron;
pub use error::CronError;
pub use field::Field;
pub use frequency::Frequency;
pub use search::{Adjusted, HORIZON_DAYS, Occurrence, Occurrences};
pub use zone::{Zone, tz_version};
pub use zoned::ZonedTime;
