use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_clock::{Door, Timestamp};
use longshore_core::{Backoff, DurationText, Invalid, JobId, JobSpec, Json, KindName, Options, QueueName};
use longshore_pool::{CpuPool, CpuPoolConfig, CpuToken, PoolError};
use longshore_runtime::Progress;

use super::check::{self, Checked, Format};
use super::config::PdfConfig;
use super::error::PdfServiceError;
use super::renderer::{self, Embedded, Ready, RendererInfo};
use super::request::PdfRequest;
use super::result::Rendered;
use super::{sheets, template, templates};
use crate::files::{Files, safe_name, segment};

/// Renders documents on threads of its own. Cheap to clone.
#[derive(Clone)]
pub struct PdfService(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) config: PdfConfig,
    pub(super) files: Files,
    pub(super) door: Door,
    pool: CpuPool,
    embedded: Embedded,
}

impl PdfService {
    /// The kind of its jobs.
    pub const KIND: &str = "pdf.render";
    /// The queue of its jobs. A worker should serve it with [`PdfService::threads`] slots.
    pub const QUEUE: &str = "pdf";

    /// Starts the threads. A template folder that does not exist yet is one without templates.
    pub fn open(config: PdfConfig, files: Files, door: Door) -> Result<Self, Invalid> {
        if config.threads == 0 {
            return Err(Invalid::new("pdf.threads", "at least 1", 0));
        }
        if config.time_max.is_zero() {
            return Err(Invalid::new("pdf.time_max", "a duration above zero", 0));
        }
        if config.assets.as_ref().is_some_and(|assets| !assets.is_dir()) {
            return Err(Invalid::new("pdf.assets", "a folder that exists", "no folder there"));
        }
        let pool = CpuPoolConfig {
            threads: config.threads,
            waiting_max: config.waiting_max,
            stack_bytes: renderer::STACK_BYTES,
            name: "pdf".to_owned(),
            ..CpuPoolConfig::default()
        };
        let pool = CpuPool::start(&pool, &door);
        let pool = pool.map_err(|error| match error {
            PoolError::Invalid(error) => error.below("pdf"),
            error => Invalid::new("pdf.threads", "as many threads as the system gives", error),
        })?;
        let embedded = Embedded::default();
        Ok(Self(Arc::new(Inner { config, files, door, pool, embedded })))
    }

    /// Checks everything that can be known now. Each error names the field, what was expected, and what came.
    ///
    /// A renderer that is known and not there has the code `renderer_unavailable`; it is not the request's fault.
    pub fn check(&self, request: &PdfRequest) -> Result<(), Invalid> {
        check::check(&self.0.config, request).map(|_| ())
    }

    /// The job for a request, checked. The caller may change its priority, owner and the like before inserting it.
    #[expect(clippy::needless_pass_by_value, reason = "the job takes the request over")]
    pub fn spec(&self, id: JobId, request: PdfRequest) -> Result<JobSpec, Invalid> {
        self.check(&request)?;
        if segment(&id.to_string()).is_none() {
            return Err(Invalid::new("id", "an id that a folder can be named after, at most 240 bytes", &id)
                .code("invalid_id"));
        }
        let config = &self.0.config;
        let args = Json::from_value(&request)
            .map_err(|error| Invalid::new("", "a request that JSON can hold", error))?;
        let mut spec = JobSpec::new(id, QueueName::new(Self::QUEUE)?, KindName::new(Self::KIND)?, args);
        spec.options = Arc::new(Options {
            max_attempts: 4,
            backoff: Backoff::Linear {
                base: DurationText(Duration::from_secs(60)),
                max: DurationText(Duration::from_secs(3_600)),
                jitter: 0.1,
            },
            // The handler ends by itself at its time, and knows better what that means.
            timeout: Some(DurationText(config.time_max + Duration::from_secs(5))),
            result_retention: Some(DurationText(config.result_retention)),
            retention: Some(DurationText(config.result_retention + config.record_retention)),
            ..Options::default()
        });
        let field = if request.html.is_some() { "html" } else { "context_data" };
        spec.check().map_err(|mut error| {
            // The args as a whole are what the caller knows as this field.
            if error.field == "args" {
                field.clone_into(&mut error.field);
            }
            error
        })?;
        Ok(spec)
    }

    /// Renders a request without a job and without keeping a file.
    pub async fn render(&self, request: &PdfRequest) -> Result<Rendered, PdfServiceError> {
        let clock = &self.0.door.clock;
        let name = self.filename(request, clock.now())?;
        tokio::select! {
            biased;
            rendered = self.produce(request, name, None) => rendered,
            () = clock.sleep(self.0.config.time_max) => Err(PdfServiceError::TimedOut(self.0.config.time_max)),
        }
    }

    /// The safe name of the file for a request that came in at `now`.
    pub(super) fn filename(&self, request: &PdfRequest, now: Timestamp) -> Result<String, Invalid> {
        let extension = check::check(&self.0.config, request)?.format.extension();
        let named = request.filename.as_deref().and_then(|name| safe_name(name, extension));
        Ok(named.unwrap_or_else(|| {
            let digits: String = now.to_string()[..19].chars().filter(char::is_ascii_digit).collect();
            format!("report_{}_{}.{extension}", &digits[..8], &digits[8..])
        }))
    }

    /// Template, layout, and a last look at the bytes. If the caller stops waiting, the thread is told.
    pub(super) async fn produce(
        &self,
        request: &PdfRequest,
        filename: String,
        progress: Option<&Progress>,
    ) -> Result<Rendered, PdfServiceError> {
        let tell = async |percent, message| {
            if let Some(progress) = progress {
                progress.at(percent, message).await;
            }
        };
        let watch = self.0.door.clock.stopwatch();
        let checked = check::check(&self.0.config, request)?;
        let format = checked.format;
        tell(10, "template being rendered").await;
        let (inner, request) = (self.0.clone(), request.clone());
        let ready = self.run(move |token| prepare(&inner, &request, checked, token)).await?;
        tell(30, "HTML ready").await;
        let (bytes, pages, warnings) = match format {
            Format::Html => (sheets::inline(&ready.html, &ready.sheets).into_bytes(), None, Vec::new()),
            Format::Pdf => {
                tell(50, "renderer being initialised").await;
                let inner = self.0.clone();
                tell(70, "PDF being generated").await;
                let drawn =
                    self.run(move |token| inner.embedded.draw(ready, &inner.config.limits, token)).await?;
                (drawn.0, Some(drawn.1), drawn.2)
            }
        };
        self.judge(format, &bytes)?;
        let (bytes, content_type) = (Bytes::from(bytes), format.content_type());
        let render_ms = watch.elapsed().as_millis() as u64;
        Ok(Rendered { bytes, filename, content_type, pages, render_ms, warnings })
    }

    fn judge(&self, format: Format, bytes: &[u8]) -> Result<(), PdfServiceError> {
        let allowed = self.0.config.limits.output_bytes;
        if bytes.len() > allowed {
            let message = format!("the file has {} bytes, at most {allowed} are allowed", bytes.len());
            return Err(PdfServiceError::Limit { code: "output_too_large", message });
        }
        if format == Format::Pdf && !bytes.starts_with(b"%PDF-") {
            return Err(PdfServiceError::Render(
                "the renderer answered with something that is no PDF".to_owned(),
            ));
        }
        Ok(())
    }

    /// Runs a step on a thread. Once the future is dropped, the thread is overdue until it has seen that.
    async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&CpuToken) -> Result<T, PdfServiceError> + Send + 'static,
    ) -> Result<T, PdfServiceError> {
        self.0.pool.run_with(step).await?
    }

    /// Documents that can be rendered at once.
    pub fn threads(&self) -> usize {
        self.0.config.threads
    }

    /// The threads, to be measured.
    pub fn pool(&self) -> &CpuPool {
        &self.0.pool
    }

    /// Threads at work on something that nobody waits for any more. When all are, nothing else can be rendered.
    pub fn overdue(&self) -> usize {
        self.0.pool.overdue()
    }

    /// The names of all templates, sorted.
    pub fn templates(&self) -> Vec<String> {
        templates::names(&self.0.config.templates)
    }

    /// Every renderer, and whether it can be used here.
    pub fn renderers(&self) -> Vec<RendererInfo> {
        renderer::all()
    }

    /// The configuration.
    pub fn config(&self) -> &PdfConfig {
        &self.0.config
    }
}

fn prepare(
    inner: &Inner,
    request: &PdfRequest,
    checked: Checked,
    token: &CpuToken,
) -> Result<Ready, PdfServiceError> {
    let limits = &inner.config.limits;
    let html = match (&checked.template, &request.context_data) {
        (Some(found), Some(context)) => template::fill(found, context, limits, token)?,
        _ => request.html.clone().unwrap_or_default(),
    };
    let own = checked.template.as_ref().map(|found| found.folder.as_path());
    let sheets = sheets::read(&checked.css_folders, &request.css_files, own, &html, limits)?;
    Ok(Ready { html, sheets, assets: checked.asset_folders })
}
