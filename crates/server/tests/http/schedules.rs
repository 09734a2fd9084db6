//! Schedules, and what the calculator of cron expressions tells.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn a_schedule_is_added_shown_changed_and_removed() {
    let house = House::asleep().await;
    let client = &house.client;
    let wanted = json!({
        "name": "nightly report", "cron": "30 2 * * *", "timezone": "Europe/Paris", "kind": "test.echo",
        "queue": "reports", "args": {"month": 7}, "priority": "low", "max_attempts": 2, "tags": ["night"],
        "misfire": "skip", "overlap": "queue", "jitter": 30, "time_ranges": [["00:00", "05:59"]]
    });
    let added = client.post("/api/v1/schedules", wanted.to_string()).await.json(StatusCode::CREATED);
    for field in
        ["name", "cron", "timezone", "kind", "queue", "args", "misfire", "overlap", "time_ranges", "tags"]
    {
        assert_eq!(added[field], wanted[field], "{field}");
    }
    assert_eq!(
        (&added["priority"], &added["paused"], &added["every"]),
        (&json!(9), &json!(false), &Value::Null)
    );
    assert!(added["next_at"].as_str().unwrap().contains("T0"), "{added}");
    let path = "/api/v1/schedules/nightly%20report";
    assert_eq!(client.get(path).await.json(StatusCode::OK), added);
    let changed = json!({ "every": "90s", "kind": "test.echo" });
    let changed = client.put(path, &changed).await.json(StatusCode::OK);
    assert_eq!((&changed["every"], &changed["cron"]), (&json!(90), &Value::Null));
    let all = client.get("/api/v1/schedules").await.json(StatusCode::OK);
    assert_eq!(all["schedules"], json!([changed]));
    for _ in 0..2 {
        let paused = client.post(&format!("{path}/pause"), "").await.json(StatusCode::OK);
        assert_eq!(paused["paused"], true);
    }
    let resumed = client.post(&format!("{path}/resume"), "").await.json(StatusCode::OK);
    assert_eq!((&resumed["paused"], &resumed["next_at"]), (&json!(false), &changed["next_at"]));
    let ran = client.post(&format!("{path}/run-now"), "").await.json(StatusCode::ACCEPTED);
    let job = client.job(ran["id"].as_str().unwrap()).await;
    assert_eq!((&job["schedule"], &job["state"]), (&json!("nightly report"), &json!("ready")));
    assert!(job["nominal_at"].is_string());
    assert_eq!(client.delete(path).await.status, StatusCode::NO_CONTENT);
    for answer in
        [client.get(path).await, client.delete(path).await, client.post(&format!("{path}/pause"), "").await]
    {
        assert_eq!(answer.json(StatusCode::NOT_FOUND)["error"]["code"], "not_found");
    }
}

#[tokio::test]
async fn schedules_that_make_no_sense_are_refused_by_field() {
    let house = House::asleep().await;
    let client = &house.client;
    let base = json!({ "name": "s", "every": "1m", "kind": "test.echo" });
    for (change, code, field) in [
        (json!({ "cron": "* * * * *" }), "invalid", "every"),
        (json!({ "every": null }), "invalid", "every"),
        (json!({ "every": 0 }), "invalid", "every"),
        (json!({ "every": "soon" }), "invalid", "every"),
        (json!({ "every": null, "cron": "61 * * * *" }), "invalid_cron", "cron"),
        (json!({ "every": null, "cron": "0 0 30 2 *" }), "never_fires", "cron"),
        (json!({ "timezone": "Mars/Olympus" }), "invalid_timezone", "timezone"),
        (json!({ "misfire": "maybe" }), "invalid", "misfire"),
        (json!({ "max_fires": 0 }), "invalid", "max_fires"),
        (
            json!({ "start_at": "2030-01-01T00:00:00Z", "end_at": "2029-01-01T00:00:00Z" }),
            "invalid",
            "end_at",
        ),
        (json!({ "time_ranges": [["25:00", "26:00"]] }), "invalid", "time_ranges[0]"),
        (json!({ "delay": "5m" }), "invalid", "delay"),
        (json!({ "id": "mine" }), "invalid", "id"),
        (json!({ "name": "" }), "invalid_name", "name"),
        (json!({ "kind": "test.none" }), "unknown_kind", "kind"),
        (json!({ "max_attempts": 0 }), "invalid", "max_attempts"),
        (json!({ "colour": "red" }), "unknown_field", "colour"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = client.post("/api/v1/schedules", body.to_string()).await.json(StatusCode::BAD_REQUEST);
        let told = (&error["error"]["code"], &error["error"]["details"]["field"]);
        assert_eq!(told, (&json!(code), &json!(field)), "{change}: {error}");
    }
    let none = client.get("/api/v1/schedules").await.json(StatusCode::OK);
    assert_eq!(none, json!({ "schedules": [] }));
}

#[tokio::test]
async fn the_calculator_tells_when_an_expression_is_due() {
    let house = House::asleep().await;
    let client = &house.client;
    let ask = json!({
        "cron_expression": "0 9 * * MON-FRI", "start_date": "2026-03-06T00:00:00Z", "end_date": "2026-03-11T00:00:00Z",
        "timezone": "US/Eastern"
    });
    let answer = client.post("/api/v1/cron/next", ask.to_string()).await.json(StatusCode::OK);
    let times =
        json!(["2026-03-06T09:00:00-05:00", "2026-03-09T09:00:00-04:00", "2026-03-10T09:00:00-04:00"]);
    assert_eq!(
        (&answer["status"], &answer["occurrences"], &answer["count"]),
        (&json!("success"), &times, &json!(3))
    );
    let bad = json!({ "cron_expression": "* * *" });
    let answer = client.post("/api/v1/cron/next", bad.to_string()).await.json(StatusCode::BAD_REQUEST);
    assert_eq!((&answer["status"], &answer["count"]), (&json!("error"), &json!(0)));
    let soon = client.get("/api/v1/cron/next?cron=0%20*%20*%20*%20*&days=2&max_results=5").await;
    let soon = soon.json(StatusCode::OK);
    assert_eq!((soon["rows"].as_array().unwrap().len(), &soon["truncated"]), (5, &json!(true)));
    for query in
        ["cron=*", "cron=@daily&days=31", "cron=@daily&max_results=0", "days=1", "cron=@daily&colour=red"]
    {
        client.get(&format!("/api/v1/cron/next?{query}")).await.json(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_expression_is_validated_and_described() {
    let house = House::asleep().await;
    let ask = |text: &str| json!({ "cron_expression": text }).to_string();
    let fine =
        house.client.post("/api/v1/cron/validate", ask("*/15 9-17 * * 1-5")).await.json(StatusCode::OK);
    assert_eq!((&fine["valid"], fine["preview_occurrences"].as_array().unwrap().len()), (&json!(true), 5));
    assert!(fine["description"].as_str().unwrap().contains("every 15 minutes"), "{fine}");
    let wrong = house.client.post("/api/v1/cron/validate", ask("0 25 * * *")).await.json(StatusCode::OK);
    assert_eq!((&wrong["valid"], &wrong["field"], &wrong["position"]), (&json!(false), &json!(1), &json!(2)));
    assert!(wrong["hint"].is_string());
    let stats = house.client.get("/api/v1/cron/stats").await.json(StatusCode::OK);
    assert!(stats["cron_calculations"]["calculations"].as_u64().unwrap() >= 2, "{stats}");
}

#[tokio::test]
async fn a_batch_makes_one_job_for_each_name_and_time() {
    let house = House::asleep().await;
    let ask = json!({
        "schedule_id": "backfill",
        "schedule_config": {
            "cron_expression": "0 0 * * *", "start_date": "2090-01-01T00:00:00Z", "end_date": "2090-01-05T00:00:00Z"
        },
        "job": { "kind": "test.echo", "queue": "batch" }
    });
    let made = house.client.post("/api/v1/cron/batch", ask.to_string()).await.json(StatusCode::ACCEPTED);
    assert_eq!((&made["jobs_created"], made["occurrences"].as_array().unwrap().len()), (&json!(3), 3));
    let again = house.client.post("/api/v1/cron/batch", ask.to_string()).await.json(StatusCode::ACCEPTED);
    assert_eq!((&again["jobs_created"], again["jobs"].as_array().unwrap().len()), (&json!(0), 3));
    let queue = house.client.get("/api/v1/queues/batch").await.json(StatusCode::OK);
    assert_eq!(queue["counts"]["scheduled"], 3);
}
