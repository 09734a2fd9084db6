use serde_json::json;

use crate::support::Site;

#[test]
fn a_store_is_made_brought_up_to_date_and_checked() {
    let site = Site::new();
    assert!(site.ok(&["store", "migrate"]).contains("sqlite:longshore.db is up to date"));
    assert!(site.path("longshore.db").exists());
    site.enqueue(&["test.noop"]);
    assert_eq!(site.json(&["store", "migrate"])["store"], "sqlite:longshore.db");
    let check = site.json(&["store", "check"]);
    assert_eq!((&check["ok"], &check["jobs"], &check["queues"]), (&json!(true), &json!(1), &json!(1)));
    assert!(site.ok(&["store", "check"]).contains("sound, and takes writes"));
}

#[test]
fn a_store_stands_a_rough_history_and_keeps_what_was_in_it() {
    let site = Site::new();
    site.ok(&["store", "migrate"]);
    site.enqueue(&["test.noop"]);
    let verdict = site.json(&["store", "torture", "--seed", "3", "--seconds", "1"]);
    assert_eq!(
        (&verdict["sound"], &verdict["seed"], &verdict["findings"]),
        (&json!(true), &json!(3), &json!([]))
    );
    assert!(verdict["steps"].as_u64() > Some(50), "{verdict}");
    let check = site.json(&["store", "check"]);
    assert_eq!((&check["ok"], &check["jobs"], &check["queues"]), (&json!(true), &json!(1), &json!(1)));
    assert!(
        site.ok(&["store", "torture", "--store", "memory:", "--steps", "100"]).contains("memory:: sound")
    );
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let site = Site::new();
    site.write("letter.db", &"dear all ".repeat(1_000));
    let ran = site.run(&["store", "check", "--store", "sqlite:letter.db"]).ends(1);
    assert!(ran.err.contains("cannot open the store sqlite:letter.db"), "{ran:?}");
}

#[test]
fn completions_are_there_for_every_shell() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(site.ok(&["completions", shell]).contains("enqueue"), "{shell}");
    }
    site.run(&["completions", "smalltalk"]).ends(2);
}

#[test]
fn help_and_version_are_answers() {
    let site = Site::new();
    assert!(site.ok(&["--help"]).contains("Durable background work"));
    assert!(site.ok(&["--version"]).starts_with("longshore "));
    for words in [
        "serve",
        "worker start",
        "queue drain",
        "job enqueue",
        "pdf render",
        "store check",
        "store torture",
        "config",
        "demo",
        "lab queue",
    ] {
        let args: Vec<&str> = words.split(' ').chain(["--help"]).collect();
        assert!(site.ok(&args).contains("Usage: longshore"), "{words}");
    }
    site.run(&[]).ends(2);
}

#[test]
fn looking_makes_no_store() {
    let site = Site::new();
    for args in [&["job", "list"][..], &["queue", "list"], &["worker", "list"], &["store", "check"]] {
        let ran = site.run(&[&["--store", "sqlite:typo.db"], args].concat()).ends(1);
        assert!(ran.err.contains("there is no store at typo.db"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(site.path("")).unwrap().count(), 0);
}
