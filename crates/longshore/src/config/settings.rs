use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use longshore_core::{DurationText, Invalid, JobDefaults, KindName, QueueName, Retention};
use longshore_runtime::{KeeperConfig, KindGuard, WorkerConfig};
use longshore_server::{ApiConfig, Identity};
use longshore_telemetry::logs::Format as LogFormat;

use super::value::Value;
use super::{Effective, QueueSettings};

/// The configuration as the program uses it. The meaning of each is in the manual, `config.default.toml`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) store: String,
    pub(crate) api: Option<String>,
    pub(crate) api_token: Option<String>,
    pub(crate) listen: SocketAddr,
    pub(crate) worker_concurrency: usize,
    pub(crate) worker_queues: Vec<QueueName>,
    pub(crate) lease: Duration,
    pub(crate) scan_interval: Duration,
    pub(crate) max_stalls: u32,
    pub(crate) stop_deadline: Duration,
    pub(crate) cancel_grace: Duration,
    pub(crate) worker_ttl: Duration,
    pub(crate) blocking_threads: usize,
    pub(crate) templates: PathBuf,
    pub(crate) files: PathBuf,
    pub(crate) asset_root: Option<PathBuf>,
    pub(crate) pdf_threads: usize,
    pub(crate) pdf_time_max: Duration,
    pub(crate) pdf_html_max: usize,
    pub(crate) pdf_pages_max: u32,
    pub(crate) pdf_output_max: usize,
    pub(crate) pdf_result_retention: Duration,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_job_payload_bytes: usize,
    pub(crate) max_result_bytes: usize,
    pub(crate) sse_streams_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// On or off; none is on where the server can be reached from elsewhere.
    pub(crate) identity: Option<bool>,
    pub(crate) metrics_networks: Vec<IpNet>,
    pub(crate) otlp_endpoint: String,
    pub(crate) otlp_sample_ratio: f64,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
    pub(crate) retention: Retention,
    pub(crate) queues: BTreeMap<QueueName, QueueSettings>,
    pub(crate) kinds: BTreeMap<String, KindGuard>,
}

impl Settings {
    /// Reads what was checked before.
    pub(crate) fn of(effective: &Effective) -> Self {
        let text = |key| effective.value(key).to_string();
        let count = |key| match effective.value(key) {
            Value::Count(count) | Value::Bytes(count) => *count as usize,
            _ => 0,
        };
        let duration = |key| match effective.value(key) {
            Value::Duration(duration) => *duration,
            _ => Duration::ZERO,
        };
        let names = |key| match effective.value(key) {
            Value::Names(names) => names.as_slice(),
            _ => &[],
        };
        let threads = count("pdf_threads");
        Self {
            store: text("store"),
            api: Some(text("api")).filter(|url| !url.is_empty()),
            api_token: match effective.value("api_token") {
                Value::Secret(token) if !token.is_empty() => Some(token.clone()),
                _ => None,
            },
            listen: text("listen").parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7070))),
            worker_concurrency: count("worker_concurrency"),
            worker_queues: names("worker_queues")
                .iter()
                .filter_map(|name| QueueName::new(name).ok())
                .collect(),
            lease: duration("lease"),
            scan_interval: duration("scan_interval"),
            max_stalls: count("max_stalls") as u32,
            stop_deadline: duration("stop_deadline"),
            cancel_grace: duration("cancel_grace"),
            worker_ttl: duration("worker_ttl"),
            blocking_threads: count("blocking_threads"),
            templates: text("templates").into(),
            files: text("files").into(),
            asset_root: Some(text("asset_root")).filter(|path| !path.is_empty()).map(PathBuf::from),
            pdf_threads: if threads == 0 { longshore_pool::cores() } else { threads },
            pdf_time_max: duration("pdf_time_max"),
            pdf_html_max: count("pdf_html_max"),
            pdf_pages_max: count("pdf_pages_max") as u32,
            pdf_output_max: count("pdf_output_max"),
            pdf_result_retention: duration("pdf_result_retention"),
            max_body_bytes: count("max_body_bytes"),
            max_job_payload_bytes: count("max_job_payload_bytes"),
            max_result_bytes: count("max_result_bytes"),
            sse_streams_max: count("sse_streams_max"),
            connections_max: count("connections_max"),
            metrics_listen: text("metrics_listen").parse().ok(),
            identity: match text("identity").as_str() {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            },
            metrics_networks: names("metrics_networks").iter().filter_map(|net| net.parse().ok()).collect(),
            log_level: text("log_level"),
            otlp_endpoint: text("otlp_endpoint"),
            otlp_sample_ratio: match effective.value("otlp_sample_ratio") {
                Value::Share(share) => *share,
                _ => 1.0,
            },
            log_format: if text("log_format") == "json" { LogFormat::Json } else { LogFormat::Text },
            retention: Retention {
                completed: DurationText(duration("retention_completed")),
                failed: DurationText(duration("retention_failed")),
                cancelled: DurationText(duration("retention_cancelled")),
                most: count("retention_most") as u64,
            },
            queues: effective
                .all("queues")
                .filter_map(|(name, values)| Some((QueueName::new(name).ok()?, QueueSettings::of(values))))
                .collect(),
            kinds: effective
                .all("kinds")
                .map(|(name, values)| (name.to_owned(), super::guard::guard_of(values)))
                .collect(),
        }
    }

    /// Refuses settings of kinds that have no handler here.
    pub(crate) fn check_kinds(&self, known: &[KindName]) -> Result<(), Invalid> {
        match self.kinds.keys().find(|kind| known.iter().all(|known| known.as_str() != kind.as_str())) {
            None => Ok(()),
            Some(kind) => {
                let known: Vec<_> = known.iter().map(KindName::as_str).collect();
                let expected = format!("one of the kinds that have a handler here: {}", known.join(", "));
                Err(Invalid::new("kinds", expected, kind))
            }
        }
    }

    /// For the HTTP face at an address.
    pub(crate) fn api(&self, address: SocketAddr) -> ApiConfig {
        let identity = Identity {
            is_on: self.identity.unwrap_or(!address.ip().is_loopback()),
            metrics_networks: self.metrics_networks.clone(),
        };
        ApiConfig {
            max_body_bytes: self.max_body_bytes,
            max_job_payload_bytes: self.max_job_payload_bytes,
            sse_streams_max: self.sse_streams_max,
            connections_max: self.connections_max,
            identity,
            jobs: self.queues.iter().map(|(name, queue)| (name.clone(), queue.jobs.clone())).collect(),
        }
    }

    /// What jobs of a queue are asked for that say nothing else.
    pub(crate) fn jobs(&self, queue: &QueueName) -> JobDefaults {
        self.queues.get(queue).map(|queue| queue.jobs.clone()).unwrap_or_default()
    }

    /// For a worker of this process.
    pub(crate) fn worker(&self) -> WorkerConfig {
        WorkerConfig {
            id: None,
            concurrency: self.worker_concurrency,
            lease: self.lease,
            stop_deadline: self.stop_deadline,
            scan_interval: self.scan_interval,
            keeps: true,
            stalls_max: self.max_stalls,
            ttl: self.worker_ttl,
            cancel_grace: self.cancel_grace,
            result_bytes_max: self.max_result_bytes,
        }
    }

    /// For the keeper of a process without a worker; a worker keeps by itself.
    pub(crate) fn keeper(&self) -> KeeperConfig {
        let (scan_interval, stalls_max) = (self.scan_interval, self.max_stalls);
        KeeperConfig { scan_interval, stalls_max, ..KeeperConfig::default() }
    }
}
