use serde_json::json;

use crate::support::{Running, Site, get, look, status};

#[test]
fn a_worker_runs_jobs_and_stops_when_asked() {
    let site = Site::new();
    let id = site.enqueue(&["test.echo", "--queue", "q", "--args", "[1,{}]"]);
    let mut worker = site.worker(&["q", "--test-kinds", "--concurrency", "3", "--scan-interval", "200ms"]);
    site.run(&["job", "watch", &id]).ends(0);
    assert_eq!(site.json(&["job", "show", &id])["result"], json!([1, {}]));

    let workers = site.json(&["worker", "list"]);
    let shown = &workers["workers"][0];
    assert_eq!(
        (&shown["pid"], &shown["concurrency"], &shown["health"]),
        (&json!(worker.id()), &json!(3), &json!("healthy"))
    );
    assert_eq!(shown["queues"], json!(["q"]));
    let name = shown["id"].as_str().unwrap();
    assert!(site.ok(&["worker", "list"]).contains(name));
    assert_eq!(site.json(&["worker", "inspect", name])["id"], name);
    assert!(site.ok(&["worker", "inspect", name]).contains("test.echo"));
    assert_eq!(site.json(&["queue", "info", "q"])["workers"][0]["id"], name);

    worker.signal("TERM");
    assert_eq!(worker.end(), 0);
    assert_eq!(site.json(&["worker", "list"]), json!({ "workers": [] }));
    assert!(site.run(&["worker", "inspect", name]).ends(1).err.contains("there is no worker"));
}

#[test]
fn a_kind_that_no_live_worker_knows_is_refused() {
    let site = Site::new();
    assert_eq!(site.run(&["job", "enqueue", "tset.echo"]).ends(0).err, "", "without workers nobody can tell");
    let worker = site.worker(&["q", "--test-kinds"]);
    let refused = site.run(&["job", "enqueue", "tset.echo"]).ends(2).err;
    assert!(
        refused.contains("KIND: expected a kind that a live worker knows (pdf.render, test.cpu"),
        "{refused}"
    );
    assert!(refused.contains("got \"tset.echo\""), "{refused}");
    assert_eq!(site.json(&["queue", "info", "default"])["counts"]["ready"], 1, "nothing was stored");
    assert_eq!(site.run(&["job", "enqueue", "test.echo"]).ends(0).err, "");
    drop(worker);
}

#[test]
fn due_jobs_start_only_where_a_keeper_is() {
    let site = Site::new();
    let id = site.enqueue(&["test.noop", "--queue", "q", "--delay", "1s"]);
    let worker = site.worker(&["q", "--test-kinds", "--no-keeper"]);
    let probe = site.enqueue(&["test.sleep", "--queue", "q", "--args", r#"{"ms": 1200}"#]);
    site.run(&["job", "watch", &probe]).ends(0);
    assert_eq!(site.json(&["job", "show", &id])["state"], "scheduled");
    let keeper = site.worker(&["elsewhere", "--test-kinds"]);
    site.run(&["job", "watch", &id]).ends(0);
    drop((worker, keeper));
}

#[test]
fn a_second_signal_gives_jobs_back_at_once() {
    let site = Site::new();
    let id = site.enqueue(&["test.cpu", "--queue", "q", "--args", r#"{"ms": 60000}"#]);
    let mut worker = site.worker(&["q", "--test-kinds"]);
    let mut watch = site.start(&["job", "watch", &id]);
    watch.line_with("running");
    worker.signal("INT");
    worker.signal("INT");
    assert_eq!(worker.end(), 0);
    let job = site.json(&["job", "show", &id]);
    assert_eq!((&job["state"], &job["attempt"]), (&json!("ready"), &json!(0)));
}

#[test]
fn a_worker_alone_answers_with_health_and_metrics() {
    let site = Site::new();
    let mut worker = site.start(&["worker", "start", "q", "--test-kinds", "--metrics-listen", "127.0.0.1:0"]);
    let line = worker.line_with("metrics on ");
    let url = line.strip_prefix("metrics on ").unwrap();
    worker.line_with("serves ");
    assert_eq!(get(&format!("{url}/health"))["workers"], 1);
    assert_eq!(get(&format!("{url}/api/v1/health/ready"))["status"], "healthy");
    site.run(&["job", "watch", &site.enqueue(&["test.noop", "--queue", "q"])]).ends(0);
    let ended = r#"longshore_job_finished_total{queue="q",outcome="completed"} 1"#;
    // The store knows of the end a moment before the worker has heard that it does.
    let mut left = 1_000;
    let metrics = loop {
        let metrics = get(&format!("{url}/metrics"));
        if metrics.as_str().unwrap().lines().any(|line| line == ended) {
            break metrics;
        }
        left -= 1;
        assert!(left > 0, "{metrics}");
    };
    let runtime = "longshore_loop_reading_lag_seconds_count";
    assert!(metrics.as_str().unwrap().contains(runtime), "{metrics}");
    assert_eq!(status(&format!("{url}/api/v1/jobs")), 404, "it takes no jobs");
    worker.signal("TERM");
    assert_eq!(worker.end(), 0);
}

#[test]
fn what_a_process_cannot_use_is_told_before_it_listens() {
    for (variable, text) in [
        ("PW_CPU_POOL_SIZE", "many"),
        ("LOOP_MONITOR_SAMPLE_INTERVAL", "soon"),
        ("LOOP_MONITOR_SAMPLE_INTERVAL", "0.001"),
        ("LOOP_MONITOR_WARNING_THRESHOLD", "900"),
        ("LOOP_MONITOR_CRITICAL_THRESHOLD", "1e300"),
        ("LONGSHORE_KINDS", r#"{"no.such": {"max_concurrent": 1}}"#),
    ] {
        let site = Site::new().with(variable, text);
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["worker", "start", "q"]] {
            let ended = site.run(command).ends(2);
            let told = if variable == "LONGSHORE_KINDS" { "no.such" } else { variable };
            assert!(ended.err.contains(told) && ended.out.is_empty(), "{} {}", ended.out, ended.err);
            for own in ["longshore.db", "longshore-files"] {
                assert!(!site.path(own).exists(), "{own} is touched");
            }
        }
    }
    // Of a library, not of this program.
    Site::new().with("LONGSHORE_CACHE_URL", "redis://cache.example").ok(&["config"]);
}

#[test]
fn the_queues_of_the_configuration_are_served() {
    let site = Site::new().with("LONGSHORE_WORKER_QUEUES", "a,b");
    let worker = site.worker(&["--test-kinds"]);
    assert_eq!(site.json(&["worker", "list"])["workers"][0]["queues"], json!(["a", "b"]));
    drop(worker);
}

#[test]
fn what_workers_did_is_told_afterwards() {
    let site = Site::new();
    assert!(site.run(&["metrics"]).ends(1).err.contains("there is no store"));
    site.ok(&["store", "migrate"]);
    assert!(site.ok(&["metrics"]).contains("nothing has been sampled yet"));
    let (mut server, url) = site.serve(&["--test-kinds"]);
    for _ in 0..3 {
        let id = site.enqueue(&["test.noop", "--queue", "q"]);
        get(&format!("{url}/api/v1/jobs/{id}?wait=25"));
    }
    server.signal("TERM");
    assert_eq!(server.end(), 0);
    // The last sample is taken at the end.
    let told = site.json(&["metrics", "--queue", "q"]);
    let figures = &told["total"]["queues"]["q"];
    assert_eq!((&figures["started"], &figures["completed"]), (&json!(3), &json!(3)), "{told}");
    assert!(figures["run_ms"]["p99"].as_f64() > Some(0.0), "{told}");
    let (server, url) = site.serve(&["--no-worker"]);
    assert_eq!(get(&format!("{url}/api/v1/metrics/history?limit=500&queue=q")), told);
    assert_eq!(look(&format!("{url}/api/v1/metrics/history?limit=501")).0, 400);
    assert!(site.ok(&["metrics"]).lines().any(|line| line.starts_with("q ")));
    drop(server);
}

#[test]
fn a_worker_whose_log_nobody_reads_still_stops() {
    let site = Site::new().with("LONGSHORE_LOG_LEVEL", "debug");
    let unknown = site.enqueue(&["nobody.knows", "--queue", "q"]);
    let mut command = site.command(&["worker", "start", "q", "--test-kinds"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer);
    let mut worker = Running::with_log_elsewhere(command);
    worker.line_with("serves ");
    // The worker says in its log that it does not know the kind, and the job does not suffer for it.
    let job = loop {
        let job = site.json(&["job", "show", &unknown]);
        if job["reason"] != json!(null) {
            break job;
        }
    };
    assert_eq!((&job["reason"], &job["attempt"]), (&json!("unknown_kind"), &json!(0)), "{job}");
    worker.signal("TERM");
    assert_eq!(worker.end(), 0);
}

#[test]
fn a_job_that_kills_its_workers_is_given_up_after_as_many_leases_as_configured() {
    let site = Site::new().with("LONGSHORE_LEASE", "1s").with("LONGSHORE_MAX_STALLS", "1");
    let id = site.enqueue(&["test.sleep", "--queue", "q", "--args", r#"{"ms": 60000}"#]);
    let mut worker = site.worker(&["q", "--test-kinds"]);
    while site.json(&["job", "show", &id])["state"] != "running" {}
    worker.kill();
    let _next = site.worker(&["q", "--test-kinds"]);
    let job = loop {
        let job = site.json(&["job", "show", &id]);
        if job["state"] != "running" {
            break job;
        }
    };
    assert_eq!(
        (&job["state"], &job["reason"], &job["stalls"]),
        (&json!("failed"), &json!("stalled"), &json!(1))
    );
}

#[test]
fn a_queue_names_the_kinds_that_its_workers_do_not_know() {
    let site = Site::new();
    let id = site.enqueue(&["nobody.knows", "--queue", "q"]);
    let _worker = site.worker(&["q", "--test-kinds"]);
    // It was looked at once this one, which stands behind it, has ended.
    let probe = site.enqueue(&["test.noop", "--queue", "q"]);
    site.run(&["job", "watch", &probe]).ends(0);
    assert_eq!(site.json(&["queue", "info", "q"])["kinds_without_worker"], json!(["nobody.knows"]));
    assert!(site.ok(&["queue", "info", "q"]).contains("kinds without worker  nobody.knows"));
    assert_eq!(site.json(&["job", "show", &id])["attempt"], 0, "no attempt is spent on it");
}
