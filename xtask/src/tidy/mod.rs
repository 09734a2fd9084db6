//! The rules of the house that no compiler checks.
//!
//! A rule looks at the [`House`] and returns what it found, each time with the way to mend it. Rules read; they
//! never write. Every rule has a test beside it that shows it a bad sample, since a rule that cannot fail is none.

mod arrows;
mod blanks;
mod diagram;
mod house;
mod leftovers;
mod links;
mod machine;
mod manifests;
mod markdown;
mod pages;
mod purity;
mod sizes;

use std::fmt;

pub use diagram::redraw;
pub use house::House;
pub use sizes::longest;

/// A rule with its name.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// One word, as it stands in the list.
    pub name: &'static str,
    /// Looks for what breaks the rule.
    pub check: fn(&House) -> Vec<Complaint>,
}

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule { name: "arrows", check: arrows::check },
    Rule { name: "purity", check: purity::check },
    Rule { name: "manifests", check: manifests::check },
    Rule { name: "sizes", check: sizes::check },
    Rule { name: "leftovers", check: leftovers::check },
    Rule { name: "rooms", check: pages::rooms },
    Rule { name: "glossary", check: pages::glossary },
    Rule { name: "diagram", check: diagram::check },
    Rule { name: "links", check: links::check },
    Rule { name: "machine", check: machine::check },
    Rule { name: "blanks", check: blanks::check },
];

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file, with a line where there is one.
    pub place: String,
    /// What is wrong there.
    pub found: String,
    /// How to mend it.
    pub mend: String,
}

impl Complaint {
    fn new(place: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { place: place.into(), found: found.into(), mend: mend.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.found, self.mend)
    }
}
