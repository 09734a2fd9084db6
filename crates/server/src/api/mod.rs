//! The native API.

#![expect(unused_qualifications, reason = "the OpenAPI macro writes paths in full")]

mod audit;
mod cron;
mod events;
pub(crate) mod health;
mod history;
mod jobs;
mod keys;
pub(crate) mod metrics;
mod pdf;
mod process;
mod queues;
mod record;
mod result;
mod schedules;
mod submit;
mod workers;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Face;

pub(crate) fn routes() -> OpenApiRouter<Face> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit, jobs::list))
        .routes(routes!(jobs::show, jobs::remove))
        .routes(routes!(jobs::why))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(result::download, result::head))
        .routes(routes!(events::of_job))
        .routes(routes!(events::of_all))
        .routes(routes!(pdf::submit))
        .routes(routes!(queues::list))
        .routes(routes!(queues::show, queues::change, queues::many::obliterate))
        .routes(routes!(queues::failures))
        .routes(routes!(queues::kinds::list))
        .routes(routes!(queues::kinds::change))
        .routes(routes!(queues::kinds::reset_breaker))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::many::drain))
        .routes(routes!(queues::many::purge))
        .routes(routes!(queues::many::retry))
        .routes(routes!(queues::many::retry_jobs))
        .routes(routes!(queues::many::cancel_jobs))
        .routes(routes!(queues::many::remove_jobs))
        .routes(routes!(queues::unique::owner, queues::unique::free))
        .routes(routes!(workers::list))
        .routes(routes!(workers::show))
        .routes(routes!(history::history))
        .routes(routes!(audit::list))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(schedules::list, schedules::add))
        .routes(routes!(schedules::show, schedules::change, schedules::remove))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::run_now))
        .routes(routes!(cron::next_days, cron::next))
        .routes(routes!(cron::validate))
        .routes(routes!(cron::batch))
        .routes(routes!(cron::stats))
}
