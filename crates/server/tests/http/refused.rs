//! Bad input is a clear error, and nothing changes.

use hyper::{Method, StatusCode};
use longshore_server::ApiConfig;
use serde_json::{Value, json};

use crate::house::{House, Plan};

/// What is posted to `/api/v1/jobs`, and what is said of it: status, code, field, expected, got.
fn bad_jobs() -> Vec<(String, u16, &'static str, &'static str, &'static str, &'static str)> {
    let large = format!(r#"{{"kind":"test.echo","args":"{}"}}"#, "x".repeat(2_000));
    let many = Value::Array(vec![json!({ "kind": "test.echo" }); 1_001]).to_string();
    let job = |field: &str| format!(r#"{{"kind":"test.echo",{field}}}"#);
    let text = |text: &str| text.to_owned();
    let long = "q".repeat(129);
    let positive = "a whole number from 1 to 1000";
    let whole = "a whole number, not negative";
    let duration = "a duration such as \"300ms\", \"5m\" or a number of seconds, not negative";
    let priority = "a finite number, lower runs first, or one of high, normal, low";
    let name = "1 to 128 bytes without control characters";
    let custom = "a UUID, or 1 to 200 bytes";
    vec![
        (
            text(r#"{"kind":"test.none"}"#),
            400,
            "unknown_kind",
            "kind",
            "test.echo, test.fail",
            "\"test.none\"",
        ),
        (text(r#"{"kind":""}"#), 400, "invalid_name", "kind", name, "\"\""),
        (text(r#"{"kind":7}"#), 400, "invalid", "kind", "a text", "7"),
        (text(r#"{"args":1}"#), 400, "missing_field", "kind", "a value", "nothing"),
        (
            text(r#"{"kind":"test.echo","kind":"test.fail"}"#),
            400,
            "duplicate_field",
            "kind",
            "one value",
            "several",
        ),
        (job(r#""queue":"""#), 400, "invalid_name", "queue", name, "\"\""),
        (job(r#""queue":" a""#), 400, "invalid_name", "queue", name, "\" a\""),
        (job(r#""queue":"a\u0000b""#), 400, "invalid_name", "queue", name, "\"a\\0b\""),
        (job(&format!(r#""queue":"{long}""#)), 400, "invalid_name", "queue", name, "qqq"),
        (job(r#""queue":["a"]"#), 400, "invalid", "queue", "a text", "an array"),
        (
            large,
            413,
            "payload_too_large",
            "args",
            "at most 1024 bytes of JSON (max_job_payload_bytes)",
            "2002 bytes",
        ),
        (job(r#""delay":-1"#), 400, "invalid", "delay", "a duration from 0 to 3660d", "-1"),
        (job(r#""delay":"-5m""#), 400, "invalid", "delay", duration, "\"-5m\""),
        (job(r#""delay":"soon""#), 400, "invalid", "delay", duration, "\"soon\""),
        (job(r#""delay":"100000d""#), 400, "invalid", "delay", "a duration from 0 to 3660d", "\"100000d\""),
        (job(r#""max_retries":1000"#), 400, "invalid", "max_retries", "a whole number from 0 to 999", "1000"),
        (job(r#""unique":{"key":"a","ttl":"soon"}"#), 400, "invalid", "unique.ttl", "a duration", "\"soon\""),
        (
            job(r#""unique":{"keys":"a"}"#),
            400,
            "unknown_field",
            "unique.keys",
            "key, ttl",
            "an unknown field",
        ),
        (job(r#""unique":7"#), 400, "invalid", "unique", "a key, or an object", "7"),
        (job(r#""depends_on":["a:b"]"#), 400, "invalid_id", "depends_on[0]", custom, "a:b"),
        (job(r#""depends_on":[{"id":"a:b"}]"#), 400, "invalid_id", "depends_on[0].id", custom, "a:b"),
        (
            job(r#""delay":1,"run_at":"2099-01-01T00:00:00Z""#),
            400,
            "invalid",
            "delay",
            "either delay or run_at",
            "both",
        ),
        (job(r#""run_at":"tomorrow""#), 400, "invalid", "run_at", "an RFC 3339 time", "\"tomorrow\""),
        (job(r#""run_at":5"#), 400, "invalid", "run_at", "a text", "5"),
        (job(r#""priority":"urgent""#), 400, "invalid", "priority", priority, "\"urgent\""),
        (
            job(r#""priority":1e999"#),
            400,
            "invalid",
            "priority",
            "a number that 64 bits can hold",
            "a larger one",
        ),
        (job(r#""priority":[]"#), 400, "invalid", "priority", priority, "an array"),
        (job(r#""max_attempts":0"#), 400, "invalid", "max_attempts", positive, "0"),
        (job(r#""max_attempts":1001"#), 400, "invalid", "max_attempts", positive, "1001"),
        (job(r#""max_attempts":-1"#), 400, "invalid", "max_attempts", whole, "-1"),
        (job(r#""max_attempts":1.5"#), 400, "invalid", "max_attempts", whole, "1.5"),
        (job(r#""max_attempts":"4""#), 400, "invalid", "max_attempts", whole, "\"4\""),
        (
            job(r#""backoff":{"type":"none"}"#),
            400,
            "invalid",
            "backoff.type",
            "one of fixed, linear, exponential",
            "\"none\"",
        ),
        (
            job(r#""backoff":{"type":"fixed","dealy":1}"#),
            400,
            "unknown_field",
            "backoff.dealy",
            "delay or jitter",
            "an unknown field",
        ),
        (
            job(r#""backoff":{"type":"fixed","delay":1,"jitter":2}"#),
            400,
            "invalid",
            "backoff.jitter",
            "a number from 0 to 1",
            "2",
        ),
        (
            job(r#""timeout":0"#),
            400,
            "invalid",
            "timeout",
            "a duration above zero, or null for no limit",
            "0",
        ),
        (job(r#""tags":"nightly""#), 400, "invalid", "tags", "an array", "\"nightly\""),
        (job(r#""tags":["two words"]"#), 400, "invalid", "tags", "without blanks", "\"two words\""),
        (job(r#""retention":"-1h""#), 400, "invalid", "retention", duration, "\"-1h\""),
        (job(r#""id":"17""#), 400, "invalid_id", "id", custom, "\"17\""),
        (job(r#""id":"a:b""#), 400, "invalid_id", "id", custom, "\"a:b\""),
        (job(r#""id":17"#), 400, "invalid", "id", "a text", "17"),
        (
            job(r#""colour":"red""#),
            400,
            "unknown_field",
            "colour",
            "one of kind, queue, args",
            "an unknown field",
        ),
        (text(""), 400, "invalid_json", "body", "one JSON text", "nothing"),
        (text(" \n"), 400, "invalid_json", "body", "one JSON text", "nothing"),
        (text(r#"{"kind":"test.echo""#), 400, "invalid_json", "body", "one JSON text", "line 1, column 19"),
        (
            text(r#"{"kind":"test.echo"} {}"#),
            400,
            "invalid_json",
            "body",
            "one JSON text",
            "trailing characters",
        ),
        (
            text(r#"[{"kind":"test.echo"}],"#),
            400,
            "invalid_json",
            "body",
            "one JSON text",
            "trailing characters",
        ),
        (text("{kind: echo}"), 400, "invalid_json", "body", "one JSON text", "line 1, column 2"),
        (text("\u{feff}{}"), 400, "invalid_json", "body", "one JSON text", "line 1, column 1"),
        (text(r#""test.echo""#), 400, "invalid", "body", "an object", "test.echo"),
        (text("null"), 400, "invalid", "body", "an object", "null"),
        (text(r#"[["test.echo"]]"#), 400, "invalid", "[0]", "an object", "an array"),
        (text("[]"), 400, "invalid", "body", "1 to 1000 jobs", "an array of 0"),
        (many, 400, "too_many", "body", "1 to 1000 jobs", "an array of 1001"),
        (
            format!("{}{{\"kind\":\"test.echo\"}}", " ".repeat(200_000)),
            413,
            "payload_too_large",
            "body",
            "at most 100000 bytes (max_body_bytes)",
            "more",
        ),
    ]
}

/// What is asked besides, and what is said of it: status, code, and words of the message.
const BAD_REQUESTS: &[(&str, &str, u16, &str, &[&str])] = &[
    (
        "GET",
        "/api/v1/jobs?limit=0",
        400,
        "invalid",
        &["limit: expected a whole number from 1 to 1000, got \"0\""],
    ),
    ("GET", "/api/v1/jobs?limit=1001", 400, "invalid", &["limit: ", "\"1001\""]),
    ("GET", "/api/v1/jobs?limit=ten", 400, "invalid", &["limit: ", "\"ten\""]),
    (
        "GET",
        "/api/v1/jobs?limit=1&limit=2",
        400,
        "duplicate_field",
        &["limit: expected one value, got several"],
    ),
    (
        "GET",
        "/api/v1/jobs?cursor=last",
        400,
        "invalid",
        &["cursor: expected the next_cursor of the page before, got \"last\""],
    ),
    (
        "GET",
        "/api/v1/jobs?colour=red",
        400,
        "unknown_field",
        &["colour: expected one of queue, state", "an unknown field"],
    ),
    ("GET", "/api/v1/jobs?state=waiting", 400, "invalid", &["state: expected one of blocked", "\"waiting\""]),
    ("GET", "/api/v1/jobs?queue=%20a", 400, "invalid_name", &["queue: expected ", "\" a\""]),
    ("GET", "/api/v1/jobs?q=colour:red", 400, "invalid", &["q: expected ", "colour:"]),
    ("GET", "/api/v1/jobs?q=state:foo", 400, "invalid", &["q: expected ", "got state:foo"]),
    ("GET", "/api/v1/jobs?q=%22unclosed", 400, "invalid", &["q: expected a second quote"]),
    ("POST", "/api/v1/jobs?mode=sync", 400, "unknown_field", &["mode: ", "an unknown field"]),
    ("POST", "/api/v1/pdf?mode=sync", 400, "unknown_field", &["mode: "]),
    ("GET", "/api/v1/jobs/17", 400, "invalid_id", &["id: expected a UUID", "\"17\""]),
    ("GET", "/api/v1/jobs/%FF", 400, "invalid_id", &["id: expected percent-encoded UTF-8, got /jobs/%FF"]),
    ("GET", "/api/v1/jobs/a:b/result", 400, "invalid_id", &["\"a:b\""]),
    ("GET", "/api/v1/jobs/a%0Ab/events", 400, "invalid_id", &["\"a\\nb\""]),
    ("POST", "/api/v1/jobs/17/cancel", 400, "invalid_id", &["\"17\""]),
    ("POST", "/api/v1/jobs/17/retry", 400, "invalid_id", &["\"17\""]),
    ("DELETE", "/api/v1/jobs/17", 400, "invalid_id", &["\"17\""]),
    ("GET", "/api/v1/jobs/unknown", 404, "not_found", &["there is no job unknown"]),
    ("GET", "/api/v1/jobs/unknown?wait=30", 404, "not_found", &["there is no job unknown"]),
    ("GET", "/api/v1/jobs/unknown/result", 404, "not_found", &["there is no job unknown"]),
    ("GET", "/api/v1/jobs/unknown/events", 404, "not_found", &["there is no job unknown"]),
    ("POST", "/api/v1/jobs/unknown/cancel", 404, "not_found", &["there is no job unknown"]),
    ("POST", "/api/v1/jobs/unknown/retry", 404, "not_found", &["there is no job unknown"]),
    ("POST", "/api/v1/jobs/unknown/cancel?force=true", 400, "unknown_field", &["force: "]),
    ("DELETE", "/api/v1/jobs/unknown", 404, "not_found", &["there is no job unknown"]),
    (
        "DELETE",
        "/api/v1/jobs/unknown?force=yes",
        400,
        "invalid",
        &["force: expected true or false, got \"yes\""],
    ),
    ("GET", "/api/v1/jobs/x?wait=long", 400, "invalid_duration", &["wait: expected a duration", "\"long\""]),
    ("GET", "/api/v1/jobs/x?wait=-1", 400, "invalid_duration", &["wait: expected a duration", "\"-1\""]),
    ("GET", "/api/v1/queues/none", 404, "not_found", &["there is no queue none"]),
    ("POST", "/api/v1/queues/none/pause", 404, "not_found", &["there is no queue none"]),
    ("POST", "/api/v1/queues/none/resume", 404, "not_found", &["there is no queue none"]),
    ("POST", "/api/v1/queues/none/drain", 404, "not_found", &["there is no queue none"]),
    (
        "POST",
        "/api/v1/queues/none/drain?include_scheduled=1",
        400,
        "invalid",
        &["include_scheduled: expected true or false, got \"1\""],
    ),
    ("GET", "/api/v1/queues/%FF", 400, "invalid_name", &["queue: expected percent-encoded UTF-8"]),
    ("GET", "/api/v1/queues/%20", 400, "invalid_name", &["queue: expected 1 to 128 bytes", "\" \""]),
    (
        "GET",
        "/api/v1/events?state=waiting",
        400,
        "invalid",
        &["state: expected one of blocked", "\"waiting\""],
    ),
    (
        "GET",
        "/api/v1/events?event=job:done",
        400,
        "invalid",
        &["event: expected one of job:added", "\"job:done\""],
    ),
    ("GET", "/api/v1/events?event=jobs*", 400, "invalid", &["or job:*, queue:*", "\"jobs*\""]),
    ("GET", "/api/v1/events?queue=", 400, "invalid_name", &["queue: expected "]),
    (
        "GET",
        "/api/v1/events?jobs=all",
        400,
        "unknown_field",
        &["jobs: expected one of queue, kind, event, state"],
    ),
    ("GET", "/api/v1/nowhere", 404, "not_found", &["GET /api/v1/nowhere", "/api/v1/openapi.json"]),
    ("GET", "/", 404, "not_found", &["GET /"]),
    ("GET", "/api/v1/jobs/", 404, "not_found", &["GET /api/v1/jobs/"]),
    ("PUT", "/api/v1/jobs", 405, "method_not_allowed", &["/api/v1/jobs", "PUT"]),
    ("POST", "/api/v1/jobs/x", 405, "method_not_allowed", &["POST"]),
    ("GET", "/api/v1/pdf", 405, "method_not_allowed", &["GET"]),
    ("DELETE", "/health", 405, "method_not_allowed", &["DELETE"]),
    ("POST", "/api/v1/openapi.json", 405, "method_not_allowed", &["POST"]),
];

fn small() -> Plan {
    let config = ApiConfig { max_job_payload_bytes: 1_024, max_body_bytes: 100_000, ..ApiConfig::default() };
    Plan { config, worker: false, pdf: true, ..Plan::default() }
}

#[tokio::test]
async fn bad_jobs_are_refused_by_field_and_nothing_is_stored() {
    let house = House::build(small()).await;
    for (body, status, code, field, expected, got) in bad_jobs() {
        let shown = body.chars().take(100).collect::<String>();
        let refusal = house.client.post("/api/v1/jobs", body).await.refused(status, code);
        let details = &refusal.details;
        let is = |part: &str, words: &str| details[part].as_str().is_some_and(|told| told.contains(words));
        assert_eq!(details["field"], field, "{shown}: {refusal:?}");
        assert!(is("expected", expected) && is("got", got), "{shown}: {refusal:?}");
        let said = format!(
            "{field}: expected {}, got {}",
            details["expected"].as_str().unwrap(),
            details["got"].as_str().unwrap()
        );
        assert_eq!(refusal.message, said);
    }
    assert_eq!(house.jobs().await, 0);
}

#[tokio::test]
async fn bad_requests_are_refused_with_words_and_nothing_changes() {
    let house = House::build(small()).await;
    for (method, path, status, code, words) in BAD_REQUESTS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let reply = house.client.send(method.clone(), path, &[], "").await;
        let refusal = reply.refused(*status, code);
        assert!(words.iter().all(|word| refusal.message.contains(word)), "{method} {path}: {refusal:?}");
        if *status == 405 {
            assert!(!refusal.headers["allow"].is_empty(), "{method} {path}");
        }
    }
    assert_eq!(house.jobs().await, 0);
    assert_eq!(house.engine.control().queues().await.unwrap(), []);
}

#[tokio::test]
async fn an_unknown_kind_is_answered_with_those_that_are_known() {
    let house = House::asleep().await;
    let refusal = house.client.post("/api/v1/jobs", r#"{"kind":"none"}"#).await.refused(400, "unknown_kind");
    let known = json!(["test.echo", "test.fail", "test.hold", "test.nothing", "test.steps"]);
    assert_eq!(refusal.details["known"], known);
}

#[tokio::test]
async fn a_body_without_a_length_meets_the_same_limit() {
    let house = House::build(small()).await;
    let mut raw = crate::connection::Raw::open(house.client).await;
    raw.send(b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    // A little over the limit, so that everything fits into the socket and the answer is not lost.
    for _ in 0..2 {
        raw.send(format!("{:x}\r\n{}\r\n", 50_001, " ".repeat(50_001)).as_bytes()).await;
    }
    let answer = raw.until("\"correlation_id\"").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("payload_too_large"), "{answer}");
}

#[tokio::test]
async fn a_job_in_the_wrong_state_stays_as_it_is() {
    let house = House::open().await;
    let done = house.client.submit(json!({ "kind": "test.echo", "args": 1 })).await;
    assert_eq!(house.client.ended(&done).await["state"], "completed");
    let waiting = house.client.submit(json!({ "kind": "test.echo", "delay": "1h" })).await;
    for (id, what, state) in
        [(&done, "cancel", "completed"), (&done, "retry", "completed"), (&waiting, "retry", "scheduled")]
    {
        let before = house.client.job(id).await;
        let reply = house.client.post(&format!("/api/v1/jobs/{id}/{what}"), "").await;
        let refusal = reply.refused(409, "wrong_state");
        assert_eq!(refusal.details["state"], state);
        assert!(refusal.message.contains(state) && refusal.message.contains("only a"), "{refusal:?}");
        assert_eq!(house.client.job(id).await, before);
    }
}

#[tokio::test]
async fn the_first_and_the_last_byte_of_a_limit_are_taken() {
    let house = House::build(small()).await;
    let args = "x".repeat(1_022);
    let body = format!(r#"{{"kind":"test.echo","args":"{args}"}}"#);
    let padded = format!("{}{body}", " ".repeat(100_000 - body.len()));
    assert_eq!(house.client.post("/api/v1/jobs", padded).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_nobody_reads_is_not_taken_for_said() {
    let house = House::asleep().await;
    let client = &house.client;
    client.submit(json!({ "kind": "test.echo", "queue": "q", "id": "x", "delay": "1h" })).await;
    client
        .post("/api/v1/schedules", json!({ "name": "s", "every": "1h", "kind": "test.echo" }).to_string())
        .await;
    for path in [
        "/api/v1/queues/q/drain",
        "/api/v1/queues/q/purge?state=scheduled",
        "/api/v1/queues/q/pause",
        "/api/v1/queues/q/retry",
        "/api/v1/jobs/x/cancel",
        "/api/v1/jobs/x/retry",
        "/api/v1/schedules/s/run-now",
        "/api/v1/schedules/s/pause",
    ] {
        let refused = client.post(path, "{\"include_scheduled\": true}").await.json(StatusCode::BAD_REQUEST);
        assert_eq!(refused["error"]["details"]["field"], "body", "{path}");
    }
    assert_eq!(client.job("x").await["state"], "scheduled", "nothing was changed");
    client.post("/api/v1/queues/q/pause", "{}").await.json(StatusCode::OK);
    for (path, body) in [
        ("/api/v1/schedules", r#"{"name":"a","name":"b","kind":"test.echo","every":"1h"}"#),
        ("/api/v1/schedules", r#"{"name":"a","kind":"test.echo","kind":"test.fail","every":"1h"}"#),
    ] {
        let refused = client.post(path, body).await.json(StatusCode::BAD_REQUEST);
        assert_eq!(refused["error"]["code"], "duplicate_field", "{refused}");
    }
    let refused = client.post("/api/v1/schedules", r#"{"name":"a","kind":"test.echo","evry":"1h"}"#).await;
    let refused = refused.json(StatusCode::BAD_REQUEST);
    let expected = refused["error"]["details"]["expected"].as_str().unwrap();
    assert!(expected.contains("max_attempts") && expected.contains("every"), "{refused}");
}
