use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longshore_core::{
    Backoff, BackoffForm, DurationText, Invalid, JobId, JobSpec, Json as RawJson, KindName, Options, Parent,
    ParentPolicy, Priority, QueueName, StoreError, StoreResult, Timestamp, Unique,
};
use longshore_runtime::{OnceKey, Receipt};
use longshore_services::{PdfRequest, PdfService};
use serde::Deserialize;
use utoipa::ToSchema;

use super::record::{Accepted, ErrorBody};
use crate::error::ApiError;
use crate::extract::{Body, FromText, Idempotency, Nothing, Object, Query, TextOr, given, read_json};
use crate::identity::{Asked, Submits};
use crate::layers::correlation;

/// Jobs in one request.
const JOBS_MAX: usize = 1_000;

/// A job as a caller asks for it. Only `kind` is required.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobRequest {
    /// Picks the handler.
    #[schema(value_type = String, example = "test.echo")]
    kind: KindName,
    /// The line to stand in; `default` if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// The input: any JSON value, kept byte for byte.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    args: Option<RawJson>,
    /// An id of one's own: 1 to 200 bytes, not digits only, without colons. Also as `job_id` or `jobId`.
    #[serde(default, alias = "job_id", alias = "jobId")]
    #[schema(value_type = Option<String>)]
    id: Option<JobId>,
    /// Lower runs first: a number, or high (1), normal (5), low (9).
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    priority: Option<Priority>,
    /// Not before this much time has passed. Not together with `run_at`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "5m")]
    delay: Option<DurationText>,
    /// Not before this time.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// Tries in all, 1 to 1000; 4 if not given.
    #[serde(default)]
    max_attempts: Option<u32>,
    /// The same in other words: tries after the first one. Not together with `max_attempts`.
    #[serde(default)]
    max_retries: Option<u32>,
    /// The wait before each further try: an object, or a number b for b, b², b³ … seconds; 0 and null are at once.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<serde_json::Value>)]
    #[expect(clippy::option_option, reason = "three cases: not given, null, a value")]
    backoff: Option<Option<BackoffForm>>,
    /// Longest one attempt may take; an hour if not given, null for no limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "three cases: not given, null, a value")]
    timeout: Option<Option<DurationText>>,
    /// Words to find the job by, at most 20.
    #[serde(default)]
    tags: Vec<String>,
    /// How long the record stays after the end.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    retention: Option<DurationText>,
    /// How long the result stays after the end, if not as long as the record.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    result_retention: Option<DurationText>,
    /// How long the job may wait in all, over all its attempts; then it fails as expired.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    ttl: Option<DurationText>,
    /// Be the only one with this key in the queue: the key, or an object {key, ttl, extend, replace}.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    unique: Option<TextOr<UniqueForm>>,
    /// What the job counts as under limits with a key, instead of what stands in its args.
    #[serde(default)]
    limit_key: Option<String>,
    /// Ids of jobs that it waits for, at most 1000; {id, name} gives a parent's result a name.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>)]
    depends_on: Vec<TextOr<ParentForm>>,
    /// Whose job it is: the caller's. Only a key with the scope admin may name another owner.
    #[serde(default)]
    owner: Option<String>,
    /// What happens when one of them does not complete: wait (usual), fail, cancel or run.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    on_parent_failure: ParentPolicy,
}

/// A unique key as a caller writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UniqueForm {
    key: String,
    #[serde(default)]
    ttl: Option<DurationText>,
    #[serde(default)]
    extend: bool,
    #[serde(default)]
    replace: bool,
}

impl From<UniqueForm> for Unique {
    fn from(UniqueForm { key, ttl, extend, replace }: UniqueForm) -> Self {
        Self { key, ttl, extend, replace }
    }
}

impl FromText for UniqueForm {
    const FORMS: &'static str = "a key, or an object {key, ttl, extend, replace}";

    fn from_text(key: &str) -> Result<Self, Invalid> {
        Ok(Self { key: key.to_owned(), ttl: None, extend: false, replace: false })
    }
}

/// A parent as a caller writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParentForm {
    id: JobId,
    #[serde(default)]
    name: Option<String>,
}

impl From<ParentForm> for Parent {
    fn from(ParentForm { id, name }: ParentForm) -> Self {
        Self { id, name }
    }
}

impl FromText for ParentForm {
    const FORMS: &'static str = "the id of a job, or an object {id, name}";

    fn from_text(id: &str) -> Result<Self, Invalid> {
        Ok(Self { id: JobId::parse(id)?, name: None })
    }
}

impl JobRequest {
    /// Refuses what somebody else decides about the job.
    pub(crate) fn refuse_own_place(&self) -> Result<(), Invalid> {
        let given = [
            ("id", self.id.is_some()),
            ("delay", self.delay.is_some()),
            ("run_at", self.run_at.is_some()),
            ("depends_on", !self.depends_on.is_empty()),
            ("on_parent_failure", self.on_parent_failure != ParentPolicy::default()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Invalid::new(field, "nothing: each job gets its own", "a value")),
            None => Ok(()),
        }
    }

    /// The kind that is asked for.
    pub(crate) fn kind(&self) -> &KindName {
        &self.kind
    }

    pub(crate) fn spec(&self, id: JobId, api: &Asked, now: Timestamp) -> Result<JobSpec, Invalid> {
        let args = self.args.clone().unwrap_or_default();
        let report = api.pdf.as_ref().filter(|_| self.kind.as_str() == PdfService::KIND);
        let (bytes, limit) = (args.as_str().len(), api.config.max_job_payload_bytes);
        // Reports have limits of their own, which a whole document fits.
        if let Some(pdf) = report {
            let request = args.to().map_err(|error| Invalid::new("", "plain JSON", error));
            let checked = request.and_then(PdfRequest::from_value).and_then(|request| pdf.check(&request));
            checked.map_err(|error| error.below("args"))?;
        } else if bytes > limit {
            let expected = format!("at most {limit} bytes of JSON (max_job_payload_bytes)");
            return Err(Invalid::new("args", expected, format!("{bytes} bytes")).code("payload_too_large"));
        }
        if self.delay.is_some() && self.run_at.is_some() {
            return Err(Invalid::new("delay", "either delay or run_at", "both"));
        }
        if self.max_attempts.is_some() && self.max_retries.is_some() {
            return Err(Invalid::new("max_retries", "either max_attempts or max_retries", "both"));
        }
        let mut spec = JobSpec::new(id, self.queue.clone().unwrap_or_default(), self.kind.clone(), args);
        let usual = api.config.jobs.get(&spec.queue).cloned().unwrap_or_default();
        spec.priority = self.priority.or(usual.priority).unwrap_or_default();
        spec.run_at = self.run_at.or_else(|| self.delay.map(|delay| now + delay.0));
        spec.correlation_id = correlation::shared();
        spec.owner = self.owner.as_deref().map(|owner| api.owner(owner)).transpose()?;
        let options = self.options(usual.options())?;
        if !options.is_default() {
            spec.options = Arc::new(options);
        }
        spec.check()?;
        Ok(spec)
    }

    fn options(&self, usual: Options) -> Result<Options, Invalid> {
        let attempts = self.max_retries.map(Options::attempts_with).transpose()?.or(self.max_attempts);
        Ok(Options {
            max_attempts: attempts.unwrap_or(usual.max_attempts),
            backoff: self
                .backoff
                .clone()
                .map_or(usual.backoff, |form| form.map_or(Backoff::none(), |form| form.0)),
            timeout: self.timeout.unwrap_or(usual.timeout),
            tags: self.tags.clone(),
            retention: self.retention,
            result_retention: self.result_retention,
            ttl: self.ttl.or(usual.ttl),
            unique: self.unique.clone().map(|TextOr(form)| form.into()),
            limit_key: self.limit_key.clone(),
            depends_on: self.depends_on.iter().map(|TextOr(form)| form.clone().into()).collect(),
            on_parent_failure: self.on_parent_failure,
            schedule: None,
            nominal_at: None,
            traceparent: None,
        })
    }
}

/// Submits one job, or an array of up to 1000, all or none.
#[utoipa::path(
    post, operation_id = "submit_jobs", path = "/jobs", tag = "jobs",
    request_body(content = JobRequest, description = "One job, or an array of jobs"),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key gives the same jobs for 24 h")),
    responses(
        (status = 202, description = "Stored; an array for an array", body = Accepted),
        (status = 400, description = "Nothing was stored", body = ErrorBody),
        (status = 409, description = "An id is taken, or the key was used for another request", body = ErrorBody),
        (status = 408, description = "The body did not come in time", body = ErrorBody),
        (status = 413, description = "Too large", body = ErrorBody),
        (status = 507, description = "The store has no room left", body = ErrorBody),
        (status = 503, description = "The store does not take it now", body = ErrorBody)
    )
)]
pub(crate) async fn submit(
    Submits(api): Submits,
    _: Query<Nothing>,
    idempotency: Idempotency,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let many = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let key = idempotency.key(&body);
    if let Some(receipts) = recall(&api, key.as_ref()).await? {
        return Ok(accepted(receipts, many));
    }
    let requests: Vec<Object<JobRequest>> = if many { read_json(&body)? } else { vec![read_json(&body)?] };
    if !(1..=JOBS_MAX).contains(&requests.len()) {
        let code = if requests.is_empty() { "invalid" } else { "too_many" };
        let got = format!("an array of {}", requests.len());
        return Err(Invalid::new("body", format!("1 to {JOBS_MAX} jobs"), got).code(code).into());
    }
    for (index, Object(request)) in requests.iter().enumerate() {
        let field = || if many { format!("[{index}].kind") } else { "kind".to_owned() };
        api.kinds.check(&api.engine, &request.kind, field).await?;
    }
    let now = api.engine.door().clock.now();
    let make = |ids: &[JobId]| -> StoreResult<Vec<Arc<JobSpec>>> {
        let place =
            |index: usize, error: Invalid| if many { error.below(&format!("[{index}]")) } else { error };
        let pairs = requests.iter().zip(ids).enumerate();
        pairs
            .map(|(index, (Object(request), id))| {
                let id = request.id.clone().unwrap_or_else(|| id.clone());
                request
                    .spec(id, &api, now)
                    .map(Arc::new)
                    .map_err(|error| StoreError::Invalid(place(index, error)))
            })
            .collect()
    };
    Ok(accepted(insert(&api, key.as_ref(), requests.len(), many, make).await?, many))
}

/// Inserts what `make` makes of as many new ids; under an idempotency key, only once. With `many` the caller gave an array.
pub(crate) async fn insert(
    api: &Asked,
    key: Option<&OnceKey>,
    count: usize,
    many: bool,
    make: impl Fn(&[JobId]) -> StoreResult<Vec<Arc<JobSpec>>>,
) -> Result<Vec<Receipt>, ApiError> {
    let client = api.engine.client();
    let receipts = match key {
        None => {
            let ids: Vec<JobId> = (0..count).map(|_| client.new_id()).collect();
            client.insert(make(&ids)?).await
        }
        Some(key) => client.insert_once(key, count, make).await,
    };
    Ok(receipts.map_err(|error| as_written(error, many))?)
}

/// The engine numbers the jobs of a batch; callers look for a field where they wrote it.
fn as_written(error: StoreError, many: bool) -> StoreError {
    let StoreError::Invalid(error) = error else { return error };
    if !many {
        return error.of_one_job().into();
    }
    let field = error.field.strip_prefix("jobs").unwrap_or(&error.field).to_owned();
    Invalid { field, ..error }.into()
}

/// What the same request was answered before. It is looked for before anything is checked: a template or a worker that
/// has gone since changes nothing about what was accepted.
pub(crate) async fn recall(api: &Asked, key: Option<&OnceKey>) -> Result<Option<Vec<Receipt>>, ApiError> {
    match key {
        None => Ok(None),
        Some(key) => Ok(api.engine.client().recall(key).await?),
    }
}

/// The answer: an array for an array.
pub(crate) fn accepted(receipts: Vec<Receipt>, many: bool) -> Response {
    let mut accepted: Vec<Accepted> = receipts.into_iter().map(Accepted::from).collect();
    match accepted.pop() {
        Some(one) if !many => (StatusCode::ACCEPTED, Json(one)).into_response(),
        last => {
            accepted.extend(last);
            (StatusCode::ACCEPTED, Json(accepted)).into_response()
        }
    }
}
