use std::sync::atomic::{AtomicU64, Ordering};

use longshore_core::State;
use longshore_runtime::QueueMeters;
use longshore_telemetry::{Exposition, Histogram};

use crate::app::Api;

type Counter = fn(&QueueMeters) -> &AtomicU64;
type Times = fn(&QueueMeters) -> &Histogram;

const COUNTERS: [(&str, &str, Counter); 5] = [
    ("longshore_job_inserted_total", "Jobs inserted through this process.", |meters| &meters.inserted),
    ("longshore_job_started_total", "Attempts started in this process.", |meters| &meters.started),
    ("longshore_job_retried_total", "Attempts that failed and are followed by another.", |meters| {
        &meters.retried
    }),
    ("longshore_job_returned_total", "Attempts given back: snoozed or handed back.", |meters| {
        &meters.returned
    }),
    ("longshore_job_refused_total", "Ends that came too late for their lease.", |meters| &meters.refused),
];

const FINISHED: [(&str, Counter); 3] = [
    ("completed", |meters| &meters.completed),
    ("failed", |meters| &meters.failed),
    ("cancelled", |meters| &meters.cancelled),
];

const HISTOGRAMS: [(&str, &str, Times); 3] = [
    ("longshore_job_wait_seconds", "From insert or due time to the first start.", |meters| &meters.wait),
    ("longshore_job_run_seconds", "From start to end of an attempt.", |meters| &meters.run),
    ("longshore_job_duration_seconds", "From insert to the end of a job.", |meters| &meters.duration),
];

/// A scrape. What the store cannot tell now is left out, and `longshore_store_up` says so.
pub(crate) async fn text(api: &Api) -> String {
    let mut out = Exposition::default();
    let meters = api.system.meters().all();
    for (name, help, read) in COUNTERS {
        for (queue, meters) in &meters {
            out.counter(name, help, &[("queue", queue.as_str())], read(meters).load(Ordering::Relaxed));
        }
    }
    for (queue, meters) in &meters {
        for (outcome, read) in FINISHED {
            let labels = [("queue", queue.as_str()), ("outcome", outcome)];
            out.counter(
                "longshore_job_finished_total",
                "Jobs that ended in this process.",
                &labels,
                read(meters).load(Ordering::Relaxed),
            );
        }
    }
    for (name, help, read) in HISTOGRAMS {
        for (queue, meters) in &meters {
            out.histogram(name, help, &[("queue", queue.as_str())], &read(meters).snapshot());
        }
    }
    let control = api.system.control();
    let looked = tokio::try_join!(control.queues(), control.live_workers());
    out.gauge("longshore_store_up", "Whether the store answers.", &[], f64::from(u8::from(looked.is_ok())));
    if let Ok((queues, workers)) = looked {
        for queue in queues.iter().take(QUEUES_MAX) {
            for state in State::ALL {
                let labels = [("queue", queue.name.as_str()), ("state", state.as_str())];
                out.gauge(
                    "longshore_queue_depth",
                    "Jobs of a queue by state.",
                    &labels,
                    queue.counts.get(state) as f64,
                );
            }
        }
        out.gauge(
            "longshore_workers",
            "Workers that told of themselves lately (worker_ttl).",
            &[],
            workers.len() as f64,
        );
    }
    out.counter(
        "longshore_event_lost_total",
        "Events that listeners of this process missed, because they were too slow or there were too many.",
        &[],
        api.system.hub().lost(),
    );
    out.counter(
        "longshore_event_listener_panics_total",
        "Calls of listeners that panicked.",
        &[],
        api.system.hub().listener_panics(),
    );
    out.gauge(
        "longshore_handler_threads_overdue",
        "Calls of blocking handlers whose attempts are over.",
        &[],
        longshore_runtime::overdue_threads() as f64,
    );
    out.gauge(
        "longshore_event_listeners",
        "Open subscriptions to events.",
        &[],
        api.system.hub().listeners() as f64,
    );
    out.gauge(
        "longshore_event_streams",
        "Open event streams over HTTP.",
        &[],
        api.streams.load(Ordering::Relaxed) as f64,
    );
    out.gauge(
        "longshore_http_connections",
        "Open HTTP connections.",
        &[],
        api.connections.load(Ordering::Relaxed) as f64,
    );
    if let Some(sample) = api.monitor.as_ref().and_then(|monitor| monitor.get_snapshot()) {
        out.gauge(
            "longshore_loop_lag_seconds",
            "How late the runtime woke a timer, at most, in the last second.",
            &[],
            sample.loop_latency_ms / 1_000.0,
        );
        out.gauge("longshore_loop_tasks", "Tasks alive on the runtime.", &[], sample.task_count as f64);
        out.gauge(
            "longshore_loop_busy_ratio",
            "The share of the last second in which the threads of the runtime were at work.",
            &[],
            sample.busy_ratio,
        );
    }
    if let Some(pdf) = &api.pdf {
        out.gauge("longshore_pdf_threads", "Threads for rendering.", &[], pdf.threads() as f64);
        out.gauge("longshore_pdf_threads_busy", "Threads that render now.", &[], pdf.busy() as f64);
        out.gauge(
            "longshore_pdf_threads_overdue",
            "Threads at work on a document that nobody waits for any more.",
            &[],
            pdf.overdue() as f64,
        );
    }
    out.finish()
}

/// Queues that a scrape shows at most.
const QUEUES_MAX: usize = 200;
