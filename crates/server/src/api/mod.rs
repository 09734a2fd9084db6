//! The native API.

#![expect(unused_qualifications, reason = "the OpenAPI macro writes paths in full")]

mod events;
pub(crate) mod health;
mod jobs;
mod metrics;
mod pdf;
mod queues;
mod record;
mod result;
mod submit;
mod workers;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Face;

pub(crate) fn routes() -> OpenApiRouter<Face> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit, jobs::list))
        .routes(routes!(jobs::show, jobs::remove))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(result::download, result::head))
        .routes(routes!(events::of_job))
        .routes(routes!(events::of_all))
        .routes(routes!(pdf::submit))
        .routes(routes!(queues::list))
        .routes(routes!(queues::show, queues::change))
        .routes(routes!(queues::kinds))
        .routes(routes!(queues::change_kind))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::drain))
        .routes(routes!(workers::list))
}
