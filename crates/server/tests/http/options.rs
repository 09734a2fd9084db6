//! What a caller asks for is what the record says.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, Plan};

#[tokio::test]
async fn every_option_lands_in_the_record() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        let backoff = json!({ "type": "exponential", "base": 2, "factor": 3.0, "max": 60, "jitter": 0.5 });
        let id = house
            .client
            .submit(json!({
                "kind": "test.echo", "queue": "mail", "args": { "to": "ann" }, "id": "order-17", "priority": -1.5,
                "run_at": "2099-03-01T13:00:00.25+01:00", "max_attempts": 7, "backoff": backoff,
                "timeout": "1m30s", "tags": ["nightly", "eu"], "retention": "2h"
            }))
            .await;
        let job = house.client.job(&id).await;
        for (field, value) in [
            ("id", json!("order-17")),
            ("kind", json!("test.echo")),
            ("queue", json!("mail")),
            ("args", json!({ "to": "ann" })),
            ("priority", json!(-1.5)),
            ("state", json!("scheduled")),
            ("run_at", json!("2099-03-01T12:00:00.250Z")),
            ("max_attempts", json!(7)),
            ("backoff", backoff.clone()),
            ("timeout", json!(90)),
            ("tags", json!(["nightly", "eu"])),
            ("retention", json!(7_200)),
            ("attempt", json!(0)),
            ("progress", json!(0)),
            ("owner", Value::Null),
            ("result", Value::Null),
            ("finished_at", Value::Null),
        ] {
            assert_eq!(job[field], value, "{field}");
        }
    }
}

#[tokio::test]
async fn what_is_not_said_is_at_its_default() {
    let house = House::asleep().await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    let job = house.client.job(&id).await;
    let told = [&job["queue"], &job["args"], &job["priority"], &job["max_attempts"], &job["timeout"]];
    assert_eq!(told, [&json!("default"), &Value::Null, &json!(5), &json!(4), &json!(3_600)]);
    assert_eq!([&job["tags"], &job["retention"], &job["run_at"]], [&json!([]), &Value::Null, &Value::Null]);
}

#[tokio::test]
async fn a_null_is_no_wish_and_a_null_timeout_is_no_limit() {
    let house = House::asleep().await;
    let job = json!({
        "kind": "test.echo", "queue": null, "priority": null, "delay": null, "run_at": null, "max_attempts": null,
        "backoff": null, "retention": null, "id": null, "timeout": null
    });
    let id = house.client.submit(job).await;
    let job = house.client.job(&id).await;
    assert_eq!([&job["timeout"], &job["max_attempts"]], [&Value::Null, &json!(4)]);
}

#[tokio::test]
async fn priorities_have_names() {
    let house = House::asleep().await;
    for (name, number) in [("high", 1), ("normal", 5), ("low", 9)] {
        let id = house.client.submit(json!({ "kind": "test.echo", "priority": name })).await;
        assert_eq!(house.client.job(&id).await["priority"], number);
    }
}

#[tokio::test]
async fn a_delay_counts_from_now() {
    let house = House::asleep().await;
    for delay in [json!(600), json!("10m")] {
        let earliest = house.ahead(Duration::from_secs(600)).to_string();
        let id = house.client.submit(json!({ "kind": "test.echo", "delay": delay })).await;
        let latest = house.ahead(Duration::from_secs(600)).to_string();
        let job = house.client.job(&id).await;
        let run_at = job["run_at"].as_str().unwrap();
        assert!((&*earliest..=&*latest).contains(&run_at), "{earliest} {run_at} {latest}");
    }
}

#[tokio::test]
async fn a_time_that_has_passed_is_no_reason_to_wait() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.nothing", "run_at": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(house.client.ended(&id).await["state"], "completed");
}

#[tokio::test]
async fn args_come_back_byte_for_byte() {
    for sqlite in [false, true] {
        let house = House::build(Plan { sqlite, ..Plan::default() }).await;
        for args in [
            "[]",
            "[[],{}]",
            "1152921504606846977",
            "0.30000000000000004",
            "123456789012345678901234567890",
            r#"{"b" :  1, "a":2,"b":3}"#,
            r#""\u00e9\/é""#,
            "{\"lines\":\n [1,\r\n2]}",
            "1e2",
            "\"\"",
        ] {
            let id = house.client.submit(format!(r#"{{"kind":"test.echo","args":{args}}}"#)).await;
            let record = house.client.get(&format!("/api/v1/jobs/{id}?wait=40")).await;
            assert_eq!(record.status, StatusCode::OK);
            assert!(record.text().contains(&format!(r#""args":{args},"#)), "{args}: {}", record.text());
            // The handler got it as well as it gave it back.
            assert!(record.text().contains(&format!(r#""result":{args},"#)), "{args}: {}", record.text());
        }
    }
}
