use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use longshore_core::{Invalid, Job, Json, State};
use longshore_services::{FileRecord, Files, FilesError, PdfService};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Nothing, PathId, Query, has_version};
use crate::hex::hex;
use crate::identity::Reads;

/// Downloads the result of a completed job: its JSON value, or the file it produced (ranges and ETags work).
#[utoipa::path(
    get, operation_id = "download_result", path = "/jobs/{id}/result", tag = "jobs",
    params(
        ("id" = String, Path),
        ("Range" = Option<String>, Header, description = "One range of bytes of a file"),
        ("If-Range" = Option<String>, Header, description = "The ETag for which the range is meant"),
        ("If-None-Match" = Option<String>, Header, description = "An ETag that the client has")
    ),
    responses(
        (status = 200, description = "The JSON value or the file"),
        (status = 204, description = "The job returned nothing"),
        (status = 206, description = "The range that was asked for"),
        (status = 304, description = "The client has it already"),
        (status = 404, body = ErrorBody),
        (status = 409, description = "The job has not completed", body = ErrorBody),
        (status = 410, description = "Retention or somebody else removed it", body = ErrorBody),
        (status = 416, description = "No such range", body = ErrorBody)
    )
)]
pub(crate) async fn download(
    Reads(api): Reads,
    method: Method,
    PathId(id): PathId,
    _: Query<Nothing>,
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
            _ => Ok(value(result, &headers)),
        },
    }
}

/// The head of the same answer.
#[utoipa::path(
    head, operation_id = "head_of_result", path = "/jobs/{id}/result", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "Length, type and ETag of the result"))
)]
pub(crate) async fn head(
    api: Reads,
    method: Method,
    id: PathId,
    nothing: Query<Nothing>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    download(api, method, id, nothing, headers).await
}

/// The file that a job produced. Only a kind that produces files may name one, and only its own: any other job could
/// return the path of somebody else's.
fn produced_file(job: &Job, result: &Json) -> Option<FileRecord> {
    if job.spec.kind.as_str() != PdfService::KIND {
        return None;
    }
    let record: FileRecord = result.to().ok()?;
    // `<folder>/YYYY/MM/DD/<job id>/<file name>`
    let folder = record.path.split('/').nth(4)?;
    (decoded(folder) == job.id().to_string().as_bytes()).then_some(record)
}

/// The bytes of an id that became the name of a folder: what a file system might not take is written as `%2F`.
fn decoded(segment: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, tail @ ..] = rest {
        let digits =
            tail.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    out
}

fn value(result: &Json, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(result.as_str().as_bytes());
    let etag = format!("\"{}\"", hex(&digest[..16]));
    if has_version(headers, &etag) {
        return unchanged(&etag);
    }
    // A HEAD is answered with this length and without the body further out.
    let mut response = Response::new(Body::from(result.as_str().to_owned()));
    describe(&mut response, "application/json", &etag);
    response
}

fn unchanged(etag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag), PRIVATE]).into_response()
}

const PRIVATE: (HeaderName, &str) = (header::CACHE_CONTROL, "private, no-store");

fn describe(response: &mut Response, content_type: &str, etag: &str) {
    set(response, header::CONTENT_TYPE, content_type);
    set(response, header::ETAG, etag);
    set(response, PRIVATE.0, PRIVATE.1);
    set(response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

async fn file(
    files: &Files,
    record: &FileRecord,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let etag = format!("\"{}\"", record.sha256);
    if has_version(headers, &etag) {
        return Ok(unchanged(&etag));
    }
    let is_head = *method == Method::HEAD;
    // Only a GET has ranges.
    let range = if is_head { None } else { asked_range(headers, &etag, record.size)? };
    let (_, stream) = files.read(&record.path, range.clone()).await.map_err(|error| {
        tracing::error!(%error, "a produced file could not be read");
        if matches!(error, FilesError::NotFound) {
            return ApiError::new(StatusCode::GONE, "file_gone", "the file is not there any more");
        }
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "file_unavailable", "the file cannot be read now")
            .retry_after(5)
    })?;
    let body = if is_head { Body::empty() } else { Body::from_stream(stream.map_err(std::io::Error::other)) };
    let mut response = Response::new(body);
    let mut length = record.size;
    if let Some(range) = range {
        length = range.end - range.start;
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let place = format!("bytes {}-{}/{}", range.start, range.end - 1, record.size);
        set(&mut response, header::CONTENT_RANGE, &place);
    }
    describe(&mut response, &record.content_type, &etag);
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_DISPOSITION, &disposition(&record.filename));
    if record.content_type.starts_with("text/html") {
        let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
        set(&mut response, header::CONTENT_SECURITY_POLICY, policy);
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

/// A position; one that no file reaches is as good as any other.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
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
    // What cannot be read asks for nothing.
    let Some((first, last)) = spec.split_once('-') else { return Ok(None) };
    let range = match (first, last, number(first), number(last)) {
        ("", _, _, Some(count)) => size.saturating_sub(count)..size,
        (_, "", Some(first), _) => first..size,
        (_, _, Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        _ => return Ok(None),
    };
    if range.start < range.end {
        return Ok(Some(range));
    }
    let invalid = Invalid::new("Range", format!("a range inside the {size} bytes of the file"), spec);
    let place = HeaderValue::try_from(format!("bytes */{size}"));
    let error =
        ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", invalid.to_string());
    Err(match place {
        Ok(place) => error.header(header::CONTENT_RANGE, place),
        Err(_) => error,
    })
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
        assert_eq!(range("bytes=50-99999999999999999999999").unwrap(), Some(50..100));
        assert_eq!(range("bytes=0-1,5-6").unwrap(), None);
        assert_eq!(range("lines=1-2").unwrap(), None);
        for unreadable in ["bytes=", "bytes=-", "bytes=a-", "bytes=5-4", "bytes=-x", "bytes=7"] {
            assert_eq!(range(unreadable).unwrap(), None, "{unreadable}");
        }
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
