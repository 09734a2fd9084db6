//! Disks that are full, and disks that cannot be written.

use serde_json::{Value, json};

use crate::support::{Running, Site, get, look, post};

/// A disk of 3 MB that becomes larger when a line is said.
const SMALL: &str = r#"
    mount -t tmpfs -o size=3m tmpfs small
    "$0" "$@" &
    read line
    mount -o remount,size=64m small
    wait
"#;

/// The folder as it is, only that nothing can be written to it.
const READ_ONLY: &str = r#"
    mount --bind locked locked
    mount -o remount,ro,bind locked
    exec "$0" "$@"
"#;

fn submit(url: &str, bytes: usize) -> (u16, Value) {
    let job = json!({ "kind": "test.echo", "args": "x".repeat(bytes) }).to_string();
    post(&format!("{url}/api/v1/jobs"), &job)
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_is_got_over() {
    let site = Site::new();
    std::fs::create_dir(site.path("small")).unwrap();
    let args = ["serve", "--listen", "127.0.0.1:0", "--no-worker", "--store", "sqlite:small/jobs.db"];
    let mut server = Running::of(site.mounted(SMALL, &args));
    let line = server.line_with("listening on ");
    let url = line.strip_prefix("listening on ").unwrap();

    let mut accepted = 0;
    let mut fill = |bytes: usize| loop {
        match submit(url, bytes) {
            (202, _) => accepted += 1,
            refused => return refused,
        }
        assert!(accepted < 1_000, "3 MB hold no 10 MB");
    };
    // First with large jobs, then with small ones, until there is no room for anything.
    fill(100_000);
    let refused = fill(1);
    assert_eq!((refused.0, &refused.1["error"]["code"]), (507, &json!("store_full")), "{}", refused.1);
    assert!(refused.1["error"]["message"].as_str().unwrap().contains("Free some space"), "{}", refused.1);
    let (status, health) = look(&format!("{url}/health/ready"));
    assert_eq!((status, &health["message"]), (503, &json!("the store has no room left")), "{health}");
    let jobs = || get(&format!("{url}/api/v1/queues/default"))["counts"]["ready"].as_u64().unwrap();
    assert!(accepted > 0 && jobs() == accepted);

    server.say("there is more room now");
    let mut left = 10_000;
    while submit(url, 100_000).0 != 202 {
        left -= 1;
        assert!(left > 0, "the store does not get over it");
    }
    assert_eq!(jobs(), accepted + 1);
    assert_eq!(look(&format!("{url}/health/ready")).0, 200);
}

#[test]
fn a_disk_that_cannot_be_written_is_told() {
    let site = Site::new();
    std::fs::create_dir(site.path("locked")).unwrap();
    site.ok(&["--store", "sqlite:locked/jobs.db", "store", "migrate"]);
    for command in [&["job", "list"][..], &["job", "enqueue", "test.echo"], &["store", "check"]] {
        let args = [&["--store", "sqlite:locked/jobs.db"], command].concat();
        let ran = site.mounted(READ_ONLY, &args).output().unwrap();
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{command:?}: {told}");
        assert!(
            told.contains("the store is read-only: ") && told.contains("locked/jobs.db"),
            "{command:?}: {told}"
        );
        assert!(told.contains("Make the file and its folder writable"), "{command:?}: {told}");
    }
}
