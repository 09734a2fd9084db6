//! The HTTP faces of Longshore: the native API below `/api/v1`, health and metrics.
//!
//! Faces read and write only through the client and the control of an engine; no route knows a store.

mod api;
mod app;
mod error;
mod extract;
mod hex;
mod identity;
mod kinds;
mod layers;
mod mistake;
mod patient;
mod serve;
mod sse;

pub use app::{Api, ApiConfig, Patience, openapi, probes, router};
pub use error::ApiError;
pub use identity::Identity;
pub use serve::{serve, serve_probes};
