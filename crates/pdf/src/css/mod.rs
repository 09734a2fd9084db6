//! Style sheets as the engine shall see them.
//!
//! The engine knows no generic families, takes itself for a screen and loads nothing. So family lists are
//! completed, `print` and `screen` change places, and addresses are resolved here. This is about pictures
//! and letters, not about safety: what slips through meets an engine that refuses every address anyway.

mod bounds;
mod family;
mod generated;
mod margin;
mod repeat;
mod scan;
mod sheet;

pub(crate) use bounds::{check, check_references};
pub(crate) use family::Families;
pub(crate) use generated::Generated;
pub(crate) use repeat::repeats;
pub(crate) use sheet::{Sheet, Shown, Whole, rewrite};
