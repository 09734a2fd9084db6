//! Histograms, figures by name, a watch on the runtime, Prometheus text, traces and the set-up of logs.

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
