//! Open files: each connection takes one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of files that this process may open to the highest that the system allows it. Shells hand down a
/// low number for the sake of old programs.
pub(crate) fn allow_many() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "could not raise the limit of open files");
    }
}
