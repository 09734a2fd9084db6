//! Jobs in a transaction of somebody else's: they are there if it commits, together with what else it wrote.

use std::path::PathBuf;
use std::sync::Arc;

use longshore_clock::Chance;
use longshore_core::{Inserted, Invalid, JobSpec, StoreError, StoreResult, Timestamp, Wake};
use rusqlite::Transaction;

use crate::error::{Tried, sorted};
use crate::names::Names;
use crate::open;
use crate::tx::Tx;
use crate::wake;

/// Jobs that were inserted in a transaction which is still open.
#[must_use = "ring after the commit; without it workers find the jobs at their next scan only"]
#[derive(Debug)]
pub struct Within {
    inserted: Vec<Inserted>,
    wakes: Vec<Wake>,
    path: PathBuf,
}

impl Within {
    /// What becomes of each job if the transaction commits.
    pub fn inserted(&self) -> &[Inserted] {
        &self.inserted
    }

    /// Tells every process on the file. To be called after the commit.
    pub fn ring(self) {
        if let Err(error) = wake::ring_all(&self.path, &self.wakes) {
            tracing::debug!(%error, "nobody was told of new jobs; they are found at the next scan");
        }
    }
}

/// Inserts jobs in a transaction of the caller's, all or none, on a connection of its own to a file that
/// [`SqliteStore::open`](crate::SqliteStore::open) has made or brought up to date. An error leaves the transaction as it was.
///
/// While the transaction is open nobody else writes to the file, as always with SQLite; so keep it short.
pub fn insert_within(tx: &Transaction<'_>, jobs: &[Arc<JobSpec>], now: Timestamp) -> StoreResult<Within> {
    open::check_ours(tx)?;
    let path = tx.path().map(PathBuf::from).unwrap_or_default();
    let sql = |error: rusqlite::Error| sorted(&error);
    tx.execute_batch("SAVEPOINT longshore").map_err(sql)?;
    let (mut names, chance) = (Names::default(), Chance::system());
    let mut insert = || -> Tried<(Vec<Inserted>, Vec<Wake>)> {
        let mut within = Tx::new(tx, &mut names, &chance);
        let inserted = within.insert(jobs, now)?;
        Ok((inserted, within.flush()?))
    };
    match insert() {
        Ok((inserted, wakes)) => {
            tx.execute_batch("RELEASE longshore").map_err(sql)?;
            Ok(Within { inserted, wakes, path })
        }
        Err(trouble) => {
            tx.execute_batch("ROLLBACK TO longshore; RELEASE longshore").map_err(sql)?;
            Err(trouble.sorted())
        }
    }
}

/// The transaction is on a file that is no store of ours, or of another version.
pub(crate) fn not_ours(got: String) -> StoreError {
    let expected = format!("one on a file of Longshore with schema {}", open::SCHEMA);
    Invalid::new("transaction", expected, got).into()
}
