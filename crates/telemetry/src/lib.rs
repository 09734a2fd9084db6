//! Histograms, figures by name, a watch on the runtime, Prometheus text, traces and the set-up of logs.

#![warn(missing_debug_implementations)]

mod histogram;
pub mod logs;
pub mod monitor;
pub mod performance;
mod prometheus;
mod registry;
pub mod traces;

pub use histogram::{Histogram, Snapshot};
pub use prometheus::Exposition;
pub use registry::{Metered, Registry, Samples};

use monitor::EventLoopMonitor;
use performance::{Performance, Recording};
use traces::Carried;
#[cfg(feature = "otlp")]
use traces::Traces;

longshore_core::opaque!(
    Carried,
    EventLoopMonitor,
    Exposition,
    Histogram,
    Performance,
    Recording<'a>,
    Registry,
    Samples<'a>
);
#[cfg(feature = "otlp")]
longshore_core::opaque!(Traces);
