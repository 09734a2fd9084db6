//! The handlers and the worker of this process.

use anyhow::Context as _;
use longshore_clock::Door;
use longshore_core::{KindName, QueueName};
use longshore_pool::check_cpu_pool_size;
use longshore_runtime::{Engine, Handlers, KindGuard, Queue, Worker, WorkerConfig};
use longshore_services::{Files, PdfConfig, PdfLimits, PdfService};
use longshore_telemetry::monitor::EventLoopMonitorConfig;

use crate::config::Settings;

/// What handlers work with.
pub(crate) struct Services {
    pub(crate) files: Files,
    pub(crate) pdf: PdfService,
}

impl Services {
    /// Refuses what cannot be, and needs no store to know it.
    pub(crate) fn open(settings: &Settings, door: &Door) -> anyhow::Result<Self> {
        check_cpu_pool_size()?;
        EventLoopMonitorConfig::from_env()?;
        let root = settings.files.to_string_lossy();
        let files = Files::open(&root, door.clone())
            .with_context(|| format!("cannot use the folder of produced files {root}"))?;
        let pdf = PdfService::open(pdf_config(settings), files.clone(), door.clone())
            .context("cannot start the PDF service")?;
        Ok(Self { files, pdf })
    }

    /// The kinds that have handlers in this program.
    pub(crate) fn kinds(test_kinds: bool) -> Vec<KindName> {
        let tests = if test_kinds { longshore::test_kinds::handlers().kinds() } else { Vec::new() };
        tests.into_iter().chain(KindName::new(PdfService::KIND)).collect()
    }

    /// The handlers that every worker of this program has, and those of the test kinds if wanted.
    pub(crate) fn handlers(&self, test_kinds: bool) -> Handlers {
        let mut handlers = if test_kinds { longshore::test_kinds::handlers() } else { Handlers::new() };
        self.pdf.register(&mut handlers);
        handlers
    }

    /// A worker on these queues, or on all if none is named. `paced` gives each named queue its rate.
    pub(crate) fn worker(
        &self,
        settings: &Settings,
        config: WorkerConfig,
        engine: &Engine,
        queues: &[QueueName],
        handlers: Handlers,
        paced: impl Fn(Queue) -> Queue,
    ) -> Worker {
        let usual = config.concurrency;
        let slots = |name: &str| match name {
            // Layout keeps a core busy; more documents at once would only wait for each other.
            PdfService::QUEUE => self.pdf.threads(),
            _ => usual,
        };
        let queue = |name: &str| {
            let queue = Queue::new(name).concurrency(slots(name));
            let own = settings.queues.iter().find(|(own, _)| own.as_str() == name);
            own.map_or(queue.clone(), |(_, own)| own.serve(queue))
        };
        let worker = Worker::new(engine.clone()).config(config).handlers(handlers);
        let guard = |worker: Worker, (kind, guard): (&String, &KindGuard)| worker.guard(kind, guard.clone());
        let worker = settings.kinds.iter().fold(worker, guard);
        if queues.is_empty() {
            let own = settings.queues.keys().map(QueueName::as_str);
            let named = own.filter(|name| *name != PdfService::QUEUE).chain([PdfService::QUEUE]);
            return named.map(queue).fold(worker.all_queues(), Worker::queue);
        }
        queues.iter().map(|name| paced(queue(name.as_str()))).fold(worker, Worker::queue)
    }
}

/// The part of the configuration that the PDF service needs.
pub(crate) fn pdf_config(settings: &Settings) -> PdfConfig {
    PdfConfig {
        templates: settings.templates.clone(),
        assets: settings.asset_root.clone(),
        threads: settings.pdf_threads,
        time_max: settings.pdf_time_max,
        result_retention: settings.pdf_result_retention,
        limits: PdfLimits {
            html_bytes: settings.pdf_html_max,
            pages: settings.pdf_pages_max,
            output_bytes: settings.pdf_output_max,
            ..PdfLimits::default()
        },
        ..PdfConfig::default()
    }
}
