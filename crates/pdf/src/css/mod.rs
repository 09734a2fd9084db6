//! Style sheets as the engine shall see them.
//!
//! The engine knows no generic families, takes itself for a screen and loads nothing. So family lists are
//! completed, `print` and `screen` change places, and addresses are resolved here. It draws no background behind
//! a part of a line and knows one colour for all borders of a box, so rules get declarations that help. This is about pictures
//! and letters, not about safety: what slips through meets an engine that refuses every address anyway.

mod blocks;
mod borders;
mod bounds;
mod boxes;
mod family;
mod generated;
mod margin;
mod repeat;
mod scan;
mod sheet;

pub(crate) use bounds::{check, check_references};
pub(crate) use boxes::{Boxed, INLINE, Looks, MARK, OWN};
pub(crate) use family::Families;
pub(crate) use generated::Generated;
pub(crate) use repeat::repeats;
pub(crate) use sheet::{Sheet, Shown, Whole, rewrite};

/// What the declarations of a `style` attribute do.
pub(crate) fn looks(css: &str) -> Looks {
    boxes::looks(&scan::scan(css))
}
