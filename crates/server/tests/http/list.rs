//! Listing jobs: filters, and pages that show each job once.

use std::collections::HashSet;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::client::Client;
use crate::house::{House, Plan};

async fn ids(client: Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("/api/v1/jobs?{query}")).await.json(StatusCode::OK);
    let jobs = page["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_pick_jobs_and_join() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        let client = house.client;
        for job in [
            json!({ "id": "a", "kind": "test.echo", "queue": "mail", "tags": ["eu"] }),
            json!({ "id": "b", "kind": "test.echo", "queue": "mail", "delay": "1h", "tags": ["eu", "us"] }),
            json!({ "id": "c", "kind": "test.fail", "queue": "mail", "args": "needle" }),
            json!({ "id": "d", "kind": "test.echo", "queue": "post", "tags": ["us"] }),
        ] {
            client.submit(job).await;
        }
        for (query, found) in [
            ("", &["d", "c", "b", "a"][..]),
            ("queue=mail", &["c", "b", "a"]),
            ("state=scheduled", &["b"]),
            ("state=scheduled,ready&queue=mail", &["c", "b", "a"]),
            ("state=failed", &[]),
            ("kind=test.fail", &["c"]),
            ("kind=test.*", &["d", "c", "b", "a"]),
            ("tag=us", &["d", "b"]),
            ("q=needle", &["c"]),
            ("q=tag:us%20queue:post", &["d"]),
            ("q=tag:eu&tag=us", &["b"]),
            ("queue=none", &[]),
            ("limit=2", &["d", "c"]),
        ] {
            assert_eq!(ids(client, query).await, found, "{query}");
        }
    }
}

#[tokio::test]
async fn the_cursor_walks_over_every_job_exactly_once() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        let client = house.client;
        let batch: Vec<Value> =
            (0..57).map(|n| json!({ "kind": "test.echo", "id": format!("job-{n}") })).collect();
        client.post("/api/v1/jobs", json!(batch).to_string()).await.json(StatusCode::ACCEPTED);
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = client.get(&format!("/api/v1/jobs?limit=10{cursor}")).await.json(StatusCode::OK);
            let jobs = page["jobs"].as_array().unwrap();
            assert!(jobs.len() <= 10);
            seen.extend(jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
            // What comes in meanwhile is newer than the place of the cursor.
            client.submit(json!({ "kind": "test.echo", "id": format!("late-{pages}") })).await;
            pages += 1;
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), 57);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 57);
        assert_eq!((&*seen[0], &*seen[56]), ("job-56", "job-0"));
        assert!((6..=7).contains(&pages), "{pages}");
    }
}

#[tokio::test]
async fn an_empty_store_lists_nothing() {
    let house = House::asleep().await;
    let page = house.client.get("/api/v1/jobs").await.json(StatusCode::OK);
    assert_eq!(page, json!({ "jobs": [], "next_cursor": null }));
}
