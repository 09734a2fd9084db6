//! The examples do what they say: each of them checks its own results.

use std::process::Command;

fn runs(name: &str) {
    let test = std::env::current_exe().expect("a test has a program");
    let built = test.ancestors().nth(2).expect("tests stand two folders below").join("examples").join(name);
    let ended = Command::new(&built).status().unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    assert!(ended.success(), "{name}: {ended}");
}

#[test]
fn hello_runs() {
    runs("hello");
}

#[test]
fn outbox_runs() {
    runs("outbox");
}

#[test]
fn flow_runs() {
    runs("flow");
}

#[test]
fn upstream_runs() {
    runs("upstream");
}
