//! Histograms, Prometheus text and the set-up of logs.

mod histogram;
pub mod logs;
mod prometheus;

pub use histogram::{Histogram, Snapshot};
pub use prometheus::Exposition;
