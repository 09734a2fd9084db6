use longshore_core::{Invalid, JobError};
use longshore_runtime::{Args, Attempt, Cancel, Handlers, KindOptions, Outcome, Progress};

use super::check::Format;
use super::error::PdfServiceError;
use super::request::PdfRequest;
use super::result::{PdfResult, Rendered};
use super::service::PdfService;
use crate::FilesError;
use crate::files::FileRecord;

/// A document that took too long once may have met a busy machine; twice, it is the document.
const TIMEOUTS_MAX: u32 = 2;

impl PdfService {
    /// Adds the handler of the kind `pdf.render`.
    pub fn register(&self, handlers: &mut Handlers) {
        let service = self.clone();
        let handle =
            move |Args(request): Args<PdfRequest>, attempt: Attempt, progress: Progress, cancel: Cancel| {
                let service = service.clone();
                async move {
                    let done = service.handle(&request, &attempt, &progress, &cancel).await;
                    done.map_err(|error| outcome(&error, attempt.number))
                }
            };
        let added: Result<(), Invalid> = handlers.add_with(Self::KIND, KindOptions::default(), handle);
        added.expect("pdf.render is a valid name of a kind");
    }

    async fn handle(
        &self,
        request: &PdfRequest,
        attempt: &Attempt,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<PdfResult, PdfServiceError> {
        let (clock, time_max) = (&self.0.door.clock, self.0.config.time_max);
        let deadline = clock.after(time_max);
        progress.at(0, "accepted").await;
        // The time of the request, so that every attempt gives the same name.
        let filename = self.filename(request, attempt.created_at)?;
        let rendered = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(PdfServiceError::Stopped),
            rendered = self.produce(request, filename, Some(progress)) => rendered?,
            () = deadline.wait() => return Err(PdfServiceError::TimedOut(time_max)),
        };
        progress.at(90, "file being saved").await;
        let folder = Format::of(&rendered).folder();
        let bytes = rendered.bytes.clone();
        let told = cancel.clone();
        let wanted = move || !told.is_cancelled();
        let name = &rendered.filename;
        let saving = self.0.files.save(folder, &attempt.job_id, name, rendered.content_type, bytes, wanted);
        // A save that nobody waits for takes its file away again.
        let record = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(PdfServiceError::Stopped),
            saved = saving => match saved {
                Err(FilesError::Unwanted) => return Err(PdfServiceError::Stopped),
                saved => saved?,
            },
            () = deadline.wait() => return Err(PdfServiceError::TimedOut(time_max)),
        };
        Ok(result(record, rendered))
    }
}

fn result(record: FileRecord, rendered: Rendered) -> PdfResult {
    PdfResult {
        path: record.path,
        filename: record.filename,
        content_type: record.content_type,
        size: record.size,
        sha256: record.sha256,
        pages: rendered.pages,
        renderer: "embedded".to_owned(),
        render_ms: rendered.render_ms,
        warnings: rendered.warnings,
    }
}

/// What a failure means for its job. The runtime turns a retry after a cancel into the cancel, and one after a stop of the
/// worker into giving the job back.
fn outcome(error: &PdfServiceError, attempt: u32) -> Outcome {
    let told = JobError::new(&error.to_string());
    let again = match error {
        PdfServiceError::TimedOut(_) => attempt < TIMEOUTS_MAX,
        // This worker was built without it; another may have it.
        PdfServiceError::Invalid(invalid) => invalid.code == "renderer_unavailable",
        other => other.is_transient(),
    };
    if again { Outcome::Retry { after: None, error: told } } else { Outcome::Fail { error: told } }
}
