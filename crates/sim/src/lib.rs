//! Seeded histories of the whole queue, with everything going wrong at once, and an auditor.
//!
//! Callers, workers, keepers and operators share one store. Their requests get lost, and the answers to them; they die
//! wherever they wait, which is before and after each request; they hang beyond their leases; the clock is set forward
//! and back. One seed decides all of it, so a history that went wrong goes wrong again: [`simulate`] is one thread, and
//! chance says who goes on.
//!
//! The auditor stands directly on the store, below all faults, and follows every answer with a model of what must be
//! true. At the end the faults stop, one good worker and one good keeper work off what is left, and everything is looked
//! at once more: nothing is lost, nothing waits without a reason, nothing is kept for ever.

mod cast;
mod finale;
mod gate;
mod ledger;
mod plan;
mod run;
mod scene;
mod stage;
mod tell;
mod time;
mod torture;
mod trace;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use run::{Report, simulate};
pub use torture::{Guest, Guesting, Place, Torture, Verdict, torture, torture_with};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
