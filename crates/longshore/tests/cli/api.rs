//! Commands that ask a server say the same as those that open the store.

use serde_json::{Value, json};

use crate::support::Site;

/// What differs from one look to the next.
fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for key in [
                "seen_at",
                "finished_per_second",
                "oldest_ready_age",
                "running_jobs",
                "buffered_jobs",
                "health",
            ] {
                map.remove(key);
            }
            map.values_mut().for_each(|one| *one = steady(one.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|one| *one = steady(one.take())),
        _ => {}
    }
    value
}

#[test]
fn a_server_is_asked_with_the_same_words_and_the_same_answers() {
    let site = Site::new();
    let (_server, url) = site.serve(&["--test-kinds"]);
    let ask = |args: &[&str]| site.json(&[args, &["--api", &url]].concat());
    let says = |args: &[&str], code: i32| {
        let ran = site.run(&[args, &["--api", &url]].concat()).ends(code);
        if code == 0 { ran.out } else { ran.err }
    };

    // Jobs, with every option.
    let id = "a report/1";
    let exact = "[1152921504606846977, 0.30000000000000004]";
    let made = ask(&[
        "job",
        "enqueue",
        "test.echo",
        "--queue",
        "mail",
        "--id",
        id,
        "--args",
        exact,
        "--delay",
        "1h",
        "--priority",
        "-2",
        "--max-attempts",
        "4",
        "--backoff",
        "2",
        "--timeout",
        "none",
        "--tag",
        "x",
        "--ttl",
        "2d",
        "--retention",
        "1h",
        "--result-retention",
        "30m",
        "--limit-key",
        "k",
        "--unique",
        "u",
        "--unique-ttl",
        "1m",
        "--extend",
    ]);
    assert_eq!(made, json!({ "id": id, "state": "scheduled" }));
    assert_eq!(ask(&["job", "enqueue", "test.echo", "--queue", "mail", "--id", id])["duplicate"], true);
    let job = ask(&["job", "show", id]);
    assert_eq!(
        (&job["max_attempts"], &job["timeout"], &job["unique"]["ttl"]),
        (&json!(4), &Value::Null, &json!(60))
    );
    assert!(says(&["job", "show", id], 0).contains(exact));
    let child = ask(&[
        "job",
        "enqueue",
        "test.echo",
        "--queue",
        "mail",
        "--depends-on",
        &format!("first:{}", "a report/1"),
    ])["id"]
        .clone();
    let child = child.as_str().unwrap();
    assert!(says(&["job", "why", child], 0).contains("parent a report/1 is scheduled"));
    ask(&[
        "schedule",
        "add",
        "nightly",
        "--kind",
        "test.echo",
        "--cron",
        "0 3 * * *",
        "--timezone",
        "Europe/Berlin",
        "--time-range",
        "01:00-05:00",
        "--args",
        exact,
        "--unique",
        "by night",
        "--queue",
        "mail",
        "--misfire",
        "all",
    ]);
    ask(&["queue", "set", "mail", "--concurrency", "3", "--retention-failed", "1h", "--ageing", "1m"]);
    ask(&["kind", "set", "test.echo", "--concurrency", "9"]);

    // Whatever is looked at is the same both ways.
    for args in [
        &["job", "show", id][..],
        &["job", "list", "mail", "--state", "scheduled,blocked", "--limit", "1"],
        &["job", "list", "--q", "a report/1"],
        &["job", "why", id],
        &["queue", "list"],
        &["queue", "info", "mail"],
        &["queue", "failures", "mail"],
        &["schedule", "list"],
        &["schedule", "show", "nightly"],
        &["kind", "list"],
        &["worker", "list"],
        &["key", "list"],
        &["audit", "--action", "queue.*", "--limit", "5"],
        &["metrics", "--queue", "nowhere"],
    ] {
        // A server takes samples by itself, so it is asked before and after until both answers are one.
        let unmoved = |ask: &dyn Fn() -> Value, look: &dyn Fn() -> Value| loop {
            let (before, here) = (ask(), look());
            if before == ask() {
                return (before, here);
            }
        };
        let (there, here) = unmoved(&|| steady(ask(args)), &|| steady(site.json(args)));
        assert_eq!(there, here, "{args:?}");
        let lines = |text: String| json!(text.lines().count());
        let (there, here) = unmoved(&|| lines(says(args, 0)), &|| lines(site.ok(args)));
        assert_eq!(there, here, "{args:?}");
    }

    // What changes something does it there.
    assert_eq!(ask(&["queue", "pause", "mail"])["paused"], true);
    assert_eq!(site.json(&["queue", "info", "mail"])["paused"], true);
    assert_eq!(ask(&["queue", "resume", "mail"])["paused"], false);
    assert_eq!(ask(&["kind", "reset-breaker", "test.echo"]), json!({ "asked": "test.echo", "workers": 1 }));
    let told = site.json(&["audit", "--action", "breaker.reset"]);
    assert_eq!(told["entries"][0]["target"], "test.echo", "{told}");
    assert_eq!(ask(&["schedule", "pause", "nightly"])["paused"], true);
    assert!(says(&["schedule", "resume", "nightly"], 0).contains("nightly: 0 3 * * *, next "));
    let ran = ask(&["schedule", "run-now", "nightly"])["id"].clone();
    assert_eq!(ask(&["job", "watch", ran.as_str().unwrap()])["state"], "completed");
    assert_eq!(ask(&["schedule", "remove", "nightly"]), json!({ "removed": "nightly" }));
    assert_eq!(ask(&["job", "cancel", id])["state"], "cancelled");
    assert_eq!(ask(&["job", "retry", id])["state"], "ready");
    says(&["job", "watch", id], 0);
    assert_eq!(ask(&["job", "remove", id])["id"], id);
    let failing =
        ask(&["job", "enqueue", "test.fail", "--queue", "broken", "--max-attempts", "1"])["id"].clone();
    says(&["job", "watch", failing.as_str().unwrap()], 1);
    assert_eq!(ask(&["queue", "failures", "broken"])["failures"][0]["jobs"], 1);
    assert_eq!(ask(&["queue", "retry", "broken", "--q", "kind:test.fail"])["changed"], 1);
    says(&["job", "watch", failing.as_str().unwrap()], 1);
    ask(&["job", "enqueue", "test.echo", "--queue", "broken", "--delay", "1h"]);
    assert_eq!(ask(&["queue", "drain", "broken", "--include-scheduled"])["changed"], 1);
    assert_eq!(ask(&["queue", "purge", "broken", "--state", "completed"])["changed"], 0);
    ask(&["queue", "obliterate", "broken", "--force"]);
    assert!(says(&["queue", "info", "broken"], 1).contains("there is no queue broken"));
    let worker = ask(&["worker", "list"])["workers"][0]["id"].clone();
    assert_eq!(ask(&["worker", "inspect", worker.as_str().unwrap()])["id"], worker);
    let key = ask(&["key", "create", "--owner", "ann", "--scope", "read"]);
    assert!(key["key"].as_str().unwrap().starts_with("lsk"));
    ask(&["key", "revoke", key["id"].as_str().unwrap()]);

    // And what is wrong is told with the same code.
    assert!(says(&["job", "show", "nobody"], 1).contains("there is no job nobody"));
    assert!(says(&["job", "retry", ran.as_str().unwrap()], 1).contains("only a failed or cancelled job"));
    assert!(says(&["job", "enqueue", "test.ecko"], 2).contains("test.echo"));
    assert!(says(&["queue", "set", "mail", "--rate-limit", "2000000"], 2).contains("rate_limit"));
    assert!(says(&["worker", "start"], 2).contains("--api: expected nothing"));
    assert!(says(&["queue", "list", "--store", "sqlite:x.db"], 2).contains("--store"));
    let nobody = site.run(&["queue", "list", "--api", "http://127.0.0.1:1"]).ends(1);
    assert!(nobody.err.contains("cannot reach http://127.0.0.1:1/api/v1"), "{}", nobody.err);
    assert!(site.run(&["queue", "list", "--api", "here"]).ends(2).err.contains("expected a URL"));
}

#[test]
fn the_api_key_is_sent_and_never_shown() {
    let site = Site::new();
    let key = site.json(&["key", "create", "--owner", "ann", "--scope", "admin"])["key"].clone();
    let site = site.with("LONGSHORE_IDENTITY", "on");
    let (_server, url) = site.serve(&[]);
    let refused = site.run(&["queue", "list", "--api", &url]).ends(2);
    assert!(refused.err.contains("LONGSHORE_API_TOKEN"), "{}", refused.err);
    let site = site.with("LONGSHORE_API_TOKEN", key.as_str().unwrap()).with("LONGSHORE_API", &url);
    assert!(site.json(&["queue", "list"])["queues"].is_array());
    let shown = site.ok(&["config"]);
    assert!(shown.contains("(not shown)") && !shown.contains(key.as_str().unwrap()), "{shown}");
    // Who names a store means it.
    site.write("empty/readme", "");
    assert!(
        site.run(&["queue", "list", "--store", "sqlite:empty/none.db"])
            .ends(1)
            .err
            .contains("there is no store")
    );
}

#[test]
fn a_store_that_would_be_forgotten_is_refused() {
    let site = Site::new();
    for args in [&["job", "enqueue", "x"][..], &["queue", "list"], &["schedule", "list"]] {
        let refused = site.run(&[args, &["--store", "memory:"]].concat()).ends(2);
        assert!(refused.err.contains("outlives this command"), "{}", refused.err);
    }
}
