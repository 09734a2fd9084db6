use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use longshore_telemetry::{Exposition, Histogram};

use crate::app::Face;

/// Requests that no route takes are counted together.
const NO_ROUTE: &str = "(none)";
/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// How long requests took, by route and class of status. There are as many routes as the server has.
#[derive(Default)]
pub(crate) struct HttpMeters(RwLock<BTreeMap<Box<str>, Arc<[Histogram; 5]>>>);

impl HttpMeters {
    fn of(&self, route: &str) -> Arc<[Histogram; 5]> {
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

/// Measures every request.
pub(crate) async fn layer(State(api): State<Face>, request: Request, next: Next) -> Response {
    let watch = api.system.door().clock.stopwatch();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let meters = api.http.of(route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str));
    let class = usize::from(response.status().as_u16() / 100).clamp(1, CLASSES.len()) - 1;
    meters[class].record(watch.elapsed());
    response
}
