//! Who asks. A handler reaches the engine only through one of the extractors of this file, each of which demands a scope.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use longshore_core::Invalid;
use longshore_runtime::{ApiKey, Caller, Engine, Scope, Source};
use serde_json::json;

use crate::app::{Api, Face};
use crate::error::ApiError;

/// Who may ask for what.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whether callers have to show an API key. Without it, everybody who reaches the server is an operator.
    pub is_on: bool,
    /// From where metrics may be read without a key.
    pub metrics_networks: Vec<IpNet>,
}

/// The machine itself.
const LOOPBACK: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
];

impl Default for Identity {
    /// Off; metrics for the machine itself.
    fn default() -> Self {
        Self { is_on: false, metrics_networks: LOOPBACK.to_vec() }
    }
}

/// The HTTP face as one caller may use it.
#[derive(Clone)]
pub(crate) struct Asked {
    face: Face,
    /// Bound to the caller.
    pub(crate) engine: Engine,
}

impl Deref for Asked {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.face
    }
}

impl Asked {
    /// The owner that a caller names for a job.
    pub(crate) fn owner(&self, name: &str) -> Result<Arc<str>, Invalid> {
        let caller = self.engine.caller();
        let owner = Caller::operator(name)?.name().cloned();
        let allowed = owner.filter(|owner| !caller.is_bound() || caller.name() == Some(owner));
        let expected = "nothing, or the key's own owner: only the scope admin may name another";
        allowed.ok_or_else(|| Invalid::new("owner", expected, format!("{name:?}")).code("missing_scope"))
    }
}

/// Where a connection came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

macro_rules! asks {
    ($(#[$doc:meta])* $name:ident, $scope:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) Asked);

        impl FromRequestParts<Face> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, ApiError> {
                ask(parts, face, $scope).await.map(Self)
            }
        }
    };
}

asks!(
    /// Looks at its own jobs.
    Reads, Scope::Read
);
asks!(
    /// Inserts jobs, and changes its own.
    Submits, Scope::Submit
);
asks!(
    /// May do everything.
    Operates, Scope::Admin
);

async fn ask(parts: &Parts, face: &Face, scope: Scope) -> Result<Asked, ApiError> {
    let on_behalf_of = |caller: Caller| Asked {
        face: face.clone(),
        engine: face.system.on_behalf_of(caller.via(Source::Api)),
    };
    if !face.config.identity.is_on {
        return Ok(on_behalf_of(Caller::default()));
    }
    let key = key_of(parts, face).await?;
    if key.allows(scope) {
        return Ok(on_behalf_of(key.caller()));
    }
    let message = format!("the API key does not have the scope {scope}");
    let details = json!({ "needed": scope, "scopes": key.scopes });
    Err(ApiError::new(StatusCode::FORBIDDEN, "missing_scope", message).details(details))
}

/// The key that came with a request.
async fn key_of(parts: &Parts, face: &Face) -> Result<ApiKey, ApiError> {
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let only = given.next().filter(|_| given.next().is_none());
    let Some(text) = only.and_then(bearer) else {
        return Err(refused("send an API key as one header: Authorization: Bearer KEY"));
    };
    match face.system.keys().find(text).await? {
        Some(key) => Ok(key),
        None => Err(refused("the API key is not known here: it is wrong, expired or revoked")),
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

fn refused(message: &str) -> ApiError {
    let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
    error.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// Reads what is measured: from a permitted network, or with any key.
pub(crate) struct Measures;

impl FromRequestParts<Face> for Measures {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, ApiError> {
        let identity = &face.config.identity;
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.to_canonical());
        let permitted =
            |peer: IpAddr| identity.metrics_networks.iter().any(|network| network.contains(&peer));
        if !identity.is_on || peer.is_some_and(permitted) {
            return Ok(Self);
        }
        key_of(parts, face).await.map(|_| Self)
    }
}
