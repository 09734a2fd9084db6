use axum::Json;
use longshore_core::{Invalid, QueueName};
use longshore_runtime::{AUDIT_PAGE_MAX, AuditEntry, AuditFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Query, read_count};
use crate::identity::Operates;

/// Entries that are shown unless somebody asks for more or fewer.
const ENTRIES_USUAL: u32 = 100;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only this action, such as queue.pause; a final * stands for any ending.
    action: Option<String>,
    /// Only what was done (ok), what was not allowed or made no sense (refused), or what the store did not do (failed).
    outcome: Option<String>,
    /// Only what was about this queue.
    queue: Option<String>,
    /// Only entries with this text in actor, target or details.
    q: Option<String>,
    /// Entries, 1 to 500; 100 if not given.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// What operators did.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// The newest first: {at, action, source, actor, target, outcome, details} each.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<AuditEntry>,
}

/// Tells what operators did, the newest first. The newest 10000 entries are kept.
#[utoipa::path(
    get, operation_id = "audit", path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = AuditList), (status = 400, body = ErrorBody))
)]
pub(crate) async fn list(
    Operates(api): Operates,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditList>, ApiError> {
    let limit = read_count("limit", query.limit.as_deref(), ENTRIES_USUAL, AUDIT_PAGE_MAX as u32)? as usize;
    if let Some(outcome) =
        query.outcome.as_deref().filter(|outcome| !["ok", "refused", "failed"].contains(outcome))
    {
        return Err(Invalid::new("outcome", "ok, refused or failed", format!("{outcome:?}")).into());
    }
    let filter = AuditFilter {
        action: query.action,
        outcome: query.outcome,
        queue: query.queue.map(QueueName::new).transpose()?,
        text: query.q,
    };
    Ok(Json(AuditList { entries: api.engine.control().audit(&filter, limit).await? }))
}
