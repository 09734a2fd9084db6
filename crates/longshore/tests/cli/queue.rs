use serde_json::json;

use crate::support::{Site, get, look};

fn count(site: &Site, queue: &str, state: &str) -> u64 {
    site.json(&["queue", "info", queue])["counts"][state].as_u64().unwrap()
}

#[test]
fn queues_are_listed_and_shown() {
    let site = Site::new();
    site.ok(&["store", "migrate"]);
    assert_eq!(site.json(&["queue", "list"]), json!({ "queues": [] }));
    site.enqueue(&["email.send", "--queue", "mail"]);
    let queues = site.json(&["queue", "list"]);
    assert_eq!(
        (&queues["queues"][0]["name"], &queues["queues"][0]["counts"]["ready"]),
        (&json!("mail"), &json!(1))
    );
    let table = site.ok(&["queue", "list"]);
    let row = table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(row, ["mail", "no", "0", "0", "1", "0", "0", "0", "0"]);
    let info = site.json(&["queue", "info", "mail"]);
    assert_eq!(info["counts"].as_object().unwrap().len(), 7);
    assert_eq!((&info["workers"], &info["kinds_without_worker"]), (&json!([]), &json!(["email.send"])));
    assert!(info["oldest_ready_age"].as_f64().unwrap() >= 0.0);
    assert!(site.ok(&["queue", "info", "mail"]).contains("email.send"));
}

#[test]
fn what_is_wrong_with_a_number_is_said() {
    let site = Site::new();
    site.enqueue(&["test.noop", "--queue", "q", "--delay", "1h"]);
    std::fs::create_dir(site.path("folder")).unwrap();
    for (args, told) in [
        (&["queue", "set", "q", "--rate-limit", "-1"][..], "expected a whole number, or none"),
        (&["queue", "retry", "q", "--limit", "-1"], "expected a whole number, not negative, got \"-1\""),
        (&["queue", "retry", "q", "--limit", "x"], "expected a whole number, not negative, got \"x\""),
        (&["kind", "set", "k", "--concurrency", "none"], "expected a whole number, not negative"),
        (&["kind", "set", "k"], "<--concurrency <N>|--limits <JSON>>"),
        (&["schedule", "add", "s", "--kind", "k"], "<--cron <EXPR>|--every <DURATION>>"),
        (&["job", "enqueue", "k", "--max-attempts", "0"], "longshore: max_attempts: expected"),
        (&["job", "enqueue", "k", "--depends-on", "nobody"], "longshore: depends_on[0]: expected"),
        (&["queue", "list", "--store", "sqlite:folder"], "store: expected a file, got the folder folder"),
        (
            &["queue", "purge", "q", "--state", "scheduled", "--grace", "1h"],
            "grace: expected none: a grace is for jobs that have ended",
        ),
    ] {
        let ran = site.run(args).ends(2);
        assert!(ran.err.contains(told), "{args:?}: {}", ran.err);
    }
    assert_eq!(count(&site, "q", "scheduled"), 1);
}

#[test]
fn a_queue_is_paused_and_resumed() {
    let site = Site::new();
    site.enqueue(&["test.noop", "--queue", "q"]);
    assert_eq!(site.json(&["queue", "pause", "q"])["paused"], true);
    assert!(site.ok(&["queue", "list"]).contains("yes"));
    assert!(site.ok(&["queue", "resume", "q"]).contains("hands out jobs again"));
    assert_eq!(site.json(&["queue", "info", "q"])["paused"], false);
}

#[test]
fn a_queue_is_drained_with_and_without_what_is_scheduled() {
    let site = Site::new();
    let ready = site.enqueue(&["test.noop", "--queue", "q"]);
    site.enqueue(&["test.noop", "--queue", "q", "--delay", "1h"]);
    assert_eq!(site.json(&["queue", "drain", "q"]), json!({ "changed": 1, "ids": [ready], "refused": [] }));
    assert_eq!((count(&site, "q", "ready"), count(&site, "q", "scheduled")), (0, 1));
    assert!(site.ok(&["queue", "drain", "q", "--include-scheduled"]).starts_with("removed 1 job\n"));
    assert_eq!(count(&site, "q", "scheduled"), 0);
}

#[test]
fn ended_jobs_are_purged_by_state() {
    let site = Site::new();
    let id = site.enqueue(&["test.noop", "--queue", "q"]);
    site.ok(&["job", "cancel", &id]);
    assert_eq!(site.json(&["queue", "purge", "q", "--state", "failed"])["changed"], 0);
    assert_eq!(site.json(&["queue", "clean", "q", "--state", "cancelled"])["ids"], json!([id]));
    site.run(&["queue", "purge", "q"]).ends(2);
    site.run(&["queue", "purge", "q", "--state", "running"]).ends(2);
}

#[test]
fn an_unknown_queue_is_not_found() {
    let site = Site::new();
    site.ok(&["store", "migrate"]);
    for args in [
        &["info", "q"][..],
        &["pause", "q"],
        &["resume", "q"],
        &["drain", "q"],
        &["purge", "q", "--state", "failed"],
    ] {
        let ran = site.run(&[&["queue"], args].concat()).ends(1);
        assert!(ran.err.contains("there is no queue q") && ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn what_operators_did_is_shown() {
    let site = Site::new();
    site.ok(&["queue", "set", "mail", "--concurrency", "3"]);
    site.ok(&["queue", "pause", "mail"]);
    site.ok(&["queue", "resume", "mail"]);
    let told = site.json(&["audit", "--queue", "mail", "--action", "queue.*"]);
    let entries = told["entries"].as_array().unwrap();
    assert_eq!(
        (&entries[0]["action"], &entries[1]["action"]),
        (&json!("queue.resume"), &json!("queue.pause"))
    );
    assert_eq!((&entries[0]["source"], &entries[0]["actor"]), (&json!("cli"), &json!(null)));
    assert_eq!(site.ok(&["audit", "--text", "mail"]).lines().count(), 4);
    site.run(&["audit", "--limit", "501"]).ends(2);
    let (server, url) = site.serve(&["--no-worker"]);
    assert_eq!(get(&format!("{url}/api/v1/audit?queue=mail&action=queue.*")), told);
    assert_eq!(look(&format!("{url}/api/v1/audit?outcome=maybe")).0, 400);
    drop(server);
}
