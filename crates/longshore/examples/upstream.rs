//! A call to something that fails now and then, behind everything that stands between, in the order of the guide.
//!
//! `cargo run --example upstream`

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longshore::clock::Door;
use longshore::resilience::{
    Bulkhead, BulkheadConfig, CircuitBreaker, CircuitBreakerConfig, Jitter, RetryConfig, RetryPolicy, Timeout,
};

/// Fails every third time.
async fn price(calls: &AtomicU32) -> io::Result<u32> {
    tokio::task::yield_now().await;
    let call = calls.fetch_add(1, Ordering::Relaxed);
    if call.is_multiple_of(3) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(42) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let door = Door::system();
    let retry = RetryPolicy::new(
        RetryConfig { base_delay: Duration::from_millis(20), jitter: Jitter::Full, ..RetryConfig::default() },
        &door,
    )?;
    let breaker = CircuitBreaker::new(
        CircuitBreakerConfig {
            name: "prices".into(),
            failure_threshold: Some(50),
            error_rate_threshold: None,
            ..CircuitBreakerConfig::default()
        },
        &door,
    )?;
    let bulkhead = Bulkhead::new(&BulkheadConfig::default(), &door)?;
    let timeout = Timeout::new(Duration::from_secs(2), &door)?;
    let calls = AtomicU32::new(0);

    for _ in 0..10 {
        let price = retry
            .execute("prices.example", |_| async {
                let call = || async {
                    let _permit = bulkhead.acquire().await.map_err(io::Error::other)?;
                    timeout.run(price(&calls)).await.map_err(io::Error::other)?
                };
                breaker.call(call).await
            })
            .await?;
        assert_eq!(price, 42);
    }

    let seen = breaker.get_metrics();
    assert_eq!((seen.request_count, seen.failure_count, seen.state.as_str()), (15, 5, "closed"));
    assert_eq!(retry.get_metrics("prices.example").retries, 5);
    Ok(())
}
