use serde_json::json;

use crate::support::Site;

#[test]
fn a_schedule_is_added_listed_paused_run_and_removed() {
    let site = Site::new();
    let add = &[
        "schedule",
        "add",
        "nightly",
        "--kind",
        "test.echo",
        "--cron",
        "30 2 * * *",
        "--timezone",
        "Europe/Paris",
    ];
    let added = site.json(&[&add[..], &["--args", "{\"n\":1}", "--queue", "reports"]].concat());
    assert_eq!(
        (&added["cron"], &added["queue"], &added["args"]),
        (&json!("30 2 * * *"), &json!("reports"), &json!({"n": 1}))
    );
    assert!(site.ok(add).starts_with("nightly: 30 2 * * *, next 2"));
    let table = site.ok(&["schedule", "list"]);
    assert!(table.lines().nth(1).unwrap().starts_with("nightly"), "{table}");
    assert_eq!(site.json(&["schedule", "list"])["schedules"][0]["timezone"], "Europe/Paris");
    assert_eq!(site.ok(&["schedule", "pause", "nightly"]), "nightly is paused\n");
    assert!(site.ok(&["schedule", "resume", "nightly"]).contains("next 2"));
    let ran = site.json(&["schedule", "run-now", "nightly"]);
    let job = site.json(&["job", "show", ran["id"].as_str().unwrap()]);
    assert_eq!((&job["schedule"], &job["state"]), (&json!("nightly"), &json!("ready")));
    assert_eq!(site.ok(&["schedule", "remove", "nightly"]), "nightly is removed\n");
    for verb in ["show", "pause", "resume", "remove", "run-now"] {
        let ran = site.run(&["schedule", verb, "nightly"]).ends(1);
        assert!(ran.err.contains("there is no schedule nightly"), "{ran:?}");
    }
}

#[test]
fn a_schedule_that_makes_no_sense_is_wrong_usage() {
    let site = Site::new();
    for (args, words) in [
        (&["--cron", "61 * * * *"][..], "a minute from 0 to 59"),
        (&["--cron", "0 0 30 2 *"], "an expression that is ever due"),
        (&["--cron", "@daily", "--every", "1h"], "cannot be used with"),
        (&[], "required"),
        (&["--every", "0"], "every: expected"),
        (&["--every", "1h", "--timezone", "Mars"], "Mars"),
        (&["--every", "1h", "--time-range", "9-10"], "09:00-17:30"),
    ] {
        let ran = site.run(&[&["schedule", "add", "s", "--kind", "k"], args].concat()).ends(2);
        assert!(ran.err.contains(words), "{args:?}: {ran:?}");
    }
}

#[test]
fn a_worker_fires_a_schedule() {
    let site = Site::new();
    site.ok(&["schedule", "add", "often", "--kind", "test.echo", "--every", "100ms", "--max-fires", "3"]);
    let mut worker = site.worker(&["--test-kinds"]);
    while site.json(&["schedule", "show", "often"])["next_at"].is_string() {}
    worker.signal("TERM");
    assert_eq!(worker.end(), 0);
    let info = site.json(&["queue", "info", "default"]);
    let jobs: u64 = info["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(jobs, 3);
}

#[test]
fn cron_expressions_are_explained_without_a_store() {
    let site = Site::new();
    let next = site.ok(&[
        "cron",
        "next",
        "0 9 * * MON-FRI",
        "--count",
        "2",
        "--timezone",
        "US/Eastern",
        "--from",
        "2026-03-06T00:00:00Z",
    ]);
    assert_eq!(next, "2026-03-06T09:00:00-05:00\n2026-03-09T09:00:00-04:00\n");
    let moved = site.ok(&[
        "cron",
        "next",
        "30 2 * * *",
        "--count",
        "1",
        "--timezone",
        "US/Eastern",
        "--from",
        "2025-03-09T00:00:00Z",
    ]);
    assert_eq!(moved, "2025-03-09T03:00:00-04:00  (gap of the clock)\n");
    assert!(site.ok(&["cron", "describe", "*/15 9-17 * * 1-5"]).contains("every 15 minutes"));
    assert!(site.ok(&["cron", "validate", "@hourly"]).contains("is valid"));
    let wrong = site.run(&["cron", "validate", "0 25 * * *"]).ends(1);
    assert!(wrong.err.contains("an hour from 0 to 23"), "{wrong:?}");
    assert_eq!(site.json(&["cron", "validate", "0 25 * * *"])["position"], 2);
    site.run(&["cron", "next", "0 25 * * *"]).ends(2);
    let some =
        &["cron", "next", "0 0 * * *", "--from", "2026-03-06T12:00:00Z", "--until", "2026-03-08T00:00:00Z"];
    assert_eq!(site.ok(some), "2026-03-07T00:00:00+00:00\n2026-03-08T00:00:00+00:00\n");
    let never = site.run(&["cron", "next", "0 0 30 2 *"]).ends(1);
    assert!(never.err.contains("never due"), "{never:?}");
}
