use serde_json::json;

use crate::support::{Site, look, look_as};

/// The text of a new key.
fn key(site: &Site, owner: &str, scopes: &str) -> (String, String) {
    let key = site.json(&["key", "create", "--owner", owner, "--scope", scopes]);
    (key["id"].as_str().unwrap().to_owned(), key["key"].as_str().unwrap().to_owned())
}

#[test]
fn a_server_that_others_can_reach_wants_keys() {
    let site = Site::new();
    let mut server = site.start(&["serve", "--listen", "0.0.0.0:0", "--test-kinds"]);
    let url = server.line_with("listening on ").replace("listening on ", "");
    let jobs = format!("{url}/api/v1/jobs");
    let (status, refusal) = look(&jobs);
    assert_eq!((status, &refusal["error"]["code"]), (401, &json!("unauthorized")));
    assert_eq!(look(&format!("{url}/health/ready")).0, 200);
    let (id, ann) = key(&site, "ann", "read,submit");
    let (_, operator) = key(&site, "ops", "admin");
    let hers = site.enqueue(&["test.echo", "--owner", "ann"]);
    let nobodys = site.enqueue(&["test.echo"]);
    assert_eq!(look_as(&ann, &format!("{jobs}/{hers}?wait=25")).1["state"], "completed");
    assert_eq!(look_as(&ann, &format!("{jobs}/{nobodys}")).0, 404);
    assert_eq!(look_as(&operator, &format!("{jobs}/{nobodys}")).1["owner"], json!(null));
    assert_eq!(look_as(&ann, &format!("{url}/api/v1/queues")).0, 403);
    site.ok(&["key", "revoke", &id]);
    assert_eq!(look_as(&ann, &jobs).0, 401, "from the next request on");
}

#[test]
fn identity_is_what_the_configuration_says() {
    for (setting, listen, status) in
        [("on", "127.0.0.1:0", 401), ("off", "0.0.0.0:0", 200), ("auto", "127.0.0.1:0", 200)]
    {
        let site = Site::new().with("LONGSHORE_IDENTITY", setting);
        let mut server = site.start(&["serve", "--listen", listen, "--no-worker"]);
        let url = server.line_with("listening on ").replace("listening on ", "");
        assert_eq!(look(&format!("{url}/api/v1/queues")).0, status, "{setting} {listen}");
    }
    let site = Site::new().with("LONGSHORE_METRICS_NETWORKS", "10.0.0.0/8,10.0.0.1");
    let ran = site.run(&["config"]).ends(2);
    assert!(
        ran.err.contains("LONGSHORE_METRICS_NETWORKS") && ran.err.contains("a list of networks"),
        "{ran:?}"
    );
}

#[test]
fn the_metrics_of_a_worker_are_open_where_it_is_permitted() {
    let site = Site::new().with("LONGSHORE_IDENTITY", "on").with("LONGSHORE_METRICS_NETWORKS", "");
    let (_, any) = key(&site, "prometheus", "read");
    let mut worker = site.start(&["worker", "start", "q", "--metrics-listen", "127.0.0.1:0"]);
    let url = worker.line_with("metrics on ").replace("metrics on ", "");
    let metrics = format!("{url}/metrics");
    assert_eq!(
        (look(&metrics).0, look_as(&any, &metrics).0, look(&format!("{url}/health/live")).0),
        (401, 200, 200)
    );
}

#[test]
fn keys_are_listed_without_their_secrets() {
    let site = Site::new();
    let said = site.ok(&["key", "create", "--owner", "ann", "--scope", "read,submit", "--expires-in", "90d"]);
    let text = said.lines().last().unwrap();
    assert!(text.starts_with("lsk_") && said.contains("for ann: read, submit, until "), "{said}");
    let list = site.ok(&["key", "list"]);
    assert!(list.contains("ann") && list.contains("read, submit") && !list.contains(text), "{list}");
    assert_eq!(site.json(&["key", "list"])["keys"][0]["scopes"], json!(["read", "submit"]));
    let ran = site.run(&["key", "create", "--owner", "ann", "--scope", "write"]).ends(2);
    assert!(ran.err.contains("read, submit or admin"), "{ran:?}");
    let ran = site.run(&["key", "create", "--owner", "a/b", "--scope", "read"]).ends(2);
    assert!(ran.err.contains("owner"), "{ran:?}");
    let ran = site.run(&["key", "revoke", "0000000000000000"]).ends(1);
    assert!(ran.err.contains("there is no API key"), "{ran:?}");
}
