use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use longshore_core::{Fields, JobId, JobSpec, KindName, StoreError, StoreResult};
use longshore_services::{PdfRequest, PdfService};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::record::{Accepted, ErrorBody};
use super::submit::{accepted, insert, recall};
use crate::error::ApiError;
use crate::extract::{Body, Idempotency, Nothing, Query, read_json};
use crate::identity::Submits;
use crate::layers::correlation;

/// A report to be rendered. Exactly one of `template_name` and `html`.
#[derive(ToSchema)]
#[schema(as = PdfRequest)]
#[expect(dead_code, reason = "the shape of `PdfRequest`, for the OpenAPI document")]
pub(crate) struct PdfBody {
    /// The key of a template in the template folder.
    #[schema(example = "monthly_report")]
    template_name: Option<String>,
    /// A finished document, up to 5 MiB; nothing in it is substituted.
    html: Option<String>,
    /// What the template shows: a JSON object up to 1 MiB. Required with `template_name`.
    #[schema(value_type = Option<Object>)]
    context_data: Option<()>,
    /// Names of style sheets, in their order.
    css_files: Option<Vec<String>>,
    /// What the download is called.
    filename: Option<String>,
    /// pdf (default) or html.
    output_format: Option<String>,
    /// embedded (default).
    renderer: Option<String>,
}

/// What a program may want to know of a renderer that is not there.
fn unavailable(renderer: &str, missing: &str) -> serde_json::Value {
    json!({ "renderer": renderer, "missing": missing, "install": "longshore worker start pdf" })
}

/// Submits a report.
#[utoipa::path(
    post, operation_id = "submit_report", path = "/pdf", tag = "pdf", request_body = PdfBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key gives the same job for 24 h")),
    responses(
        (status = 202, description = "Stored", body = Accepted),
        (status = 400, description = "Nothing was stored", body = ErrorBody),
        (status = 409, description = "The key was used for another request", body = ErrorBody),
        (status = 413, description = "Too large", body = ErrorBody),
        (status = 507, description = "The store has no room left", body = ErrorBody),
        (status = 503, description = "No live worker has such a renderer, or the store does not take it now", body = ErrorBody)
    )
)]
pub(crate) async fn submit(
    Submits(api): Submits,
    _: Query<Nothing>,
    idempotency: Idempotency,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let Some(pdf) = api.pdf.clone() else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "renderer_unavailable",
            "this server renders no reports",
        )
        .details(unavailable("embedded", "the PDF service of this server")));
    };
    let key = idempotency.key(&body);
    if let Some(receipts) = recall(&api, key.as_ref()).await? {
        return Ok(accepted(receipts, false));
    }
    if body.trim_ascii().starts_with(b"{") {
        // A field that is given twice is a mistake, and not the last one.
        read_json::<Fields<Box<RawValue>>>(&body)?;
    }
    let request = PdfRequest::from_value(read_json(&body)?).map_err(|error| match error.field.as_str() {
        "" => error.below("body"),
        _ => error,
    })?;
    pdf.check(&request)?;
    if !api.kinds.finds(&api.engine, &KindName::new(PdfService::KIND)?).await? {
        let message = "no live worker renders reports; start one with: longshore worker start pdf";
        let renderer = request.renderer.as_deref().unwrap_or("embedded");
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "renderer_unavailable", message);
        let details = unavailable(renderer, "a live worker that knows the kind pdf.render");
        return Err(error.details(details).retry_after(10));
    }
    let make = |ids: &[JobId]| -> StoreResult<Vec<Arc<JobSpec>>> {
        let specs = ids.iter().map(|id| {
            let mut spec = pdf.spec(id.clone(), request.clone()).map_err(StoreError::Invalid)?;
            spec.correlation_id = correlation::shared();
            Ok(Arc::new(spec))
        });
        specs.collect()
    };
    Ok(accepted(insert(&api, key.as_ref(), 1, false, make).await?, false))
}
