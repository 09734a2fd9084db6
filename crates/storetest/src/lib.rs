//! The exam that every store passes.
//!
//! One test for each sentence of the contract on [`Store`] and [`Records`](longshore_core::Records), named by the
//! sentence, in files by subject. Beside them: races of tasks and of processes, random histories against a reference store, and faults.
//! No question names a store; what a store can do beyond the contract is asked from [`Store::can`]. Nothing here
//! sleeps or reads a clock.
//!
//! A store sits the exam in one file of its own:
//!
//! ```ignore
//! longshore_storetest::exam!(MyCloset::new(), against: Memory);
//! ```
//!
//! `STORETEST_CASES` sets how many random histories are tried, `STORETEST_SEED` which ones.
#![expect(clippy::unwrap_used, reason = "an exam fails by panicking")]

#[macro_use]
mod roll;

mod audit;
mod closet;
mod desk;
mod draft;
mod faulty;
mod pass_records;
mod sit;
mod stage;
mod wrapped;

mod amend;
mod claim;
mod close;
mod expire;
mod failures;
mod faults;
mod fidelity;
mod finish;
mod fire;
mod flow;
mod follow;
mod history;
mod insert;
mod limits;
mod look;
mod processes;
mod promote;
mod prune;
mod queue;
mod races;
mod reclaim;
mod records;
mod renew;
mod table;
mod unique;
mod wake;

pub use audit::{assert_sound, audit};
pub use closet::{Closet, Exam};
pub use faulty::{Faults, Faulty, Odds};
#[doc(hidden)]
pub use roll::questions;
pub use wrapped::{Around, Wrapped};

#[cfg(doc)]
use longshore_core::Store;
