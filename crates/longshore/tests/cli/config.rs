use serde_json::json;

use crate::support::{Site, get, post};

#[test]
fn every_value_is_shown_with_its_origin() {
    let site = Site::new().with("LONGSHORE_LEASE", "2m");
    site.write("longshore.toml", "# mine\nscan_interval = 0.5\nworker_queues = [\"mail\", \"pdf\"]\n");
    let shown = site.json(&["config", "--store", "sqlite:other.db"]);
    let expected = [
        ("store", "sqlite:other.db".into(), "--store"),
        ("lease", "2m".into(), "LONGSHORE_LEASE"),
        ("scan_interval", "500ms".into(), "longshore.toml:2"),
        ("worker_queues", serde_json::json!(["mail", "pdf"]), "longshore.toml:3"),
        ("worker_concurrency", 10.into(), "default"),
        ("max_body_bytes", (16 << 20).into(), "default"),
    ];
    for (key, value, origin) in expected {
        assert_eq!(shown[key], serde_json::json!({ "value": value, "origin": origin }), "{key}");
    }
    let table = site.ok(&["config"]);
    assert!(
        table.lines().any(|line| line.split_whitespace().eq(["lease", "2m", "LONGSHORE_LEASE"])),
        "{table}"
    );
}

#[test]
fn another_file_can_be_named_and_has_to_be_there() {
    let site = Site::new();
    site.write("here/own.toml", "lease = \"1m\"");
    assert_eq!(site.json(&["config", "--config", "here/own.toml"])["lease"]["origin"], "here/own.toml:1");
    let missing = site.run(&["--config", "gone.toml", "config"]).ends(2);
    assert!(missing.err.contains("gone.toml"), "{}", missing.err);
    let site = site.with("LONGSHORE_CONFIG", "here/own.toml");
    assert_eq!(site.json(&["config"])["lease"]["value"], "1m");
}

#[test]
fn all_mistakes_are_told_at_once_by_every_command() {
    let site = Site::new().with("LONGSHORE_PDF_THREDS", "2").with("LONGSHORE_LOG_FORMAT", "xml");
    site.write(
        "longshore.toml",
        "lease = \"soon\"\nlisten = \"here\"\nstoer = \"memory:\"\n[queues.mail]\nlimit = 3\n",
    );
    for args in [&["config"][..], &["queue", "list"], &["serve", "--concurrency", "none"]] {
        let told = site.run(args).ends(2).err;
        for part in [
            "lease (longshore.toml:1): expected a duration",
            "got soon",
            "listen (longshore.toml:2): expected an address and a port",
            "stoer (longshore.toml:3): expected a known key, got stoer; did you mean store?",
            "queues.mail.limit (longshore.toml:5): expected a known key",
            "log_format (LONGSHORE_LOG_FORMAT): expected text or json, got xml",
            "did you mean LONGSHORE_PDF_THREADS?",
        ] {
            assert!(told.contains(part), "{part}\nis not in\n{told}");
        }
    }
    let told = site.run(&["serve", "--concurrency", "none"]).err;
    assert!(told.contains("worker_concurrency (--concurrency): expected a whole number"), "{told}");
    assert!(!site.path("longshore.db").exists());
}

#[test]
fn the_manual_is_a_configuration_file() {
    let site = Site::new();
    let manual = site.ok(&["config", "--manual"]);
    site.write("longshore.toml", &manual);
    let shown = site.json(&["config"]);
    assert!(
        shown
            .as_object()
            .unwrap()
            .values()
            .all(|one| one["origin"].as_str().unwrap().starts_with("longshore.toml:"))
    );
}

#[test]
fn an_unknown_store_is_wrong_usage() {
    let told = Site::new().run(&["queue", "list", "--store", "redis://localhost"]).ends(2).err;
    assert!(
        told.contains("store (--store): expected memory: or sqlite:PATH, got redis://localhost"),
        "{told}"
    );
}

#[test]
fn numbers_are_read_as_they_are_written() {
    let site = Site::new();
    site.write("longshore.toml", "worker_concurrency = 0x20\nsse_streams_max = 1_000\n");
    let shown = site.ok(&["config"]);
    let value = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!((&*value("worker_concurrency"), &*value("sse_streams_max")), ("32", "1000"));
}

#[test]
fn a_single_queue_is_configured_in_a_table_of_its_name() {
    let site = Site::new().with("LONGSHORE_QUEUES", r#"{"a.b": {"ttl": "1h"}}"#);
    let file = |rate: u32| {
        format!(
            "[queues.mail]\nconcurrency = 3\nrate_limit = {rate}\nretention_most = 5\nscan_interval = \"200ms\"\nmax_attempts = 2\n\
             priority = \"high\"\ntimeout = \"5s\"\n"
        )
    };
    site.write("longshore.toml", &file(7));
    let shown = site.ok(&["config"]);
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("queues.mail.concurrency") && line.ends_with("longshore.toml:2")),
        "{shown}"
    );
    assert_eq!(site.json(&["config"])["queues.a.b.ttl"]["origin"], "LONGSHORE_QUEUES");

    let rate = || site.json(&["queue", "info", "mail"])["limits"][0]["rate"].clone();
    let (server, url) = site.serve(&["--test-kinds"]);
    let info = site.json(&["queue", "info", "mail"]);
    assert_eq!((&info["retention"]["most"], &info["retention"]["failed"]), (&json!(5), &json!(2_592_000)));
    assert_eq!((&info["scan_interval"], rate()), (&json!(0.2), json!(7)));
    let (_, accepted) =
        post(&format!("{url}/api/v1/jobs"), r#"{"kind": "test.noop", "queue": "mail", "delay": "1h"}"#);
    let by_http = get(&format!("{url}{}", accepted["status_url"].as_str().unwrap()));
    let by_hand = site.enqueue(&["test.noop", "--queue", "mail", "--delay", "1h", "--max-attempts", "9"]);
    let by_hand = site.json(&["job", "show", &by_hand]);
    for (job, attempts) in [(&by_http, 2), (&by_hand, 9)] {
        assert_eq!(
            (&job["max_attempts"], &job["priority"], &job["timeout"]),
            (&json!(attempts), &json!(1), &json!(5))
        );
    }
    let other = site.enqueue(&["test.noop", "--queue", "a.b", "--delay", "2h"]);
    assert_eq!(site.json(&["job", "show", &other])["ttl"], json!(3_600));
    drop(server);

    // What an operator sets stays until the configuration says something else.
    site.ok(&["queue", "set", "mail", "--rate-limit", "9"]);
    drop(site.serve(&["--no-worker"]));
    assert_eq!(rate(), json!(9));
    site.write("longshore.toml", &file(8));
    drop(site.serve(&["--no-worker"]));
    assert_eq!(rate(), json!(8));
}

#[test]
fn a_key_of_a_queue_is_set_once() {
    for text in [r#"{"mail": {"ttl": 1, "ttl": 2}}"#, r#"{"mail": {}, "mail": {}}"#] {
        let told = Site::new().with("LONGSHORE_QUEUES", text).run(&["config"]).ends(2).err;
        assert!(told.contains("duplicate field"), "{told}");
    }
}

#[test]
fn mistakes_in_the_table_of_a_queue_are_named() {
    let site = Site::new().with("LONGSHORE_QUEUES", "[1]");
    site.write(
        "longshore.toml",
        "[queues.mail]\nconcurency = 3\nrate_burst = 2\nrate_scope = \"node\"\npriority = \"soon\"\n[queues.\" x\"]\nttl = 1\n[jobs]\na = 1\n",
    );
    let told = site.run(&["config"]).ends(2).err;
    for part in [
        "queues.mail.concurency (longshore.toml:2): expected a known key, got queues.mail.concurency; did you mean concurrency?",
        "queues.mail.rate_burst (longshore.toml:3): expected a rate_limit beside it, got 2",
        "queues.mail.rate_scope (longshore.toml:4): expected queue or worker, got node",
        "queues.mail.priority (longshore.toml:5): expected a number",
        "queues. x.ttl (longshore.toml:7): expected 1 to 128 bytes",
        "jobs (longshore.toml:8): expected a known key",
        "queues (LONGSHORE_QUEUES): expected JSON",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
    }
}
