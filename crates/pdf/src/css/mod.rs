//! Style sheets as the engine shall see them.
//!
//! The engine knows no generic families, takes itself for a screen and loads nothing. So family lists are
//! completed, `print` and `screen` change places, and addresses are resolved here. This is about pictures
//! and letters, not about safety: what slips through meets an engine that refuses every address anyway.

mod bounds;
mod family;
mod margin;
mod scan;
mod sheet;

pub(crate) use bounds::{check, check_references};
pub(crate) use family::Families;
pub(crate) use sheet::{Sheet, rewrite};
