use crate::support::{Site, post};

#[test]
fn progress_is_told_in_plain_lines_to_a_pipe() {
    let site = Site::new();
    let id = site.enqueue(&["test.progress", "--queue", "q", "--args", r#"{"steps": 1000, "ms": 60}"#]);
    let mut watch = site.start(&["job", "watch", &id]);
    watch.line_with("0% ready");
    let worker = site.worker(&["q", "--test-kinds"]);
    // Some steps may go by unseen; two that are told are two lines.
    watch.line_with("running step ");
    watch.line_with("running step ");
    site.ok(&["job", "cancel", &id]);
    let (code, rest) = watch.rest();
    assert_eq!((code, rest.last().map(String::as_str)), (1, Some(&*format!("{id} cancelled"))));
    drop(worker);
}

#[test]
fn a_job_that_fails_makes_the_watch_fail() {
    let site = Site::new();
    let worker = site.worker(&["q", "--test-kinds"]);
    for (kind, said) in [("test.fail", "failed: failed on purpose"), ("test.panic", "panicked on purpose")] {
        let id = site.enqueue(&[kind, "--queue", "q", "--args", "{}", "--max-attempts", "1"]);
        let ran = site.run(&["job", "watch", &id]).ends(1);
        assert!(ran.out.contains(said), "{ran:?}");
        assert!(site.ok(&["job", "show", &id]).contains("on purpose"));
    }
    drop(worker);
}

#[test]
fn a_running_job_is_cancelled_and_its_watch_ends_with_one() {
    let site = Site::new();
    let worker = site.worker(&["q", "--test-kinds"]);
    let id = site.enqueue(&["test.sleep", "--queue", "q", "--args", r#"{"ms": 60000}"#]);
    let mut watch = site.start(&["job", "watch", &id]);
    watch.line_with("running");
    assert!(site.run(&["job", "remove", &id]).ends(1).err.contains("force"));
    let said = site.ok(&["job", "cancel", &id]);
    assert!(said.contains("is asked to stop") || said.contains("is cancelled"), "it may be quick: {said}");
    let (code, rest) = watch.rest();
    assert_eq!((code, rest.last().map(String::as_str)), (1, Some(&*format!("{id} cancelled"))));
    drop(worker);
}

#[test]
fn a_server_tells_of_every_end_in_another_process() {
    const JOBS: usize = 300;
    let site = Site::new();
    let (_server, url) = site.serve(&["--no-worker"]);
    let _worker = site.worker(&["q", "--test-kinds"]);
    let stream = crate::support::stream(&format!("{url}/api/v1/events?event=job:completed,gap"));
    let mut ids: Vec<String> = Vec::new();
    for part in 0..3 {
        let jobs: Vec<_> = (0..JOBS / 3)
            .map(|number| serde_json::json!({ "kind": "test.noop", "queue": "q", "id": format!("j{part}-{number}") }))
            .collect();
        let (status, _) = post(&format!("{url}/api/v1/jobs"), &serde_json::Value::from(jobs).to_string());
        assert_eq!(status, 202);
    }
    let told = stream.filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()));
    for data in told {
        let event: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_ne!(event["event"], "gap");
        if event["event"] == "job:completed" {
            assert!(
                event["timestamps"]["finished_at"].as_f64() >= event["timestamps"]["created_at"].as_f64()
            );
            assert_eq!(event["job"]["max_attempts"], 4);
            ids.push(event["id"].as_str().unwrap().to_owned());
        }
        if ids.len() == JOBS {
            break;
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), JOBS);
}

#[test]
fn what_the_command_line_does_is_told_however_busy_the_others_are() {
    let site = Site::new();
    let (_server, url) = site.serve(&["--test-kinds"]);
    let mut stream = crate::support::stream(&format!("{url}/api/v1/events?queue=cli"));
    // Somebody else tells of something all the time.
    post(&format!("{url}/api/v1/jobs"), r#"{"kind":"test.progress","args":{"steps":100000,"ms":5}}"#);
    for number in 0..10 {
        let id = format!("z{number}");
        site.enqueue(&["test.noop", "--queue", "cli", "--delay", "1h", "--id", &id]);
        let told = stream.find(|line| line.starts_with("data: ") && line.contains("job:added")).unwrap();
        assert!(told.contains(&id), "{told}");
    }
    site.ok(&["queue", "pause", "cli"]);
    assert!(stream.any(|line| line == "event: queue:paused"));
}
