use serde_json::json;

use crate::support::Site;

#[test]
fn limits_are_set_shown_and_taken_off() {
    let site = Site::new();
    let set = site.json(&[
        "queue",
        "set",
        "q",
        "--concurrency",
        "2",
        "--rate-limit",
        "5",
        "--rate-interval",
        "10s",
        "--ageing",
        "1m",
    ]);
    assert_eq!(set["limits"], json!([{ "concurrency": 2, "rate": 5, "interval": 10 }]));
    let said = site.ok(&["queue", "set", "q", "--rate-limit", "none"]);
    for line in
        ["limits                2 at once", "ageing                1m", "scan interval         as each"]
    {
        assert!(said.contains(line), "{said}");
    }
    assert!(site.ok(&["queue", "info", "q"]).contains("2 at once"));
    let said = site.ok(&["queue", "set", "q", "--limits", r#"[{"key": "args.tenant", "concurrency": 1}]"#]);
    assert!(said.contains("1 at once for each args.tenant"), "{said}");
    assert_eq!(
        site.ok(&["kind", "set", "pdf.render", "--concurrency", "3"]),
        "pdf.render: limits 3 at once\n"
    );
    assert_eq!(site.json(&["kind", "list"])["kinds"][0]["name"], "pdf.render");
    assert_eq!(site.ok(&["kind", "set", "pdf.render", "--limits", "[]"]), "pdf.render: limits none\n");
    let said = site.ok(&["kind", "reset-breaker", "pdf.render"]);
    assert_eq!(said, "pdf.render: asked, but no live worker has this kind\n");
    for args in [
        &["queue", "set", "q"][..],
        &["queue", "set", "q", "--concurrency", "0"],
        &["queue", "set", "q", "--rate-burst", "2"],
        &["queue", "set", "q", "--limits", "{}"],
        &["queue", "set", "q", "--limits", "[]", "--concurrency", "1"],
        &["kind", "set", "k"],
        &["worker", "start", "--rate-limit", "5"],
    ] {
        site.run(args).ends(2);
    }
}

#[test]
fn a_job_says_why_it_is_not_running() {
    let site = Site::new();
    site.ok(&["queue", "set", "q", "--rate-limit", "0"]);
    let id = site.enqueue(&["test.noop", "--queue", "q"]);
    let why = site.ok(&["job", "why", &id]);
    let lines: Vec<&str> = why.lines().collect();
    assert_eq!(lines[0], format!("{id} is ready"));
    assert_eq!(
        lines[1..],
        ["- its queue has a rate of 0: nothing starts", "- no live worker serves queue q"]
    );
    let child =
        site.enqueue(&["test.noop", "--depends-on", &format!("total:{id}"), "--on-parent-failure", "run"]);
    assert_eq!(site.json(&["job", "why", &child])["reasons"][0]["jobs"], json!([id]));
    let parents = &site.json(&["job", "show", &child])["depends_on"];
    assert_eq!(*parents, json!([{ "id": id, "name": "total" }]));
    site.run(&["job", "why", "nobody"]).ends(1);
}

#[test]
fn a_worker_started_with_a_rate_sets_it_for_all() {
    let site = Site::new();
    let mut worker = site.worker(&["q", "--test-kinds", "--rate-limit", "3", "--rate-burst", "1"]);
    assert_eq!(
        site.json(&["queue", "info", "q"])["limits"],
        json!([{ "rate": 3, "interval": 1, "burst": 1 }])
    );
    worker.signal("TERM");
    assert_eq!(worker.end(), 0);
    // The newest worker's counts, but not against what an operator has set.
    let rate = || site.json(&["queue", "info", "q"])["limits"][0]["rate"].clone();
    drop(site.worker(&["q", "--test-kinds", "--rate-limit", "5"]));
    assert_eq!(rate(), json!(5));
    site.ok(&["queue", "set", "q", "--rate-limit", "7"]);
    drop(site.worker(&["q", "--test-kinds", "--rate-limit", "9"]));
    assert_eq!(rate(), json!(7));
}

#[test]
fn unique_jobs_and_times_to_live_are_asked_for_by_flags() {
    let site = Site::new();
    let ask = &["job", "enqueue", "test.noop", "--unique", "report/7", "--unique-ttl", "1h", "--ttl", "2h"];
    let first = site.json(ask);
    let again = site.json(ask);
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let job = site.json(&["job", "show", first["id"].as_str().unwrap()]);
    assert_eq!((&job["unique_key"], &job["ttl"]), (&json!("report/7"), &json!(7_200)));
    site.run(&["job", "enqueue", "test.noop", "--unique-ttl", "1h"]).ends(2);
    let unknown = site.run(&["job", "enqueue", "test.noop", "--depends-on", "nobody"]).ends(2);
    assert!(unknown.err.contains("depends_on[0]"), "{unknown:?}");
}

#[test]
fn a_queue_is_obliterated_with_its_settings() {
    let site = Site::new();
    site.ok(&["queue", "set", "q", "--concurrency", "1"]);
    for _ in 0..3 {
        site.enqueue(&["test.noop", "--queue", "q"]);
    }
    assert_eq!(site.ok(&["queue", "retry", "q", "--q", "kind:test.*"]), "0 jobs are ready again\n");
    for args in [&["queue", "obliterate", "q"][..], &["queue", "obliterate", "q", "--confirm", "p"]] {
        assert!(site.run(args).ends(2).err.contains("--confirm"));
    }
    assert_eq!(site.json(&["queue", "obliterate", "q", "--confirm", "q"])["changed"], 3);
    site.run(&["queue", "info", "q"]).ends(1);
}

#[test]
fn failures_are_grouped_and_a_group_is_retried() {
    let site = Site::new();
    let mut worker = site.worker(&["default", "--test-kinds"]);
    for _ in 0..2 {
        let id = site.enqueue(&["test.fail", "--args", "{}", "--max-attempts", "1"]);
        site.run(&["job", "watch", &id]).ends(1);
    }
    worker.signal("TERM");
    assert_eq!(worker.end(), 0);
    let groups = site.json(&["queue", "failures", "default"]);
    assert_eq!(groups["failures"][0]["jobs"], json!(2), "{groups}");
    let print = groups["failures"][0]["fingerprint"].as_str().unwrap();
    assert!(site.ok(&["queue", "failures", "default"]).contains(print));
    let retry = |print: &str| site.ok(&["queue", "retry", "default", "--q", &format!("fingerprint:{print}")]);
    assert_eq!(retry("0000000000000000"), "0 jobs are ready again\n");
    assert_eq!(retry(print), "2 jobs are ready again\n");
    assert_eq!(site.json(&["queue", "failures", "default"]), json!({ "failures": [] }));
    site.run(&["queue", "failures", "nowhere"]).ends(1);
}

#[test]
fn a_queue_keeps_its_ended_jobs_as_long_as_it_is_told() {
    let site = Site::new();
    let before = site.json(&["queue", "set", "q", "--retention-failed", "2d"])["retention"].clone();
    let day = json!({ "completed": 86_400, "failed": 172_800, "cancelled": 86_400, "most": 100_000 });
    assert_eq!(before, day);
    let set = site.json(&["queue", "set", "q", "--retention-completed", "1h", "--concurrency", "2"]);
    let hour = json!({ "completed": 3_600, "failed": 172_800, "cancelled": 86_400, "most": 100_000 });
    assert_eq!(set["retention"], hour);
    assert_eq!(set["limits"], json!([{ "concurrency": 2 }]));
    assert_eq!(site.json(&["queue", "set", "q", "--retention-most", "2"])["retention"]["most"], 2);
    site.run(&["queue", "set", "q", "--retention-completed", "soon"]).ends(2);
    site.run(&["queue", "set", "q", "--retention-most", "1000000001"]).ends(2);
}
