use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use longshore_core::{Event, EventName, JobId, State};
use longshore_runtime::{Numbered, Replay, Subscription};
use serde::Deserialize;
use utoipa::IntoParams;

use super::record::ErrorBody;
use crate::app::Api;
use crate::error::ApiError;
use crate::extract::{PathId, Query};
use crate::sse::{self, Gone, Sender};

/// A watched job is looked at so often as well, in case an event of another node was lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Watches one job: `snapshot` (the record), then `progress` and `state` as they happen, then `end` (the record).
#[utoipa::path(
    get, path = "/jobs/{id}/events", tag = "events", params(("id" = String, Path)),
    responses(
        (status = 200, description = "text/event-stream; ids resume through Last-Event-ID, always with a snapshot first"),
        (status = 404, body = ErrorBody),
        (status = 503, description = "Too many streams are open", body = ErrorBody)
    )
)]
pub(crate) async fn of_job(Shared(api): Shared<Api>, PathId(id): PathId) -> Result<Response, ApiError> {
    // Listens before it looks, so that nothing falls between the two.
    let events = api.engine.hub().watch(&id);
    let job = api.engine.control().job(&id).await?;
    let (response, sender) = sse::open(&api)?;
    tokio::spawn(async move {
        let stop = api.stop.clone();
        tokio::select! {
            _ = follow(&api, &id, job, events, &sender) => {}
            () = sender.closed() => {}
            () = stop.draining() => {}
        }
    });
    Ok(response)
}

async fn follow(
    api: &Api,
    id: &JobId,
    job: longshore_core::Job,
    mut events: Subscription,
    sender: &Sender,
) -> Result<(), Gone> {
    sender.send("snapshot", None, &job).await?;
    let mut last = (job.state, job.attempt);
    let clock = &api.engine.door().clock;
    let mut ended = job.state.is_end();
    while !ended {
        let look_at = clock.now() + LOOK_EVERY;
        let told = tokio::select! {
            told = events.next() => told,
            () = clock.sleep_until(look_at) => None,
        };
        match told {
            Some(Numbered { number, event }) if event.event != EventName::Gap => {
                let name = if event.event == EventName::Progress { "progress" } else { "state" };
                sender.send(name, Some(number), &event).await?;
                last = (event.state.unwrap_or(last.0), event.attempt.unwrap_or(last.1));
                ended = event.event.is_end() || event.event == EventName::Removed;
            }
            _ => match api.engine.control().job(id).await {
                Ok(job) if (job.state, job.attempt) != last => {
                    last = (job.state, job.attempt);
                    ended = job.state.is_end();
                    sender.send("snapshot", None, &job).await?;
                }
                Ok(_) => {}
                Err(_) => ended = true,
            },
        }
    }
    if let Ok(job) = api.engine.control().job(id).await {
        sender.send("end", None, &job).await?;
    }
    Ok(())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only events of this queue.
    queue: Option<String>,
    /// Only events of jobs of this kind.
    kind: Option<String>,
    /// Only these events, separated by commas, such as `job:failed,job:completed`.
    event: Option<String>,
    /// Only events after which a job is in this state.
    state: Option<String>,
}

impl EventsQuery {
    fn wants(&self, event: &Event) -> bool {
        let state = event.state.map(State::as_str);
        self.queue.as_ref().is_none_or(|queue| event.queue.as_ref().is_some_and(|own| own.as_str() == queue))
            && self
                .kind
                .as_ref()
                .is_none_or(|kind| event.kind.as_ref().is_some_and(|own| own.as_str() == kind))
            && self
                .event
                .as_ref()
                .is_none_or(|names| names.split(',').any(|name| name == event.event.as_str()))
            && self.state.as_ref().is_none_or(|wanted| state == Some(wanted))
    }
}

/// Watches the whole system: `snapshot` (queues and workers), then every event under its own name.
#[utoipa::path(
    get, path = "/events", tag = "events", params(EventsQuery),
    responses(
        (status = 200, description = "text/event-stream; with Last-Event-ID it goes on where it was, or starts with a snapshot if that is too long ago"),
        (status = 503, description = "Too many streams are open", body = ErrorBody)
    )
)]
pub(crate) async fn of_all(
    Shared(api): Shared<Api>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let resumed = sse::resume_after(&api, &headers);
    let (replay, events) = api.engine.hub().resume(resumed.unwrap_or(u64::MAX));
    let missed = match (resumed, replay) {
        (Some(_), Replay::Complete(missed)) => Some(missed),
        _ => None,
    };
    let overview = if missed.is_none() { Some(api.engine.control().overview().await?) } else { None };
    let (response, sender) = sse::open(&api)?;
    tokio::spawn(async move {
        let stop = api.stop.clone();
        let tell = async {
            if let Some(overview) = overview {
                sender.send("snapshot", None, &overview).await?;
            }
            pass_on(&query, missed.unwrap_or_default(), events, &sender).await
        };
        tokio::select! {
            _ = tell => {}
            () = sender.closed() => {}
            () = stop.draining() => {}
        }
    });
    Ok(response)
}

async fn pass_on(
    query: &EventsQuery,
    missed: Vec<Numbered>,
    mut events: Subscription,
    sender: &Sender,
) -> Result<(), Gone> {
    for Numbered { number, event } in missed.iter().filter(|one| query.wants(&one.event)) {
        sender.send(event.event.as_str(), Some(*number), event).await?;
    }
    while let Some(Numbered { number, event }) = events.next().await {
        if event.event == EventName::Gap {
            sender.send("gap", None, &event).await?;
        } else if query.wants(&event) {
            sender.send(event.event.as_str(), Some(number), &event).await?;
        }
    }
    Ok(())
}
