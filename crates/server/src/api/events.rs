use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use longshore_core::{Event, EventName, Invalid, JobId, KindName, QueueName, State};
use longshore_runtime::{ControlError, Numbered, Replay, Subscription};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::json;
use utoipa::IntoParams;

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Nothing, PathId, Query};
use crate::identity::{Asked, Operates, Reads};
use crate::sse::{self, Gone, Sender};

/// A watched job is not looked at more often than this, however many events are missed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A watched job is looked at so often as well, in case an event of another node was lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Watches one job: `snapshot` (the record), then `progress` and `state` as they happen, then `end`: the record, or
/// `{"id", "removed": true}` if it has none any more.
#[utoipa::path(
    get, operation_id = "watch_job", path = "/jobs/{id}/events", tag = "events", params(("id" = String, Path)),
    responses(
        (status = 200, description = "text/event-stream; it always begins with a snapshot"),
        (status = 404, body = ErrorBody),
        (status = 503, description = "Too many streams are open", body = ErrorBody)
    )
)]
pub(crate) async fn of_job(
    Reads(api): Reads,
    PathId(id): PathId,
    _: Query<Nothing>,
) -> Result<Response, ApiError> {
    // Listens before it looks, so that nothing falls between the two.
    let events = api.engine.hub().watch(&id);
    let (response, sender) = sse::open(&api)?;
    let job = api.engine.control().job(&id).await?;
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
    api: &Asked,
    id: &JobId,
    job: longshore_core::Job,
    mut events: Subscription,
    sender: &Sender,
) -> Result<(), Gone> {
    sender.send("snapshot", None, &job).await?;
    let mut last = (job.state, job.attempt);
    let clock = &api.engine.door().clock;
    let mut ended = job.state.is_end();
    let mut look_again = clock.after(Duration::ZERO);
    while !ended {
        let told = tokio::select! {
            told = events.next() => told,
            () = clock.sleep(LOOK_EVERY) => None,
        };
        match told {
            Some(Numbered { number, event }) if event.event != EventName::Gap => {
                let name = if event.event == EventName::Progress { "progress" } else { "state" };
                let now = (event.state.unwrap_or(last.0), event.attempt.unwrap_or(last.1));
                // What the snapshot has shown already may still be on its way as an event.
                if name == "progress" || now != last || event.event == EventName::Removed {
                    sender.send(name, Some(number), &event).await?;
                }
                last = now;
                // An old end may be told after the job was retried; the record knows.
                ended = event.event == EventName::Removed
                    || event.event.is_end()
                        && api.engine.control().job(id).await.is_ok_and(|job| job.state.is_end());
            }
            told => {
                look_again.wait().await;
                look_again = clock.after(LOOK_AGAIN);
                match api.engine.control().job(id).await {
                    Ok(job) if told.is_some() || (job.state, job.attempt) != last => {
                        last = (job.state, job.attempt);
                        ended = job.state.is_end();
                        sender.send("snapshot", None, &job).await?;
                    }
                    Err(ControlError::Unknown(_)) => ended = true,
                    // A store that does not answer is asked again.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
    match api.engine.control().job(id).await {
        Ok(job) => sender.send("end", None, &job).await,
        Err(ControlError::Unknown(_)) => {
            sender.send("end", None, &json!({ "id": id, "removed": true })).await
        }
        // The client comes back and asks again.
        Err(_) => Ok(()),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only events of this queue.
    queue: Option<String>,
    /// Only events of jobs of this kind.
    kind: Option<String>,
    /// Only these events, separated by commas, such as `job:failed,job:completed` or `queue:*`.
    event: Option<String>,
    /// Only events after which a job is in one of these states, separated by commas.
    state: Option<String>,
}

/// What of all events a client wants to hear.
#[derive(Default)]
struct Wanted {
    queue: Option<QueueName>,
    kind: Option<KindName>,
    events: Vec<Named>,
    states: Vec<State>,
}

impl EventsQuery {
    fn wanted(&self) -> Result<Wanted, Invalid> {
        let words = |text: &Option<String>| -> Vec<String> {
            text.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect()
        };
        Ok(Wanted {
            queue: self.queue.as_ref().map(QueueName::new).transpose()?,
            kind: self.kind.as_ref().map(KindName::new).transpose()?,
            events: words(&self.event).into_iter().map(event_name).collect::<Result<_, _>>()?,
            states: words(&self.state).iter().map(|state| state.parse()).collect::<Result<_, _>>()?,
        })
    }
}

/// Events by their name, or by the beginning of it.
enum Named {
    Is(EventName),
    Begins(String),
}

impl Named {
    fn has(&self, name: EventName) -> bool {
        match self {
            Self::Is(own) => *own == name,
            Self::Begins(beginning) => name.as_str().starts_with(beginning.as_str()),
        }
    }
}

fn event_name(text: String) -> Result<Named, Invalid> {
    let got = format!("{text:?}");
    if let Some(beginning @ ("" | "job:" | "queue:" | "schedule:" | "worker:")) = text.strip_suffix('*') {
        return Ok(Named::Begins(beginning.to_owned()));
    }
    let read = EventName::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(text));
    read.map(Named::Is).map_err(|error| {
        let text = error.to_string();
        let known = text.split_once(", expected ").map_or("the name of an event", |(_, known)| known);
        let known = format!("{}, or job:*, queue:*, schedule:*, worker:*", known.replace('`', ""));
        Invalid::new("event", known, got)
    })
}

impl Wanted {
    fn has(&self, event: &Event) -> bool {
        (self.queue.is_none() || self.queue == event.queue)
            && (self.kind.is_none() || self.kind == event.kind)
            && (self.events.is_empty() || self.events.iter().any(|named| named.has(event.event)))
            && (self.states.is_empty() || event.state.is_some_and(|state| self.states.contains(&state)))
    }
}

/// Watches the whole system: `snapshot` (queues and workers), then every event under its own name.
#[utoipa::path(
    get, operation_id = "watch_all", path = "/events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event heard")),
    responses(
        (status = 200, description = "text/event-stream; with Last-Event-ID it goes on where it was, or starts with a snapshot if that is too long ago"),
        (status = 400, description = "No such event or state", body = ErrorBody),
        (status = 503, description = "Too many streams are open", body = ErrorBody)
    )
)]
pub(crate) async fn of_all(
    Operates(api): Operates,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = query.wanted()?;
    let (response, sender) = sse::open(&api)?;
    let resumed = sse::resume_after(&api, &headers);
    let (replay, events) = api.engine.hub().resume(resumed.unwrap_or(u64::MAX));
    let missed = match (resumed, replay) {
        (Some(_), Replay::Complete(missed)) => Some(missed),
        _ => None,
    };
    let overview = if missed.is_none() { Some(api.engine.control().overview().await?) } else { None };
    tokio::spawn(async move {
        let stop = api.stop.clone();
        let tell = async {
            if let Some(overview) = overview {
                sender.send("snapshot", None, &overview).await?;
            }
            pass_on(&wanted, missed.unwrap_or_default(), events, &sender).await
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
    wanted: &Wanted,
    missed: Vec<Numbered>,
    mut events: Subscription,
    sender: &Sender,
) -> Result<(), Gone> {
    let tell = async |Numbered { number, event }: Numbered| {
        if event.event == EventName::Gap {
            sender.send("gap", None, &event).await?;
        } else if wanted.has(&event) {
            sender.send(event.event.as_str(), Some(number), &event).await?;
        }
        Ok(())
    };
    for one in missed {
        tell(one).await?;
    }
    while let Some(one) = events.next().await {
        tell(one).await?;
    }
    Ok(())
}
