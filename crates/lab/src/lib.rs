//! The performance lab. Knows stores only as engines that somebody hands in.

pub mod cpu;
pub mod features;
pub mod queue;
mod statistics;

pub use statistics::{Spread, median};
