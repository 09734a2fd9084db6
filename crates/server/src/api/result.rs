use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use longshore_core::{Job, Json, State};
use longshore_services::{FileRecord, Files, PdfService};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::record::ErrorBody;
use crate::app::Api;
use crate::error::ApiError;
use crate::extract::{PathId, has_version, is_head};

/// Downloads the result of a completed job: its JSON value, or the file it produced (ranges and ETags work).
#[utoipa::path(
    get, path = "/jobs/{id}/result", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The JSON value or the file"),
        (status = 204, description = "The job returned nothing"),
        (status = 206, description = "The range that was asked for"),
        (status = 304, description = "The client has it already"),
        (status = 404, body = ErrorBody),
        (status = 409, description = "The job has not completed", body = ErrorBody),
        (status = 410, description = "Retention removed it", body = ErrorBody),
        (status = 416, description = "No such range", body = ErrorBody)
    )
)]
pub(crate) async fn download(
    Shared(api): Shared<Api>,
    method: Method,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = api.engine.control().job(&id).await?;
    if job.state != State::Completed {
        let message = format!("the job {id} is {}; only a completed job has a result", job.state);
        let details = json!({ "state": job.state, "progress": job.progress.percent });
        return Err(ApiError::new(StatusCode::CONFLICT, "not_completed", message).details(details));
    }
    match (&job.result, job.result_expired_at) {
        (None, Some(at)) => {
            let message = format!("the result of job {id} was removed by retention");
            Err(ApiError::new(StatusCode::GONE, "result_expired", message)
                .details(json!({ "result_expired_at": at })))
        }
        (None, None) => Ok(StatusCode::NO_CONTENT.into_response()),
        (Some(result), _) => match (produced_file(&job, result), &api.files) {
            (Some(record), Some(files)) => file(files, &record, &method, &headers).await,
            _ => Ok(value(result, &method, &headers)),
        },
    }
}

/// The head of the same answer.
#[utoipa::path(
    head, path = "/jobs/{id}/result", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "Length, type and ETag of the result"))
)]
pub(crate) async fn head(
    api: Shared<Api>,
    method: Method,
    id: PathId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    download(api, method, id, headers).await
}

/// The file that a job produced. Only a kind that produces files may name one, and only its own: any other job could
/// return the path of somebody else's.
fn produced_file(job: &Job, result: &Json) -> Option<FileRecord> {
    if job.spec.kind.as_str() != PdfService::KIND {
        return None;
    }
    let record: FileRecord = result.to().ok()?;
    let own = job.id().to_string();
    record.path.split('/').any(|segment| segment == own).then_some(record)
}

fn value(result: &Json, method: &Method, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(result.as_str().as_bytes());
    let etag =
        format!("\"{}\"", digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
    if has_version(headers, &etag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let body = if is_head(method) { Body::empty() } else { Body::from(result.as_str().to_owned()) };
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], [(header::ETAG, etag)], body).into_response()
}

async fn file(
    files: &Files,
    record: &FileRecord,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let etag = format!("\"{}\"", record.sha256);
    if has_version(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = asked_range(headers, &etag, record.size)?;
    let mut response = if is_head(method) {
        Response::new(Body::empty())
    } else {
        let (_, stream) = files.read(&record.path, range.clone()).await.map_err(|error| {
            tracing::error!(%error, "a produced file could not be read");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "file_unavailable", "the file cannot be read now")
                .retry_after(5)
        })?;
        Response::new(Body::from_stream(stream.map_err(std::io::Error::other)))
    };
    let (length, status) = match &range {
        None => (record.size, StatusCode::OK),
        Some(range) => (range.end - range.start, StatusCode::PARTIAL_CONTENT),
    };
    *response.status_mut() = status;
    let head = response.headers_mut();
    let mut set = |name, value: &str| HeaderValue::from_str(value).map(|value| head.insert(name, value)).ok();
    set(header::CONTENT_TYPE, &record.content_type);
    set(header::CONTENT_LENGTH, &length.to_string());
    set(header::ETAG, &etag);
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CACHE_CONTROL, "private, no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_DISPOSITION, &disposition(&record.filename));
    if record.content_type.starts_with("text/html") {
        set(
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        );
    }
    if let Some(range) = range {
        set(header::CONTENT_RANGE, &format!("bytes {}-{}/{}", range.start, range.end - 1, record.size));
    }
    Ok(response)
}

/// Always as an attachment, with the name in ASCII and in UTF-8.
fn disposition(name: &str) -> String {
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// The single range that was asked for. Several ranges, or a range of another version, mean the whole file.
fn asked_range(headers: &HeaderMap, etag: &str, size: u64) -> Result<Option<std::ops::Range<u64>>, ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|version| version != etag) {
        return Ok(None);
    }
    let Some(spec) =
        text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")).filter(|spec| !spec.contains(','))
    else {
        return Ok(None);
    };
    let range = match spec.split_once('-') {
        Some(("", last)) => {
            last.parse::<u64>().ok().filter(|last| *last > 0).map(|last| size.saturating_sub(last)..size)
        }
        Some((first, "")) => first.parse().ok().map(|first| first..size),
        Some((first, last)) => match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => Some(first..last.saturating_add(1).min(size)),
            _ => return Ok(None),
        },
        None => return Ok(None),
    };
    match range {
        Some(range) if range.start < range.end => Ok(Some(range)),
        _ => Err(ApiError::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "range_not_satisfiable",
            format!("the file has {size} bytes"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<Option<std::ops::Range<u64>>, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        asked_range(&headers, "\"x\"", 100)
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(range("bytes=0-9").unwrap(), Some(0..10));
        assert_eq!(range("bytes=90-").unwrap(), Some(90..100));
        assert_eq!(range("bytes=-5").unwrap(), Some(95..100));
        assert_eq!(range("bytes=50-500").unwrap(), Some(50..100));
        assert_eq!(range("bytes=0-1,5-6").unwrap(), None);
        assert_eq!(range("lines=1-2").unwrap(), None);
        assert!(range("bytes=100-").is_err() && range("bytes=-0").is_err());
    }

    #[test]
    fn names_are_given_twice() {
        assert_eq!(
            disposition("Bericht März.pdf"),
            "attachment; filename=\"Bericht_M_rz.pdf\"; filename*=UTF-8''Bericht%20M%C3%A4rz.pdf"
        );
    }
}
