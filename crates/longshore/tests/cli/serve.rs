use std::net::TcpListener;

use serde_json::json;

use crate::support::{Site, get, look, post, status};

#[test]
fn serve_says_where_it_listens_runs_jobs_and_stops_cleanly() {
    let site = Site::new();
    let (mut server, url) = site.serve(&["--test-kinds"]);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    get(&format!("{url}/health/ready"));
    let id = site.enqueue(&["test.echo", "--args", "\"hi\""]);
    assert_eq!(get(&format!("{url}/api/v1/jobs/{id}?wait=25"))["result"], json!("hi"));
    server.signal("TERM");
    let (code, rest) = server.rest();
    assert_eq!((code, rest), (0, Vec::new()), "one line and no more");
}

#[test]
fn without_a_worker_jobs_wait() {
    let site = Site::new();
    let (server, url) = site.serve(&["--no-worker"]);
    assert_eq!(get(&format!("{url}/api/v1/workers"))["workers"], json!([]));
    let id = site.enqueue(&["test.echo"]);
    assert_eq!(get(&format!("{url}/api/v1/jobs/{id}"))["state"], "ready");
    drop(server);
}

#[test]
fn a_report_is_refused_until_a_worker_that_renders_is_there() {
    let site = Site::new();
    let (server, url) = site.serve(&["--no-worker"]);
    let submit = || post(&format!("{url}/api/v1/pdf"), r#"{"html": "<p>hello</p>"}"#);
    let (status, body) = submit();
    assert_eq!((status, &body["error"]["code"]), (503, &json!("renderer_unavailable")), "{body}");
    assert_eq!(body["error"]["details"]["install"], "longshore worker start pdf");
    assert_eq!(site.json(&["queue", "list"])["queues"], json!([]), "nothing was stored");
    let worker = site.worker(&["pdf"]);
    // The server asks for workers at most once a second.
    let id = loop {
        if let (202, accepted) = submit() {
            break accepted["id"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(get(&format!("{url}/api/v1/jobs/{id}?wait=60"))["state"], "completed");
    drop((server, worker));
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = site.run(&["serve", "--listen", &address]).ends(1);
    assert!(ran.err.contains(&address) && ran.err.contains("--listen 127.0.0.1:0"), "{ran:?}");
    assert!(ran.out.is_empty());
    assert!(!site.path("longshore.db").exists(), "a server that cannot be reached touches no store");
}

#[test]
fn a_store_in_a_folder_that_is_not_there_is_a_clear_failure() {
    let ran =
        Site::new().run(&["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:gone/jobs.db"]).ends(1);
    assert!(ran.err.contains("cannot open the store sqlite:gone/jobs.db"), "{ran:?}");
}

#[test]
fn the_configured_retention_is_given_to_queues() {
    let site = Site::new();
    site.enqueue(&["test.noop", "--queue", "q"]);
    for (configured, days) in [("3d", 3), ("5d", 5), ("30d", 30)] {
        site.write("longshore.toml", &format!("retention_failed = {configured:?}"));
        let (server, _) = site.serve(&["--no-worker"]);
        // Each look is a process of its own, which is time enough.
        let mut left = 1_000;
        while site.json(&["queue", "info", "q"])["retention"]["failed"] != json!(days * 86_400) {
            left -= 1;
            assert!(left > 0, "the retention was never set to {configured}");
        }
        drop(server);
    }
}

#[test]
fn while_jobs_end_a_server_that_stops_still_answers_and_is_not_ready() {
    let site = Site::new();
    let (mut server, url) = site.serve(&["--test-kinds"]);
    let id = site.enqueue(&["test.sleep", "--args", r#"{"ms": 60000}"#]);
    let mut watch = site.start(&["job", "watch", &id]);
    watch.line_with("running");
    server.signal("TERM");
    while status(&format!("{url}/health/ready")) != 503 {}
    let job = format!("{url}/api/v1/jobs/{id}");
    assert_eq!(get(&job)["state"], "running");
    assert_eq!(post(&format!("{job}/cancel"), "").0, 202);
    assert_eq!(server.end(), 0);
    assert_eq!(site.json(&["job", "show", &id])["state"], "cancelled");
}

#[test]
fn an_answer_that_does_not_get_out_is_a_failure() {
    let site = Site::new();
    site.ok(&["store", "migrate"]);
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for args in [
        &["job", "list"][..],
        &["job", "enqueue", "test.noop"],
        &["config", "--json"],
        &["completions", "bash"],
    ] {
        let ran = site.command(args).stdout(full()).output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "{args:?}");
        assert!(
            String::from_utf8_lossy(&ran.stderr).contains("cannot write to standard output"),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn the_lag_of_the_runtime_is_among_the_metrics() {
    let site = Site::new();
    let (_server, url) = site.serve(&[]);
    let lag = || {
        let (_, metrics) = look(&format!("{url}/metrics"));
        let line =
            metrics.as_str()?.lines().find_map(|line| line.strip_prefix("longshore_loop_lag_seconds "))?;
        Some((line.parse::<f64>().unwrap(), metrics.as_str()?.contains("\nlongshore_loop_tasks ")))
    };
    // The first look is taken after a second.
    let (seconds, tasks) = std::iter::repeat_with(lag).find_map(std::convert::identity).unwrap();
    assert!((0.0..60.0).contains(&seconds) && tasks);
}
