use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use longshore_clock::Stopwatch;
use longshore_telemetry::{Exposition, Histogram};

use crate::app::Face;

/// Requests that no route takes are counted together.
const NO_ROUTE: &str = "(none)";
/// Classes of statuses.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", GONE];
/// Whoever asked went away before there was an answer.
const GONE: &str = "gone";

/// How long requests took, by route and class of status. There are as many routes as the server has.
#[derive(Default)]
pub(crate) struct HttpMeters(RwLock<BTreeMap<Box<str>, Arc<[Histogram; CLASSES.len()]>>>);

impl HttpMeters {
    fn of(&self, route: &str) -> Arc<[Histogram; CLASSES.len()]> {
        if let Some(meters) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(route) {
            return meters.clone();
        }
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        routes.entry(route.into()).or_default().clone()
    }

    /// Adds all of them to a scrape.
    pub(crate) fn expose(&self, out: &mut Exposition) {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (route, meters) in &routes {
            for (class, meter) in CLASSES.iter().zip(meters.iter()) {
                let times = meter.snapshot();
                if times.count() > 0 {
                    let help = "From the head of a request to the head of its answer.";
                    let labels = [("route", &**route), ("class", class)];
                    out.histogram("longshore_http_request_seconds", help, &labels, &times);
                }
            }
        }
    }
}

/// A request that is being answered.
struct Measured {
    meters: Arc<[Histogram; CLASSES.len()]>,
    watch: Stopwatch,
    class: usize,
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.meters[self.class].record(self.watch.elapsed());
    }
}

/// Measures every request.
pub(crate) async fn layer(State(api): State<Face>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let meters = api.http.of(route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str));
    let watch = api.system.door().clock.stopwatch();
    let mut measured = Measured { meters, watch, class: CLASSES.len() - 1 };
    let response = next.run(request).await;
    measured.class = usize::from(response.status().as_u16() / 100).clamp(1, CLASSES.len() - 1) - 1;
    response
}
