//! The renderer seen from outside, in one binary because linking the engine takes longer than the tests.

mod documents;
mod isolation;
mod limits;
mod mends;
mod pictures;
mod sample;
mod shortcomings;
mod support;
