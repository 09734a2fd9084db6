use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

use crate::app::{Api, Face};

const HEADER: &str = "x-correlation-id";

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// The correlation id of the request that is being answered.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(ToString::to_string).ok()
}

/// The same, for a job.
pub(crate) fn shared() -> Option<Arc<str>> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Takes the caller's correlation id if it is a UUID of version 4, makes one otherwise, and returns it.
pub(crate) async fn layer(State(api): State<Face>, request: Request, next: Next) -> Response {
    let given =
        request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|text| is_uuid4(text));
    let id: Arc<str> = given.map_or_else(|| make(&api).into(), Arc::from);
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn is_uuid4(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && bytes[14] == b'4'
        && matches!(bytes[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
}

fn make(api: &Api) -> String {
    let chance = &api.system.door().chance;
    let (high, low) = (chance.bits(), chance.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_of_version_4_are_taken() {
        assert!(is_uuid4("6f9619ff-8b86-4011-b42d-00c04fc964ff"));
        for text in ["", "6f9619ff-8b86-7011-b42d-00c04fc964ff", "6f9619ff8b864011b42d00c04fc964ff", "x\r\ny"]
        {
            assert!(!is_uuid4(text), "{text}");
        }
    }
}
