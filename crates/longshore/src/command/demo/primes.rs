use anyhow::Context as _;
use longshore_pool::{CpuPool, CpuPoolConfig};
use longshore_runtime::{Args, Handlers, Outcome, Progress};
use serde::Deserialize;

pub(super) const KIND: &str = "demo.primes";
/// Pieces the work is done in, so that others get their turn and progress can be told.
const PIECES: u64 = 20;

#[derive(Deserialize)]
struct Primes {
    below: u64,
}

/// Adds the handler that keeps a core busy, on threads of its own and never on those of the runtime.
pub(super) fn register(handlers: &mut Handlers) -> anyhow::Result<()> {
    let pool = CpuPool::start(&CpuPoolConfig::default(), &longshore_clock::Door::system())
        .context("cannot start threads for CPU-bound work")?;
    let handle = move |Args(args): Args<Primes>, progress: Progress| {
        let pool = pool.clone();
        async move {
            let mut found = 0;
            for piece in 0..PIECES {
                let (from, to) = (args.below * piece / PIECES, args.below * (piece + 1) / PIECES);
                found += pool.run(move || count(from, to)).await?;
                progress.at(((piece + 1) * 100 / PIECES) as u8, &format!("{found} primes below {to}")).await;
            }
            Ok::<_, Outcome>(found)
        }
    };
    Ok(handlers.add(KIND, handle)?)
}

/// Primes from `from` up to, and not with, `to`; by trial division, because it should take some time.
fn count(from: u64, to: u64) -> u64 {
    let is_prime = |n: &u64| *n >= 2 && (2..=n.isqrt()).all(|d| !n.is_multiple_of(d));
    (from..to).filter(is_prime).count() as u64
}

#[cfg(test)]
mod tests {
    #[test]
    fn primes_are_counted() {
        assert_eq!(super::count(0, 100), 25);
        assert_eq!(super::count(0, 50) + super::count(50, 100), 25);
    }
}
