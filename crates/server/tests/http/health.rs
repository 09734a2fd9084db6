//! Health, for whoever watches the process.

use http_body_util::BodyExt;
use hyper::{Request, StatusCode};
use longshore_runtime::Stop;
use longshore_server::{Api, ApiConfig};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::house::House;

#[tokio::test]
async fn health_stands_at_the_root_and_below_the_api() {
    let house = House::open().await;
    for root in ["", "/api/v1"] {
        let health = house.client.get(&format!("{root}/health")).await.json(StatusCode::OK);
        assert_eq!((&health["status"], &health["message"]), (&json!("healthy"), &Value::Null));
        assert_eq!((&health["workers"], &health["version"]), (&json!(1), &json!(env!("CARGO_PKG_VERSION"))));
        assert!(health["started_at"].as_str() <= health["timestamp"].as_str());
        let live = house.client.get(&format!("{root}/health/live")).await.json(StatusCode::OK);
        assert_eq!(live, json!({ "status": "alive" }));
        let ready = house.client.get(&format!("{root}/health/ready")).await.json(StatusCode::OK);
        assert_eq!((&ready["status"], &ready["workers"]), (&json!("healthy"), &json!(1)));
    }
}

#[tokio::test]
async fn a_process_without_workers_is_healthy_and_says_so() {
    let house = House::asleep().await;
    let health = house.client.get("/health").await.json(StatusCode::OK);
    assert_eq!((&health["status"], &health["workers"]), (&json!("healthy"), &json!(0)));
}

// A stopping server takes no new connections, so the routes are asked without one.
#[tokio::test]
async fn a_process_that_is_about_to_stop_is_alive_and_not_ready() {
    let house = House::asleep().await;
    let (stop, api) = (Stop::new(), Api::new(house.engine.clone(), None, None, &[], ApiConfig::default()));
    let routes = longshore_server::router(api, stop.clone());
    stop.drain();
    for (path, status) in [
        ("/health/ready", StatusCode::SERVICE_UNAVAILABLE),
        ("/api/v1/health/ready", StatusCode::SERVICE_UNAVAILABLE),
        ("/health/live", StatusCode::OK),
        ("/health", StatusCode::OK),
    ] {
        let request = Request::builder().uri(path).body(String::new()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        if status != StatusCode::OK {
            assert_eq!(
                (&body["status"], &body["message"]),
                (&json!("unhealthy"), &json!("the process is about to stop"))
            );
        }
    }
}
