//! Queues and workers.

use hyper::StatusCode;
use longshore_core::EventName;
use serde_json::{Value, json};

use crate::client::soon;
use crate::house::{House, Plan};

#[tokio::test]
async fn queues_are_listed_with_their_counts() {
    let house = House::asleep().await;
    let nothing = house.client.get("/api/v1/queues").await.json(StatusCode::OK);
    assert_eq!(nothing, json!({ "queues": [] }));
    for job in [
        json!({ "kind": "test.echo", "queue": "mail" }),
        json!({ "kind": "test.echo", "queue": "mail", "delay": "1h" }),
        json!({ "kind": "test.echo", "queue": "a/b c" }),
    ] {
        house.client.submit(job).await;
    }
    let all = house.client.get("/api/v1/queues").await.json(StatusCode::OK);
    let names: Vec<_> = all["queues"].as_array().unwrap().iter().map(|queue| &queue["name"]).collect();
    assert_eq!(names, ["a/b c", "mail"]);
    let mail = house.client.get("/api/v1/queues/mail").await.json(StatusCode::OK);
    for (key, value) in all["queues"][1].as_object().unwrap() {
        assert_eq!(mail[key], *value, "{key}");
    }
    assert!(mail["oldest_ready_age"].as_f64().is_some_and(|age| age >= 0.0));
    assert_eq!((&mail["workers"], &mail["kinds_without_worker"]), (&json!([]), &json!(["test.echo"])));
    let counts = json!({
        "blocked": 0, "scheduled": 1, "ready": 1, "running": 0, "completed": 0, "failed": 0, "cancelled": 0
    });
    assert_eq!((&mail["counts"], &mail["paused"]), (&counts, &json!(false)));
    assert!(mail["oldest_ready_at"].is_string());
    let odd = house.client.get("/api/v1/queues/a%2Fb%20c").await.json(StatusCode::OK);
    assert_eq!(odd["name"], "a/b c");
}

#[tokio::test]
async fn a_paused_queue_hands_out_nothing_until_it_is_resumed() {
    for sqlite in [false, true] {
        let house = House::build(Plan { sqlite, ..Plan::default() }).await;
        let client = house.client;
        client.submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h" })).await;
        let paused = client.post("/api/v1/queues/mail/pause", "").await.json(StatusCode::OK);
        assert_eq!((&paused["name"], &paused["paused"]), (&json!("mail"), &json!(true)));
        let held = client.submit(json!({ "kind": "test.echo", "queue": "mail" })).await;
        // The same worker comes by for others, again and again.
        for _ in 0..3 {
            let other = client.submit(json!({ "kind": "test.echo", "queue": "post" })).await;
            assert_eq!(client.ended(&other).await["state"], "completed");
        }
        let job = client.job(&held).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("ready"), &json!(0)));
        let resumed = client.post("/api/v1/queues/mail/resume", "").await.json(StatusCode::OK);
        assert_eq!(resumed["paused"], false);
        assert_eq!(client.ended(&held).await["state"], "completed");
    }
}

#[tokio::test]
async fn pausing_twice_is_fine() {
    let house = House::asleep().await;
    house.client.submit(json!({ "kind": "test.echo", "queue": "mail" })).await;
    for (what, paused) in [("pause", true), ("pause", true), ("resume", false), ("resume", false)] {
        let queue = house.client.post(&format!("/api/v1/queues/mail/{what}"), "").await.json(StatusCode::OK);
        assert_eq!(queue["paused"], paused);
    }
}

#[tokio::test]
async fn a_drain_removes_what_is_ready_and_only_if_asked_what_waits_for_a_time() {
    let house = House::asleep().await;
    for (id, delay) in [("a", 0), ("b", 0), ("later", 3_600)] {
        house.client.submit(json!({ "kind": "test.echo", "queue": "mail", "id": id, "delay": delay })).await;
    }
    house.client.submit(json!({ "kind": "test.echo", "queue": "post", "id": "other" })).await;
    let mut drained = house.client.post("/api/v1/queues/mail/drain", "").await.json(StatusCode::OK);
    drained["ids"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(drained, json!({ "removed": 2, "ids": ["a", "b"] }));
    let path = "/api/v1/queues/mail/drain?include_scheduled=true";
    let drained = house.client.post(path, "").await.json(StatusCode::OK);
    assert_eq!(drained, json!({ "removed": 1, "ids": ["later"] }));
    let drained = house.client.post(path, "").await.json(StatusCode::OK);
    assert_eq!(drained, json!({ "removed": 0, "ids": [] }));
    assert_eq!(house.client.job("other").await["state"], "ready");
}

#[tokio::test]
async fn workers_are_listed_and_alive() {
    let house = House::open().await;
    let workers = house.client.get("/api/v1/workers").await.json(StatusCode::OK);
    let [worker] = workers["workers"].as_array().unwrap().as_slice() else { panic!("{workers}") };
    assert_eq!((&worker["alive"], &worker["stopping"]), (&json!(true), &json!(false)));
    assert_eq!((&worker["queues"], &worker["concurrency"]), (&json!([]), &json!(10)));
    let kinds = json!(["test.echo", "test.fail", "test.hold", "test.nothing", "test.steps"]);
    assert_eq!(worker["kinds"], kinds);
}

#[tokio::test]
async fn kinds_of_workers_elsewhere_are_found_by_asking() {
    let house = House::asleep().await;
    let mut events = house.engine.hub().subscribe();
    let worker = longshore_runtime::Worker::new(house.engine.clone()).all_queues();
    let worker = worker.handle("elsewhere.work", async || Ok::<(), longshore_runtime::Outcome>(()));
    let (stop, running) = (house.stop.clone(), worker);
    let running = tokio::spawn(async move { running.run_until(stop).await });
    while soon(events.next()).await.unwrap().event.event != EventName::WorkerUp {}
    let id = house.client.submit(json!({ "kind": "elsewhere.work" })).await;
    assert_eq!(house.client.ended(&id).await["state"], "completed");
    house.stop.drain();
    soon(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_purge_removes_what_ended_in_one_state_and_long_enough_ago() {
    let house = House::open().await;
    let client = house.client;
    for kind in ["test.echo", "test.echo", "test.fail"] {
        let id = client.submit(json!({ "kind": kind, "queue": "mail", "max_attempts": 1 })).await;
        client.ended(&id).await;
    }
    let path = "/api/v1/queues/mail/purge";
    let purged = client.post(&format!("{path}?state=completed&grace=1h"), "").await.json(StatusCode::OK);
    assert_eq!(purged["removed"], 0);
    let purged = client.post(&format!("{path}?state=completed&limit=1"), "").await.json(StatusCode::OK);
    assert_eq!(purged["removed"], 1);
    for (query, field) in [("", "state"), ("?state=running", "state"), ("?state=failed&limit=x", "limit")] {
        let refused = client.post(&format!("{path}{query}"), "").await.json(StatusCode::BAD_REQUEST);
        assert_eq!(refused["error"]["details"]["field"], field);
    }
    let purged = client.post("/api/v1/queues/mail/purge?state=failed&q=kind:nothing", "").await;
    assert_eq!(purged.json(StatusCode::OK)["removed"], 0, "none of them match");
    let retried = client.post("/api/v1/queues/mail/retry?q=kind:test.*", "").await.json(StatusCode::OK);
    assert_eq!(retried["retried"], 1);
}

#[tokio::test]
async fn a_queue_is_obliterated_with_all_it_has_but_only_by_force_while_jobs_run() {
    let house = House::open().await;
    let client = house.client;
    client.submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h" })).await;
    client.submit(json!({ "kind": "test.hold", "queue": "mail" })).await;
    house.gate.arrived().await;
    for query in ["", "?confirm=post", "?confirm=post&force=true"] {
        client.delete(&format!("/api/v1/queues/mail{query}")).await.refused(400, "invalid");
    }
    let busy = client.delete("/api/v1/queues/mail?confirm=mail").await.json(StatusCode::CONFLICT);
    assert_eq!(
        (&busy["error"]["code"], &busy["error"]["details"]["running"]),
        (&json!("queue_busy"), &json!(1))
    );
    let gone = client.delete("/api/v1/queues/mail?force=true").await.json(StatusCode::OK);
    assert_eq!(gone["removed"], 2);
    assert_eq!(client.get("/api/v1/queues/mail").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_job_tells_why_it_is_not_running() {
    let house = House::open().await;
    let client = house.client;
    client.submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h", "id": "later" })).await;
    client.submit(json!({ "kind": "test.echo", "id": "child", "depends_on": ["later"] })).await;
    client.put("/api/v1/queues/slow", &json!({ "concurrency": 1 })).await.json(StatusCode::OK);
    client.submit(json!({ "kind": "test.hold", "queue": "slow", "id": "held" })).await;
    house.gate.arrived().await;
    client.submit(json!({ "kind": "test.hold", "queue": "slow", "id": "waits" })).await;
    client.post("/api/v1/queues/mail/pause", "").await.json(StatusCode::OK);
    client.submit(json!({ "kind": "test.echo", "queue": "mail", "id": "paused" })).await;
    for (id, code, words) in [
        ("later", "scheduled", "it is scheduled for 2"),
        ("child", "parent", "parent later is scheduled"),
        ("held", "running", "it is running on "),
        ("waits", "concurrency", "its queue is at 1/1, held by held"),
        ("paused", "paused", "queue mail is paused"),
    ] {
        let why = client.get(&format!("/api/v1/jobs/{id}/why")).await.json(StatusCode::OK);
        let reasons = why["reasons"].as_array().unwrap();
        let told = reasons.iter().find(|reason| reason["code"] == code).unwrap_or_else(|| panic!("{why}"));
        assert!(told["message"].as_str().unwrap().starts_with(words), "{why}");
    }
    assert_eq!(client.get("/api/v1/jobs/nobody/why").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn failed_jobs_are_shown_in_groups() {
    let house = House::open().await;
    let client = &house.client;
    client.get("/api/v1/queues/mail/failures").await.json(StatusCode::NOT_FOUND);
    for _ in 0..2 {
        let id = client.submit(json!({ "kind": "test.fail", "queue": "mail", "max_attempts": 1 })).await;
        client.ended(&id).await;
    }
    let groups = client.get("/api/v1/queues/mail/failures").await.json(StatusCode::OK);
    let group = &groups["failures"][0];
    assert_eq!(
        (&group["kind"], &group["reason"], &group["jobs"]),
        (&json!("test.fail"), &json!("by_handler"), &json!(2))
    );
    let print = group["fingerprint"].as_str().unwrap();
    let retry = format!("/api/v1/queues/mail/retry?q=fingerprint:{print}");
    assert_eq!(client.post(&retry, "").await.json(StatusCode::OK)["retried"], 2);
    let bad = client.post("/api/v1/queues/mail/retry?q=fingerprint:xyz", "").await;
    assert!(bad.json(StatusCode::BAD_REQUEST).to_string().contains("16 hexadecimal digits"));
}

#[tokio::test]
async fn a_queue_shows_who_serves_it() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.echo", "queue": "mail" })).await;
    house.client.ended(&id).await;
    let mail = house.client.get("/api/v1/queues/mail").await.json(StatusCode::OK);
    assert_eq!(mail["kinds_without_worker"], json!([]));
    let worker = &mail["workers"][0];
    assert_eq!(
        (&worker["alive"], &worker["health"], &worker["ttl"]),
        (&json!(true), &json!("healthy"), &json!(30))
    );
    assert!(worker["running_jobs"].is_array() && worker["buffered_jobs"].is_array());
}

#[tokio::test]
async fn jobs_are_chosen_by_their_ids_or_by_a_filter() {
    let house = House::asleep().await;
    let client = house.client;
    for id in ["a", "b", "c", "d"] {
        client.submit(json!({ "kind": "test.echo", "queue": "mail", "id": id, "tags": [id] })).await;
    }
    client.submit(json!({ "kind": "test.echo", "queue": "post", "id": "other" })).await;
    let ask = async |what: &str, body: Value| {
        let path = format!("/api/v1/queues/mail/jobs/{what}");
        client.post(&path, body.to_string()).await.json(StatusCode::OK)
    };
    let done = ask("cancel", json!({ "ids": ["a", "nobody", "other", "b"] })).await;
    assert_eq!((&done["changed"], &done["ids"]), (&json!(2), &json!(["a", "b"])));
    let codes: Vec<_> =
        done["refused"].as_array().unwrap().iter().map(|one| (&one["id"], &one["code"])).collect();
    assert_eq!(codes, [(&json!("nobody"), &json!("not_found")), (&json!("other"), &json!("not_found"))]);
    assert_eq!(client.job("other").await["state"], "ready");
    let done = ask("retry", json!({ "ids": ["a", "c"] })).await;
    assert_eq!((&done["ids"], &done["refused"][0]["code"]), (&json!(["a"]), &json!("wrong_state")));
    let done = ask("cancel", json!({ "q": "tag:c", "limit": 1 })).await;
    assert_eq!((&done["ids"], &done["refused"]), (&json!(["c"]), &json!([])));
    let done = ask("remove", json!({ "q": "kind:test.*" })).await;
    assert_eq!(done["changed"], 4);
    assert_eq!(client.get("/api/v1/queues/mail").await.json(StatusCode::OK)["counts"]["ready"], 0);
    for (what, body, field) in [
        ("retry", json!({}), "ids"),
        ("retry", json!({ "ids": [], "q": "x" }), "ids"),
        ("retry", json!({ "ids": ["a"], "limit": 1 }), "limit"),
        ("cancel", json!({ "ids": ["a"], "force": true }), "force"),
        ("remove", json!({ "ids": vec!["a"; 1_001] }), "ids"),
        ("remove", json!({ "q": "state:gone" }), "q"),
        ("remove", json!({ "q": " " }), "q"),
        ("remove", json!({ "ids": ["12"] }), "ids[0]"),
    ] {
        let path = format!("/api/v1/queues/mail/jobs/{what}");
        let error = client.post(&path, body.to_string()).await.json(StatusCode::BAD_REQUEST);
        assert!(error["error"]["details"]["field"].as_str().unwrap().starts_with(field), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_retry_of_all_tells_which_job_another_one_stands_in_the_way_of() {
    let house = House::open().await;
    let client = &house.client;
    let broken = json!({ "kind": "test.fail", "queue": "mail", "id": "first", "unique": { "key": "k" }, "max_attempts": 1 });
    client.submit(broken).await;
    assert_eq!(client.ended("first").await["state"], "failed");
    client.submit(json!({ "kind": "test.echo", "queue": "mail", "id": "second", "unique": { "key": "k" }, "delay": "1h" })).await;
    let done = client.post("/api/v1/queues/mail/retry", "").await.json(StatusCode::OK);
    assert_eq!((&done["retried"], &done["refused"][0]["id"]), (&json!(0), &json!("first")));
    assert_eq!(done["refused"][0]["code"], "unique_conflict");
    assert!(done["refused"][0]["message"].as_str().unwrap().contains("second"));
}

#[tokio::test]
async fn a_part_of_the_retention_is_changed_alone() {
    let house = House::asleep().await;
    let put = async |body: Value| {
        house.client.put("/api/v1/queues/mail", &body).await.json(StatusCode::OK)["retention"].clone()
    };
    let usual = put(json!({})).await;
    let changed = put(json!({ "retention": { "failed": "1h", "most": 7 } })).await;
    assert_eq!((&changed["failed"], &changed["most"]), (&json!(3_600), &json!(7)));
    assert_eq!((&changed["completed"], &changed["cancelled"]), (&usual["completed"], &usual["cancelled"]));
}

#[tokio::test]
async fn words_that_name_another_queue_are_refused_and_change_nothing() {
    let house = House::asleep().await;
    let client = house.client;
    client.submit(json!({ "kind": "test.echo", "queue": "mail", "id": "a" })).await;
    for (path, body) in [
        ("/api/v1/queues/mail/jobs/remove", r#"{"q": "queue:other"}"#),
        ("/api/v1/queues/mail/jobs/cancel", r#"{"q": "queue:other"}"#),
        ("/api/v1/queues/mail/purge?state=ready&q=queue:other", ""),
        ("/api/v1/queues/mail/purge?state=ready&q=state:failed", ""),
        ("/api/v1/queues/mail/retry?q=queue:other", ""),
        ("/api/v1/queues/mail/retry?q=state:ready", ""),
    ] {
        let refused = client.post(path, body).await.json(StatusCode::BAD_REQUEST);
        assert_eq!(refused["error"]["details"]["field"], "q", "{path}: {refused}");
    }
    for path in ["queue=mail&q=queue:other", "kind=test.echo&q=kind:x", "state=ready&q=state:failed"] {
        client.get(&format!("/api/v1/jobs?{path}")).await.json(StatusCode::BAD_REQUEST);
    }
    let both = client.get("/api/v1/jobs?queue=mail&q=queue:mail").await.json(StatusCode::OK);
    assert_eq!(both["jobs"][0]["state"], "ready");
}
