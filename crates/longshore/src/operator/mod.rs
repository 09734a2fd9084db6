//! What operators ask for: of a store in this process, or of a server over HTTP. Every command of theirs goes through
//! here, so that both ways give the same answers.

mod jobs;
mod others;
mod queues;
mod remote;
mod schedules;

use longshore_core::{Invalid, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use remote::{Remote, RemoteError};
pub(crate) use schedules::Scheduled;

use crate::context::Opened;

/// The way to what is operated.
pub(crate) enum Operator {
    /// A store.
    Store(Opened),
    /// A server.
    Api(Remote),
}

impl Operator {
    /// The time, as what is operated sees it.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::Store(opened) => opened.now(),
            Self::Api(_) => longshore_clock::Door::system().clock.now(),
        }
    }
}

/// One list under one name, as most listings are.
macro_rules! listing {
    ($name:ident, $field:ident, $item:ty) => {
        #[derive(Deserialize)]
        struct $name {
            $field: Vec<$item>,
        }
    };
}
pub(crate) use listing;

/// A cursor as HTTP writes it.
pub(crate) fn read_cursor(text: &str) -> Result<longshore_core::Cursor, Invalid> {
    let place = u64::from_str_radix(text, 16).map(longshore_core::Cursor);
    place.map_err(|_| Invalid::new("cursor", "what the page before gave", text))
}

/// A page of jobs, as HTTP shows it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) jobs: Vec<longshore_core::Job>,
    pub(crate) next_cursor: Option<String>,
}
