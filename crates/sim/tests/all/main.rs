//! The simulation itself: it is sound on sound stores, repeats itself, and finds planted defects.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod planted;
mod real;
mod seeds;
mod teeth;
mod torture;
