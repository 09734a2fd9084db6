//! The pool that the whole process shares, made when it is first used.

use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_clock::Door;
use longshore_core::Invalid;
use longshore_telemetry::{Metered, Samples};

use crate::cpu::check_threads;
use crate::{CpuPool, CpuPoolConfig, PoolError, WhenFull, cores};

/// The variable with the number of threads, as another system calls it; a setting goes before.
const SIZE: &str = "PW_CPU_POOL_SIZE";

enum Shared {
    /// Not used yet, with the size that was set, if any.
    Unused(Option<usize>),
    Open(CpuPool),
    Closed,
}

static POOL: Mutex<Shared> = Mutex::new(Shared::Unused(None));

fn pool() -> MutexGuard<'static, Shared> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads of the shared pool. Otherwise there are as many as the variable `PW_CPU_POOL_SIZE` says, or one for each core.
/// Refuses zero, and any number once the pool has been used.
pub fn set_cpu_pool_size(threads: usize) -> Result<(), Invalid> {
    check_threads("cpu_pool_size", threads)?;
    match &mut *pool() {
        Shared::Unused(size) => *size = Some(threads),
        Shared::Open(_) | Shared::Closed => {
            let expected = "to be set before the pool is first used";
            return Err(Invalid::new("cpu_pool_size", expected, format!("{threads}, too late")));
        }
    }
    Ok(())
}

/// The shared pool; work waits while its line is full.
pub fn shared_pool() -> Result<CpuPool, PoolError> {
    let mut pool = pool();
    match &*pool {
        Shared::Open(open) => Ok(open.clone()),
        Shared::Closed => Err(PoolError::Closed),
        Shared::Unused(size) => {
            let threads = match size {
                Some(threads) => *threads,
                None => said(std::env::var(SIZE).ok())?.unwrap_or_else(cores),
            };
            let config = CpuPoolConfig { threads, when_full: WhenFull::Wait, ..CpuPoolConfig::default() };
            let open = CpuPool::start(&config, &Door::system())?;
            *pool = Shared::Open(open.clone());
            Ok(open)
        }
    }
}

/// The figures of the shared pool, to be registered: none before it is first used.
pub struct SharedCpuPool;

impl Metered for SharedCpuPool {
    fn meter(&self, samples: &mut Samples<'_>) {
        let open = match &*pool() {
            Shared::Open(open) => Some(open.clone()),
            Shared::Unused(_) | Shared::Closed => None,
        };
        if let Some(open) = open {
            open.meter(samples);
        }
    }
}

/// Refuses what the environment says of the pool, if it makes no sense.
pub fn check_cpu_pool_size() -> Result<(), Invalid> {
    said(std::env::var(SIZE).ok()).map(drop)
}

/// What the variable says, if there is one.
fn said(text: Option<String>) -> Result<Option<usize>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    let threads =
        text.trim().parse().map_err(|_| Invalid::new(SIZE, "a whole number above 0", format!("{text:?}")))?;
    check_threads(SIZE, threads)?;
    Ok(Some(threads))
}

/// Runs CPU-bound work on a thread of the shared pool, and gives what it gives.
pub async fn run_cpu_bound<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PoolError> {
    shared_pool()?.run(work).await
}

/// Takes no more work for the shared pool. What it has taken is done; its threads end then, or when the last clone goes that
/// somebody has from [`shared_pool`]: that one still works.
pub fn shut_down_cpu_pool() {
    *pool() = Shared::Closed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_threads_that_is_none_is_told() {
        assert!(matches!(said(None), Ok(None)));
        assert!(matches!(said(Some("3".to_owned())), Ok(Some(3))));
        for text in ["0", "-1", "many", ""] {
            let Err(error) = said(Some(text.to_owned())) else { panic!("{text} is no number of threads") };
            assert!(error.to_string().contains("PW_CPU_POOL_SIZE"), "{error}");
        }
    }
}
