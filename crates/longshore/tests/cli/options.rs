//! Every option of a job works on every way in, or is refused by name.

use longshore::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Site, get, post};

/// Args may be called as options are.
#[derive(Serialize, Deserialize, Job)]
#[job(kind = "test.echo")]
struct Odd {
    priority: u32,
    queue: String,
    delay: Option<u32>,
    id: Vec<u32>,
}

fn odd() -> Odd {
    Odd { priority: 1, queue: "no".to_owned(), delay: None, id: Vec::new() }
}

const FLAGS: &[&str] = &[
    "--priority=-2.5",
    "--max-attempts=7",
    r#"--backoff={"type": "fixed", "delay": "5s", "jitter": 0.25}"#,
    "--timeout=90s",
    "--tag=x",
    "--tag=y-z",
    "--ttl=2d",
    "--retention=1h",
    "--result-retention=30m",
    "--limit-key=k",
    "--unique=u",
    "--unique-ttl=1m",
    "--extend",
];

/// The same as a body, with fields of its own.
fn body(own: &Value) -> String {
    let mut body = json!({
        "kind": "test.echo", "args": odd(), "priority": -2.5, "max_attempts": 7,
        "backoff": { "type": "fixed", "delay": "5s", "jitter": 0.25 }, "timeout": "90s", "tags": ["x", "y-z"], "ttl": "2d",
        "retention": "1h", "result_retention": "30m", "limit_key": "k",
        "unique": { "key": "u", "ttl": "1m", "extend": true },
    });
    body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    body.to_string()
}

/// And as a program asks for it.
fn asked(client: &Client, queue: &str) -> longshore::runtime::Enqueue<Odd> {
    let unique =
        Unique { ttl: Some(longshore::core::DurationText(1.minute())), extend: true, ..Unique::new("u") };
    client
        .enqueue(odd())
        .queue(queue)
        .priority(-2.5)
        .max_attempts(7)
        .backoff(Backoff::Fixed { delay: longshore::core::DurationText(5.seconds()), jitter: 0.25 })
        .timeout(90.seconds())
        .tag("x")
        .tag("y-z")
        .ttl(48.hours())
        .retention(1.hour())
        .result_retention(30.minutes())
        .limit_key("k")
        .with_unique(unique)
}

/// What was kept of that.
fn kept(job: &Value) -> Value {
    let keys = [
        "kind",
        "args",
        "priority",
        "max_attempts",
        "backoff",
        "timeout",
        "tags",
        "ttl",
        "retention",
        "result_retention",
        "limit_key",
        "unique",
    ];
    keys.iter().map(|key| ((*key).to_owned(), job[*key].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn every_option_is_kept_by_every_way_in() {
    let site = Site::new();
    let (_server, url) = site.serve(&["--no-worker"]);
    let args = serde_json::to_string(&odd()).unwrap();
    let api = format!("{url}/api/v1");
    let id = |(status, answer): (u16, Value)| {
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    };
    let mut ids = Vec::new();

    // The command line, with a store and with a server.
    for (queue, far) in [("one", &[][..]), ("two", &["--api", url.as_str()][..])] {
        let own = ["job", "enqueue", "test.echo", "--queue", queue, "--args", &args, "--delay=1h"];
        let receipt = site.json(&[&own[..], FLAGS, far].concat());
        assert_eq!(receipt["state"], "scheduled");
        ids.push(receipt["id"].as_str().unwrap().to_owned());
    }
    // HTTP.
    ids.push(id(post(&format!("{api}/jobs"), &body(&json!({ "queue": "three", "delay": "1h" })))));
    // Schedules: of the command line with a store and with a server, and of HTTP.
    for (queue, far) in [("four", &[][..]), ("five", &["--api", url.as_str()][..])] {
        let own =
            ["schedule", "add", queue, "--kind=test.echo", "--every=1h", "--queue", queue, "--args", &args];
        site.json(&[&own[..], FLAGS, far].concat());
        ids.push(id(post(&format!("{api}/schedules/{queue}/run-now"), "")));
    }
    let (status, told) =
        post(&format!("{api}/schedules"), &body(&json!({ "name": "six", "every": "1h", "queue": "six" })));
    assert_eq!(status, 201, "{told}");
    ids.push(id(post(&format!("{api}/schedules/six/run-now"), "")));
    // A program, by itself and as a flow.
    let store = format!("sqlite:{}", site.path("longshore.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    ids.extend(runtime.block_on(async {
        let client = longshore::open(&store).await.unwrap().client();
        let alone = asked(&client, "seven").after(1.hour()).await.unwrap();
        let mut flow = client.flow();
        let inside = flow.add(asked(&client, "eight"));
        flow.insert().await.unwrap();
        [alone.id.to_string(), inside.to_string()]
    }));

    let first = kept(&get(&format!("{api}/jobs/{}", ids[0])));
    assert_eq!(
        first,
        json!({
            "kind": "test.echo", "args": odd(), "priority": -2.5, "max_attempts": 7,
            "backoff": { "type": "fixed", "delay": 5, "jitter": 0.25 }, "timeout": 90, "tags": ["x", "y-z"], "ttl": 172_800,
            "retention": 3_600, "result_retention": 1_800, "limit_key": "k",
            "unique": { "key": "u", "ttl": 60, "extend": true },
        })
    );
    for id in &ids[1..] {
        assert_eq!(kept(&get(&format!("{api}/jobs/{id}"))), first, "{id}");
    }
    assert_eq!(ids.len(), 8);
}

#[test]
fn what_a_way_in_does_not_offer_is_refused_by_name() {
    let site = Site::new();
    let (_server, url) = site.serve(&["--no-worker"]);
    let schedules = format!("{url}/api/v1/schedules");
    // A schedule gives each of its jobs a time and an id.
    for (field, value) in [
        ("delay", json!("1m")),
        ("run_at", json!("2099-01-01T00:00:00Z")),
        ("id", json!("mine")),
        ("depends_on", json!(["a"])),
        ("on_parent_failure", json!("run")),
    ] {
        let mut own = json!({ "name": "often", "every": "1h" });
        own[field] = value;
        let (status, told) = post(&schedules, &body(&own));
        assert_eq!((status, &told["error"]["details"]["field"]), (400, &json!(field)), "{told}");
        let flag = format!("--{}=1", field.replace('_', "-"));
        let args = ["schedule", "add", "often", "--kind=test.echo", "--every=1h", &flag];
        let told = site.run(&args).ends(2).err;
        assert!(told.contains(&format!("unexpected argument '{}'", flag.trim_end_matches("=1"))), "{told}");
    }
    assert_eq!(get(&schedules)["schedules"], json!([]));
}
