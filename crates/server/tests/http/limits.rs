//! What operators set on queues and kinds.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn a_queue_runs_no_more_jobs_than_it_may_and_all_of_them_in_the_end() {
    let house = House::open().await;
    let client = &house.client;
    let set = client.put("/api/v1/queues/slow", &json!({ "concurrency": 1 })).await.json(StatusCode::OK);
    assert_eq!(set["limits"], json!([{ "concurrency": 1 }]));
    let first = client.submit(json!({ "kind": "test.hold", "queue": "slow" })).await;
    let second = client.submit(json!({ "kind": "test.hold", "queue": "slow" })).await;
    house.gate.arrived().await;
    for _ in 0..3 {
        let other = client.submit(json!({ "kind": "test.echo", "queue": "other" })).await;
        assert_eq!(client.ended(&other).await["state"], "completed");
    }
    let states = [client.job(&first).await["state"].clone(), client.job(&second).await["state"].clone()];
    assert_eq!(states, ["running", "ready"]);
    house.gate.pass();
    house.gate.arrived().await;
    house.gate.pass();
    for id in [first, second] {
        assert_eq!(client.ended(&id).await["state"], "completed");
    }
}

#[tokio::test]
async fn a_tenant_at_its_limit_holds_up_no_other() {
    let house = House::open().await;
    let client = &house.client;
    let limits = json!({ "limits": [{ "key": "args.tenant", "concurrency": 1 }] });
    client.put("/api/v1/queues/fair", &limits).await.json(StatusCode::OK);
    let of = |tenant: &str| json!({ "kind": "test.hold", "queue": "fair", "args": { "tenant": tenant } });
    let held = client.submit(of("a")).await;
    house.gate.arrived().await;
    let waits = client.submit(of("a")).await;
    let other = client.submit(of("b")).await;
    house.gate.arrived().await;
    assert_eq!(client.job(&waits).await["state"], "ready");
    assert_eq!(client.job(&other).await["state"], "running");
    client.put("/api/v1/queues/fair", &json!({ "limits": [] })).await.json(StatusCode::OK);
    house.gate.arrived().await;
    (0..3).for_each(|_| house.gate.pass());
    for id in [held, waits, other] {
        assert_eq!(client.ended(&id).await["state"], "completed");
    }
}

#[tokio::test]
async fn a_rate_spaces_starts_and_none_takes_it_off() {
    let house = House::open().await;
    let client = &house.client;
    let path = "/api/v1/queues/paced";
    let rate = json!({ "rate_limit": 1, "rate_interval": "1h", "rate_burst": 2, "ageing": "1m" });
    let set = client.put(path, &rate).await.json(StatusCode::OK);
    assert_eq!(set["limits"], json!([{ "rate": 1, "interval": 3600, "burst": 2 }]));
    assert_eq!(set["ageing"], 60);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.submit(json!({ "kind": "test.echo", "queue": "paced" })).await);
    }
    for id in &ids[..2] {
        assert_eq!(client.ended(id).await["state"], "completed");
    }
    assert_eq!(client.job(&ids[2]).await["state"], "ready");
    let off = client.put(path, &json!({ "rate_limit": null, "ageing": null })).await.json(StatusCode::OK);
    assert_eq!((&off["limits"], &off["ageing"]), (&json!([]), &Value::Null));
    assert_eq!(client.ended(&ids[2]).await["state"], "completed");
}

#[tokio::test]
async fn a_kind_is_limited_everywhere() {
    let house = House::open().await;
    let client = &house.client;
    let limits = json!({ "limits": [{ "concurrency": 1 }] });
    assert_eq!(client.put("/api/v1/kinds/test.hold", &limits).await.status, StatusCode::NO_CONTENT);
    let kinds = client.get("/api/v1/kinds").await.json(StatusCode::OK);
    assert_eq!(kinds["kinds"], json!([{ "name": "test.hold", "limits": [{ "concurrency": 1 }] }]));
    let mut ids = Vec::new();
    for queue in ["a", "b"] {
        ids.push(client.submit(json!({ "kind": "test.hold", "queue": queue })).await);
    }
    for _ in 0..2 {
        house.gate.arrived().await;
        let counts = client.get("/api/v1/queues").await.json(StatusCode::OK);
        let running =
            counts["queues"].as_array().unwrap().iter().map(|queue| queue["counts"]["running"].as_u64());
        assert_eq!(running.sum::<Option<u64>>(), Some(1));
        house.gate.pass();
    }
    for id in ids {
        assert_eq!(client.ended(&id).await["state"], "completed");
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_by_field() {
    let house = House::asleep().await;
    for (body, field) in [
        (json!({ "concurrency": 0 }), "concurrency"),
        (json!({ "concurrency": -1 }), "concurrency"),
        (json!({ "rate_interval": "1s" }), "rate_limit"),
        (json!({ "rate_limit": 1, "rate_interval": 0 }), "rate_interval"),
        (json!({ "rate_limit": 1, "rate_burst": 0 }), "rate_burst"),
        (json!({ "limits": [{ "key": "tenant", "concurrency": 1 }] }), "limits[0].key"),
        (json!({ "limits": [{ "concurrency": 1 }, { "rate": 2 }] }), "limits[1].key"),
        (json!({ "limits": [], "concurrency": 1 }), "limits"),
        (json!({ "ageing": "1ms" }), "ageing"),
        (json!({ "scan_interval": "1ms" }), "scan_interval"),
        (json!({ "speed": 9 }), "speed"),
    ] {
        let error = house.client.put("/api/v1/queues/q", &body).await.json(StatusCode::BAD_REQUEST);
        assert_eq!(error["error"]["details"]["field"], field, "{body}: {error}");
    }
    let none = house.client.get("/api/v1/queues").await.json(StatusCode::OK);
    assert_eq!(none, json!({ "queues": [] }));
}

#[tokio::test]
async fn a_job_without_the_key_that_its_queue_counts_by_is_refused() {
    let house = House::asleep().await;
    let limits = json!({ "limits": [{ "key": "args.tenant", "concurrency": 1 }] });
    house.client.put("/api/v1/queues/fair", &limits).await.json(StatusCode::OK);
    let job = json!([{ "kind": "test.echo", "queue": "fair", "args": { "tenants": 1 } }]);
    let error = house.client.post("/api/v1/jobs", job.to_string()).await.json(StatusCode::BAD_REQUEST);
    assert_eq!(error["error"]["code"], "invalid_limit_key");
    assert_eq!(error["error"]["details"]["field"], "[0].args.tenant", "{error}");
}
