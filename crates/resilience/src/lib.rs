//! What stands between a caller and something slow or broken. Knows nothing of jobs.

#![warn(missing_debug_implementations)]

mod adaptive;
mod breaker;
pub mod cache;
mod events;
mod hedge;
mod keyed;
pub mod layer;
mod limiter;
mod metered;
mod panics;
mod pipeline;
mod policy;
mod priority;
mod rate;
mod retry;
mod striped;
mod sync;
mod timeout;

pub use adaptive::{
    AdaptiveLimiter, AdaptivePermit, AimdLimit, FixedLimit, Gradient2Limit, Limit, LimitSample, VegasLimit,
};
pub use breaker::{
    Admission, CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitBreakerMetrics,
    CircuitBreakers, CircuitCallError, CircuitCounts, CircuitEvent, CircuitState, CircuitWindow,
    HalfOpenRule, Trigger, Verdict,
};
pub use cache::{Cache, CacheConfig, CacheError, CachePolicy, CacheStats, LoadError, Ttl};
pub use events::Events;
pub use hedge::{Hedge, HedgeAfter, HedgeConfig, HedgeEvent, HedgeMetrics};
pub use limiter::{
    AcquisitionTimeoutError, Bulkhead, BulkheadConfig, BulkheadError, BulkheadMetrics, LimiterEvent,
    OwnedPermit, Permit, SemaphoreLimiter, SemaphoreLimiterConfig, SemaphoreMetrics,
};
pub use panics::{drop_quietly, panic_text};
pub use pipeline::{
    BatchSink, BatchedWriter, BatchedWriterConfig, BoxError, DeadBatch, FlushReport, JsonlSink, JsonlWriter,
    JsonlWriterConfig, OnBatchFailure, PipelineBuilder, PipelineConfig, PipelineEvent, PipelineMetrics,
    ProducerConsumerPipeline, PutError, PutManyReport, StopReport,
};
#[cfg(feature = "sqlite")]
pub use pipeline::{SqliteSink, SqliteWriter, SqliteWriterConfig};
pub use policy::{AttemptError, CallError, CallPolicy, CallPolicyBuilder, DeadlineError};
pub use priority::{
    EnqueueError, PriorityMetrics, PriorityTaskQueue, PriorityTaskQueueConfig, StopMode, TaskError,
    TaskHandle,
};
pub use rate::{
    RateEvent, RateLimitedError, RateLimiter, RateLimiterConfig, RateMetrics, SlidingLog, SlidingLogConfig,
};
pub use retry::{
    Advice, Fault, Jitter, Retry, RetryAttempt, RetryBudget, RetryBudgetConfig, RetryBudgetExceededError,
    RetryConfig, RetryEnd, RetryError, RetryEvent, RetryExecution, RetryExhaustedError, RetryLimit,
    RetryMetrics, RetryPolicy, RetryTotals, parse_retry_after,
};
pub use timeout::{Timeout, TimeoutError, TimeoutEvent, TimeoutMetrics};

longshore_core::opaque!(
    AdaptiveLimiter, AdaptivePermit, Admission, BatchedWriter<T, S>, Bulkhead, Cache, CallPolicy, CallPolicyBuilder,
    CircuitBreaker, CircuitBreakers, Events<E>, Hedge, JsonlSink, PipelineBuilder<T, S>, PriorityTaskQueue,
    ProducerConsumerPipeline<T, S>, RateLimiter<K>, RetryPolicy, SemaphoreLimiter, SlidingLog<K>, TaskHandle<T>,
);
#[cfg(feature = "sqlite")]
longshore_core::opaque!(SqliteSink);
