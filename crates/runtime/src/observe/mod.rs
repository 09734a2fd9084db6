//! What is measured: the meters of this process, and the samples of all processes over the last hours.

mod history;
mod meters;
mod sample;

pub use history::{Depth, Figures, History, Percentiles, SAMPLES_MAX, Span};
pub(crate) use meters::count;
pub use meters::{KindMeters, Meters, QueueMeters};
pub(crate) use sample::Sampler;
