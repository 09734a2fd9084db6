use serde_json::json;

use crate::support::Site;

#[test]
fn a_job_is_enqueued_with_every_option_and_shown() {
    let site = Site::new();
    let options =
        ["--queue", "mail", "--priority", "-1", "--delay", "1h", "--id", "mail-1", "--max-attempts", "7"];
    let args = [
        "job",
        "enqueue",
        "email.send",
        "--args",
        r#"{"to":  "ada"}"#,
        "--timeout",
        "none",
        "--tag",
        "a",
        "--tag",
        "b",
    ];
    let line = site.ok(&[&args[..], &options[..]].concat());
    assert_eq!(line, "mail-1 scheduled\n");
    let job = site.json(&["job", "show", "mail-1"]);
    assert_eq!(
        (&job["queue"], &job["kind"], &job["state"]),
        (&json!("mail"), &json!("email.send"), &json!("scheduled"))
    );
    assert_eq!(
        (&job["priority"], &job["max_attempts"], &job["timeout"]),
        (&json!(-1), &json!(7), &json!(null))
    );
    assert_eq!((&job["tags"], &job["args"]), (&json!(["a", "b"]), &json!({ "to": "ada" })));
    assert!(
        site.ok(&["job", "inspect", "mail-1"]).contains(r#"{"to":  "ada"}"#),
        "args stay as they were written"
    );
    let again = site.json(&["job", "enqueue", "email.send", "--queue", "mail", "--id", "mail-1"]);
    assert_eq!(again, json!({ "id": "mail-1", "state": "scheduled", "duplicate": true }));
}

#[test]
fn args_come_from_a_file_or_from_standard_input() {
    let site = Site::new();
    site.write("args.json", "[1, 2]");
    let id = site.enqueue(&["test.echo", "--args", "@args.json"]);
    assert_eq!(site.json(&["job", "show", &id])["args"], json!([1, 2]));
    let piped =
        site.feed(&["job", "enqueue", "test.echo", "--args", "-", "--json"], "\"piped\"").ends(0).json();
    assert_eq!(site.json(&["job", "show", piped["id"].as_str().unwrap()])["args"], "piped");
}

#[test]
fn jobs_are_listed_filtered_and_paged() {
    let site = Site::new();
    for number in 0..5 {
        site.enqueue(&[
            "test.echo",
            "--queue",
            if number % 2 == 0 { "even" } else { "odd" },
            "--tag",
            &format!("n{number}"),
        ]);
    }
    let count =
        |args: &[&str]| site.json(&[&["job", "list"], args].concat())["jobs"].as_array().unwrap().len();
    assert_eq!(count(&[]), 5);
    assert_eq!(count(&["even"]), 3);
    assert_eq!(count(&["--tag", "n3"]), 1);
    assert_eq!(count(&["--kind", "test.*", "--state", "ready,failed"]), 5);
    assert_eq!(count(&["--q", "queue:odd state:ready"]), 2);
    assert_eq!(count(&["--state", "failed"]), 0);
    let first = site.json(&["job", "list", "--limit", "3"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = site.json(&["job", "list", "--limit", "3", "--cursor", cursor]);
    assert_eq!((second["jobs"].as_array().unwrap().len(), &second["next_cursor"]), (2, &json!(null)));
    let table = site.ok(&["job", "list", "--limit", "3"]);
    assert!(table.starts_with("ID ") && table.contains("more with --cursor"), "{table}");
}

#[test]
fn a_job_is_cancelled_retried_and_removed() {
    let site = Site::new();
    let id = site.enqueue(&["test.noop"]);
    assert!(site.ok(&["job", "cancel", &id]).contains("is cancelled"));
    assert!(site.run(&["job", "cancel", &id]).ends(1).err.contains("only a job that has not ended"));
    assert_eq!(site.json(&["job", "retry", &id])["state"], "ready");
    assert!(site.run(&["job", "retry", &id]).ends(1).err.contains("only a failed or cancelled job"));
    assert!(site.ok(&["job", "remove", &id]).contains("is removed"));
    let gone = site.run(&["job", "show", &id]).ends(1);
    assert!(gone.err.contains(&format!("there is no job {id}")) && gone.out.is_empty(), "{gone:?}");
    for verb in ["cancel", "retry", "remove", "watch"] {
        site.run(&["job", verb, &id]).ends(1);
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let site = Site::new();
    for (args, said) in [
        (&["job", "enqueue"][..], "KIND"),
        (&["job", "enqueue", " x"], "kind: expected"),
        (&["job", "enqueue", "x", "--args", "{"], "--args: expected JSON"),
        (&["job", "enqueue", "x", "--delay", "soon"], "expected a duration"),
        (
            &["job", "enqueue", "x", "--delay", "1s", "--run-at", "2030-01-01T00:00:00Z"],
            "cannot be used with",
        ),
        (&["job", "enqueue", "x", "--max-attempts", "0"], "max_attempts: expected"),
        (&["job", "enqueue", "x", "--priority", "NaN"], "priority: expected a finite number"),
        (&["job", "enqueue", "x", "--id", "17"], "id: expected"),
        (&["job", "enqueue", "x", "--tag", "a b"], "tags: expected"),
        (&["job", "list", "--state", "waiting"], "state: expected"),
        (&["job", "list", "--q", "colour:red"], "colour:"),
        (&["job", "list", "--cursor", "there"], "cursor: expected"),
        (&["job", "list", "--limit", "0"], "0 is not in 1..=1000"),
        (&["job", "fly"], "unrecognized subcommand"),
        (&["queue", "list", "--store", "memory:", "--store", "memory:"], "expected one URL"),
    ] {
        let ran = site.run(args).ends(2);
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}

#[test]
fn args_have_a_limit() {
    let site = Site::new().with("LONGSHORE_MAX_JOB_PAYLOAD_BYTES", "10B");
    let add = ["schedule", "add", "s", "--kind", "x", "--every", "1h"];
    for command in [&["job", "enqueue", "x"][..], &add] {
        let told = site.run(&[command, &["--args", "\"0123456789\""]].concat()).ends(2).err;
        assert!(told.contains("expected at most 10 bytes (max_job_payload_bytes), got 12 bytes"), "{told}");
    }
}

#[test]
fn whatever_args_hold_is_listed_and_no_terminal_is_commanded() {
    let site = Site::new();
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for args in [r#"{"a": 1e400}"#, &deep] {
        site.enqueue(&["test.echo", "--args", args]);
    }
    let listed = site.ok(&["job", "list", "--json"]);
    assert!(listed.contains("1e400") && listed.contains(&deep), "{listed}");
    let fails = r#"{"times": 9, "message": "no \u001b[31mred"}"#;
    let id = site.enqueue(&["test.fail", "--queue", "q", "--max-attempts", "1", "--args", fails]);
    let worker = site.worker(&["q", "--test-kinds"]);
    let watched = site.run(&["job", "watch", &id]).out;
    drop(worker);
    for told in [watched, site.ok(&["job", "show", &id])] {
        assert!(told.contains("[31mred") && !told.contains('\u{1b}'), "{told:?}");
    }
}

#[test]
fn a_job_and_a_schedule_take_the_same_options() {
    let site = Site::new();
    let options = [
        "--max-attempts",
        "7",
        "--backoff",
        r#"{"type": "fixed", "delay": "5s", "jitter": 0}"#,
        "--timeout",
        "none",
        "--retention",
        "2h",
        "--result-retention",
        "1h",
        "--limit-key",
        "anna",
    ];
    let id = site.enqueue(&[&["test.noop"], &options[..]].concat());
    let add = ["schedule", "add", "s", "--kind", "test.noop", "--every", "1h"];
    site.ok(&[&add[..], &options[..]].concat());
    let fired = site.json(&["schedule", "run-now", "s"])["id"].as_str().unwrap().to_owned();
    for id in [id, fired] {
        let job = site.json(&["job", "show", &id]);
        assert_eq!(
            (&job["max_attempts"], &job["timeout"], &job["retention"], &job["limit_key"]),
            (&json!(7), &json!(null), &json!(7_200), &json!("anna")),
            "{job}"
        );
        assert_eq!(job["result_retention"], json!(3_600), "{job}");
        assert_eq!(job["backoff"]["type"], json!("fixed"), "{job}");
    }
    let bad = site.run(&["job", "enqueue", "test.noop", "--backoff", "5s"]).ends(2);
    assert!(bad.err.contains("--backoff"), "{bad:?}");
}
