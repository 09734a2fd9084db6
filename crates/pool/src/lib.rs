//! Threads for work that must not block the async runtime.
//!
//! [`CpuPool`] has threads of its own, a bounded line in front of them, and turns a panic into an error.
//! [`run_cpu_bound`] uses one that the whole process shares.

#![warn(missing_debug_implementations)]

mod cpu;
mod line;
mod shared;
mod token;

pub use cpu::{CpuPool, CpuPoolConfig, CpuPoolMetrics, PoolError, WhenFull};
pub use shared::{
    SharedCpuPool, check_cpu_pool_size, run_cpu_bound, set_cpu_pool_size, shared_pool, shut_down_cpu_pool,
};
pub use token::CpuToken;

longshore_core::opaque!(CpuPool, SharedCpuPool);

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
