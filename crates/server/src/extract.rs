//! Reading requests, with errors that name the field, what was expected and what came.

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use longshore_core::{Invalid, JobId, KindName, QueueName, ScheduleName, WorkerId, format_duration};
use longshore_runtime::OnceKey;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::app::Face;
use crate::error::ApiError;
use crate::hex::hex;
use crate::mistake::{explain, not_json};

/// The whole body, within the limit.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Face> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Face) -> Result<Self, ApiError> {
        let (limit, patience) = (api.config.max_body_bytes, api.patience.body);
        let clock = &api.system.door().clock;
        let collected = tokio::select! {
            // Most bodies are there already, and need no timer.
            biased;
            collected = Limited::new(request.into_body(), limit).collect() => collected,
            () = clock.sleep(patience) => {
                let message = format!("the body did not come within {}", format_duration(patience));
                let error = ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message);
                return Err(error.header(header::CONNECTION, HeaderValue::from_static("close")));
            }
        };
        collected.map(|body| Self(body.to_bytes())).map_err(|error| {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                let expected = format!("at most {limit} bytes (max_body_bytes)");
                Invalid::new("body", expected, "more").code("payload_too_large").into()
            } else {
                Invalid::new("body", "all of its bytes", "a part of them").code("invalid_body").into()
            }
        })
    }
}

/// No body, or as good as none: what a request says in a body that nobody reads must not be taken for said.
pub(crate) struct NoBody;

impl FromRequest<Face> for NoBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Face) -> Result<Self, ApiError> {
        let Body(bytes) = Body::from_request(request, api).await?;
        match bytes.trim_ascii() {
            b"" | b"{}" | b"null" => Ok(Self),
            other => {
                let got = String::from_utf8_lossy(other).into_owned();
                Err(Invalid::new("body", "nothing: what there is to say goes into the query", got).into())
            }
        }
    }
}

/// Reads JSON; an error names the path of the field.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Paths cost time, so they are followed only when there is a mistake to find.
    serde_json::from_slice(bytes).map_err(|error| find_mistake::<T>(bytes, &error).into())
}

fn find_mistake<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Invalid {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Invalid::new("body", "one JSON text", "nothing").code("invalid_json");
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => {
            let (path, error) = (error.path().to_string(), error.inner());
            if error.is_data() { explain(&path, &error.to_string()) } else { not_json(&path, error) }
        }
        // The value is fine; something follows it.
        Ok(_) => not_json(".", error),
    }
}

/// A `T` that is written as an object. By themselves, structs can be read from arrays as well.
#[derive(Clone, Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(OnlyMap(PhantomData)).map(Self)
    }
}

/// What may be written as a text, for short.
pub(crate) trait FromText: Sized {
    /// Both ways to write it.
    const FORMS: &'static str;
    /// What the text stands for.
    fn from_text(text: &str) -> Result<Self, Invalid>;
}

/// A `T` that is written as an object, or as a text. Unlike an untagged enum it tells which field is wrong.
#[derive(Clone, Debug)]
pub(crate) struct TextOr<T>(pub(crate) T);

impl<'de, T: Deserialize<'de> + FromText> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + FromText> Visitor<'de> for Either<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::FORMS)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
                T::from_text(text).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Either(PhantomData)).map(Self)
    }
}

async fn path_text(
    parts: &mut Parts,
    api: &Face,
    field: &str,
    code: &'static str,
) -> Result<String, ApiError> {
    let text = Path::<String>::from_request_parts(parts, api).await;
    // What else can be wrong with a single text is how its bytes were written.
    let wrong = |_| Invalid::new(field, "percent-encoded UTF-8", parts.uri.path()).code(code).into();
    text.map(|Path(text)| text).map_err(wrong)
}

/// The id of a job in the path. A malformed one answers as an unknown one would not: it can never exist.
pub(crate) struct PathId(pub(crate) JobId);

impl FromRequestParts<Face> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Face) -> Result<Self, ApiError> {
        Ok(Self(JobId::parse(&path_text(parts, api, "id", "invalid_id").await?)?))
    }
}

/// A name in the path.
macro_rules! path_name {
    ($(#[$doc:meta])* $extract:ident, $name:ident, $field:literal) => {
        $(#[$doc])*
        pub(crate) struct $extract(pub(crate) $name);

        impl FromRequestParts<Face> for $extract {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, api: &Face) -> Result<Self, ApiError> {
                Ok(Self($name::new(path_text(parts, api, $field, "invalid_name").await?)?))
            }
        }
    };
}

path_name!(
    /// The name of a queue in the path.
    PathQueue, QueueName, "queue"
);
path_name!(
    /// The name of a kind in the path.
    PathKind, KindName, "kind"
);
path_name!(
    /// The id of a worker in the path.
    PathWorker, WorkerId, "worker"
);
path_name!(
    /// The name of a schedule in the path.
    PathSchedule, ScheduleName, "schedule"
);

/// The id of an API key in the path.
pub(crate) struct PathKey(pub(crate) String);

impl FromRequestParts<Face> for PathKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Face) -> Result<Self, ApiError> {
        Ok(Self(path_text(parts, api, "key", "invalid_id").await?))
    }
}

/// A queue and a unique key in the path.
pub(crate) struct PathUnique(pub(crate) QueueName, pub(crate) String);

impl FromRequestParts<Face> for PathUnique {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Face) -> Result<Self, ApiError> {
        let texts = Path::<(String, String)>::from_request_parts(parts, api).await;
        let wrong = |_| Invalid::new("key", "percent-encoded UTF-8", parts.uri.path()).code("invalid");
        let Path((queue, key)) = texts.map_err(wrong)?;
        Ok(Self(QueueName::new(queue)?, key))
    }
}

/// Tells "not given" from "given as null".
#[expect(clippy::option_option, reason = "three cases: not given, null, a value")]
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// The query, with unknown parameters refused. Every field of a `T` is an optional text, read by its route.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Face> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Face) -> Result<Self, ApiError> {
        let axum::extract::Query(query) =
            axum::extract::Query::<T>::try_from_uri(&parts.uri).map_err(|error| {
                let text = error.body_text();
                let start = ["unknown field", "duplicate field", "missing field"]
                    .iter()
                    .find_map(|known| text.find(known));
                explain(".", &text[start.unwrap_or(0)..])
            })?;
        Ok(Self(query))
    }
}

/// Refuses every parameter: a misspelt wish must not be taken for none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Reads a yes or no of a query; not given is no.
pub(crate) fn read_flag(field: &str, text: Option<&str>) -> Result<bool, Invalid> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Invalid::new(field, "true or false", format!("{other:?}"))),
    }
}

/// Reads a number of a query from 1 to `most`; not given is as usual.
pub(crate) fn read_count(field: &str, text: Option<&str>, usual: u32, most: u32) -> Result<u32, Invalid> {
    let Some(text) = text else { return Ok(usual) };
    let value = text.parse().ok().filter(|value| (1..=most).contains(value));
    value.ok_or_else(|| Invalid::new(field, format!("a whole number from 1 to {most}"), format!("{text:?}")))
}

/// The idempotency key of a request, and the endpoint at which it counts.
pub(crate) struct Idempotency(Option<(String, String)>);

const KEY_BYTES_MAX: usize = 200;

impl Idempotency {
    /// The key together with what recognises this request.
    pub(crate) fn key(self, body: &[u8]) -> Option<OnceKey> {
        let (scope, name) = self.0?;
        Some(OnceKey { scope, name, print: hex(&Sha256::digest(body)) })
    }
}

impl FromRequestParts<Face> for Idempotency {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Face) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let text =
            value.to_str().ok().map(str::trim).filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len()));
        let one = text.filter(|_| values.next().is_none());
        let Some(text) = one else {
            let expected = format!("one header with 1 to {KEY_BYTES_MAX} visible ASCII characters");
            let got = if text.is_some() { "several headers".to_owned() } else { format!("{value:?}") };
            return Err(Invalid::new("Idempotency-Key", expected, got).into());
        };
        Ok(Self(Some((parts.uri.path().trim_end_matches('/').to_owned(), text.to_owned()))))
    }
}

/// Whether the client has this version already.
pub(crate) fn has_version(headers: &header::HeaderMap, etag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given
        .flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}
