//! The OpenAPI document: committed, served, and true.

use std::collections::HashSet;
use std::path::Path;

use hyper::{Method, StatusCode};
use longshore_runtime::{NewKey, Scope};
use serde_json::{Value, json};

use crate::house::{House, Plan};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
const COMMAND: &str = "UPDATE_GOLDEN=1 cargo nextest run -p longshore-server openapi";

pub(crate) fn document() -> Value {
    serde_json::to_value(longshore_server::openapi()).unwrap()
}

/// Path, method and what the document says of the operation.
pub(crate) fn operations(document: &Value) -> Vec<(String, Method, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes())
                && operation.get("responses").is_some()
            {
                all.push((path.clone(), method, operation.clone()));
            }
        }
    }
    all
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let text = serde_json::to_string_pretty(&longshore_server::openapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(GOLDEN, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(Path::new(GOLDEN)).unwrap_or_default();
    assert!(committed == text, "crates/server/openapi.json is not that of the code. Run: {COMMAND}");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let mut names = HashSet::new();
    let operations = operations(&document());
    assert!(operations.len() >= 20, "{}", operations.len());
    for (path, method, operation) in operations {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{name} at {method} {path} is taken");
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{method} {path}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let house = House::asleep().await;
    let reply = house.client.get("/api/v1/openapi.json").await;
    assert_eq!(reply.json(StatusCode::OK), document());
}

#[tokio::test]
async fn everything_that_is_told_of_a_worker_is_documented() {
    let house = House::open().await;
    let document = document();
    let documented = document["components"]["schemas"]["Worker"]["properties"].as_object().unwrap();
    let told = house.client.get("/api/v1/workers").await.json(StatusCode::OK);
    for key in told["workers"][0].as_object().unwrap().keys() {
        assert!(documented.contains_key(key), "{key}");
    }
}

#[tokio::test]
async fn every_documented_route_answers() {
    let house = House::build(Plan { pdf: true, ..Plan::default() }).await;
    house.client.submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h" })).await;
    for (path, method, operation) in operations(&document()) {
        let id = house.client.submit(json!({ "kind": "test.echo", "args": 1 })).await;
        house.client.ended(&id).await;
        house.client.submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h" })).await;
        let schedule = json!({ "name": "nightly", "every": "1h", "kind": "test.echo" });
        house.client.put("/api/v1/schedules/nightly", &schedule).await;
        let path = path.replace("{id}", &id).replace("{queue}", "mail").replace("{schedule}", "nightly");
        house
            .client
            .submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h", "unique": "k" }))
            .await;
        let path = path.replace("{kind}", "test.echo").replace("{key}", "k");
        let new = NewKey { owner: "ann".to_owned(), scopes: vec![Scope::Read], expires_in: None };
        let (api_key, _) = house.engine.keys().create(&new).await.unwrap();
        let worker = house.engine.control().workers().await.unwrap()[0].info.id.to_string();
        let path = path.replace("{api_key}", &api_key.id).replace("{worker}", &worker);
        let body = match path.as_str() {
            "/api/v1/jobs" => r#"{"kind":"test.echo"}"#,
            "/api/v1/pdf" => r#"{"html":"<p>x</p>"}"#,
            "/api/v1/schedules/nightly" | "/api/v1/schedules" => {
                r#"{"name":"nightly","every":"1h","kind":"test.echo"}"#
            }
            "/api/v1/keys" => r#"{"owner":"ann","scopes":["read"]}"#,
            "/api/v1/kinds/test.echo" => r#"{"limits":[]}"#,
            "/api/v1/queues/mail" => "{}",
            "/api/v1/cron/next" | "/api/v1/cron/validate" => r#"{"cron_expression":"@daily"}"#,
            "/api/v1/cron/batch" => {
                r#"{"schedule_id":"b","schedule_config":{"cron_expression":"@daily"},"job":{"kind":"test.echo"}}"#
            }
            _ => "",
        };
        let response = house.client.open(method.clone(), &path, &[], body).await;
        let status = response.status().as_u16();
        assert!(![404, 405].contains(&status) && status < 500, "{method} {path}: {status}");
        let documented = operation["responses"].as_object().unwrap().contains_key(&status.to_string());
        assert!(documented, "{method} {path} answers {status}, which the document does not name");
    }
}
