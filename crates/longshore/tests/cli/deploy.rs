//! The dashboard and the alert rules speak of nothing that is not in a scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::{Site, get, look};

/// The queries of the dashboard and of the alert rules.
fn queries() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("grafana.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert_eq!(panels.len(), 10);
    let of_panels = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut queries: Vec<String> =
        of_panels.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let rules = std::fs::read_to_string(folder.join("alerts.yml")).unwrap();
    let lines: Vec<&str> = rules.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(query) = line.trim().strip_prefix("expr: ") else { continue };
        // A folded text goes on below, further to the right.
        let more = lines[at + 1..].iter().take_while(|line| line.starts_with("          "));
        let more: Vec<&str> = if query == ">" { more.copied().collect() } else { Vec::new() };
        queries.push(format!("{query} {}", more.join(" ")));
    }
    assert_eq!(queries.len(), rules.matches("- alert:").count() + of_dashboard(panels));
    queries
}

fn of_dashboard(panels: &[Value]) -> usize {
    panels.iter().map(|panel| panel["targets"].as_array().unwrap().len()).sum()
}

/// Words of a query: names of metrics and labels among them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The labels that a query asks for or gathers by.
fn labels(query: &str) -> BTreeSet<&str> {
    let inside = |open: &'static str, close: char| {
        query.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
    };
    let asked = inside("{", '}')
        .flat_map(|matchers| matchers.split(','))
        .filter_map(|matcher| matcher.split(['=', '!']).next());
    let gathered = inside("by (", ')').flat_map(|labels| labels.split(','));
    asked.chain(gathered).map(str::trim).collect()
}

#[test]
fn every_metric_and_label_they_name_is_in_a_scrape() {
    let site = Site::new();
    site.write("longshore.toml", "[kinds.\"test.fail\"]\nbreaker_failures = 2\n");
    let (_server, url) = site.serve(&["--test-kinds"]);
    let id = site.enqueue(&["test.fail", "--max-attempts", "1", "--args", r#"{"times": 9}"#]);
    get(&format!("{url}/api/v1/jobs/{id}?wait=25"));
    let scrape = || look(&format!("{url}/metrics")).1.as_str().unwrap().to_owned();
    // The runtime is watched from the first second on.
    let text = std::iter::repeat_with(scrape).find(|text| text.contains("longshore_loop_lag")).unwrap();
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = sample.split_once(['{', ' ']).unwrap();
        let labels = rest.split(',').filter_map(|label| label.split_once("=\"")).map(|(label, _)| label);
        known.entry(name).or_default().extend(labels);
    }
    for query in queries() {
        let names: Vec<&str> = words(&query).filter(|word| word.starts_with("longshore_")).collect();
        assert!(!names.is_empty(), "{query}");
        for name in &names {
            assert!(known.contains_key(name), "{name} is in no scrape: {query}\n{text}");
        }
        for label in labels(&query) {
            let has = |name: &&str| known[*name].contains(label);
            assert!(names.iter().any(has), "none of {names:?} has the label {label}: {query}");
        }
    }
}

#[test]
fn a_table_of_a_kind_guards_its_jobs_and_why_names_the_open_breaker() {
    let site = Site::new().with("LONGSHORE_KINDS", r#"{"test.panic": {"max_concurrent": 1}}"#);
    site.write(
        "longshore.toml",
        "[kinds.\"test.fail\"]\nbreaker_failures = 2\nbreaker_open = \"1h\"\nretry_budget = 5\nrate_limit = 100\n",
    );
    let shown = site.json(&["config"]);
    assert_eq!(shown["kinds.test.fail.breaker_open"]["value"], "1h");
    assert_eq!(shown["kinds.test.panic.max_concurrent"]["origin"], "LONGSHORE_KINDS");
    let (_server, url) = site.serve(&["--test-kinds"]);
    let fails = ["test.fail", "--max-attempts", "1", "--args", r#"{"times": 9}"#];
    for _ in 0..2 {
        let id = site.enqueue(&fails);
        assert_eq!(get(&format!("{url}/api/v1/jobs/{id}?wait=25"))["state"], "failed");
    }
    let id = site.enqueue(&fails);
    let job = || get(&format!("{url}/api/v1/jobs/{id}"));
    let turned = std::iter::repeat_with(job).find(|job| job["state"] == "scheduled").unwrap();
    assert_eq!((&turned["reason"], &turned["attempt"]), (&"circuit_open".into(), &0.into()));
    let why = site.ok(&["job", "why", &id]);
    assert!(why.contains("breaker of kind test.fail was open"), "{why}");
    let scrape = look(&format!("{url}/metrics")).1;
    let state = "longshore_circuit_state{name=\"kind/test.fail\"} 2";
    assert!(scrape.as_str().unwrap().contains(state), "{scrape}");
    assert!(
        !scrape.as_str().unwrap().contains("circuit_rejected_total{name=\"kind/test.fail\"} 0"),
        "{scrape}"
    );
    for measured in [
        "longshore_performance_seconds_count{name=\"keeper.promote\"}",
        "longshore_loop_reading_lag_seconds_count",
    ] {
        assert!(scrape.as_str().unwrap().contains(measured), "{scrape}");
    }
    let why = get(&format!("{url}/api/v1/jobs/{id}/why"));
    assert_eq!(why["reasons"][0]["code"], "circuit_open");
}

#[test]
fn mistakes_in_the_table_of_a_kind_are_named() {
    let site = Site::new();
    site.write(
        "longshore.toml",
        "[kinds.a]\nbreaker_error_rate = 1.5\nbreaker_open = \"1s\"\nretry_budget_window = \"1s\"\nmax_concurrent = 0\nrate = 1\n\
         [kinds.\" x\"]\nrate_limit = 1\n",
    );
    let told = site.run(&["config"]).ends(2).err;
    for part in [
        "kinds.a.breaker_error_rate (longshore.toml:2): expected a number above 0 and at most 1, got 1.5",
        "kinds.a.breaker_open (longshore.toml:3): expected a breaker_failures or a breaker_error_rate beside it, got 1s",
        "kinds.a.retry_budget_window (longshore.toml:4): expected a retry_budget beside it, got 1s",
        "kinds.a.max_concurrent (longshore.toml:5): expected a whole number from 1 to 10000, got 0",
        "kinds.a.rate (longshore.toml:6): expected a known key",
        "kinds. x.rate_limit (longshore.toml:8): expected",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
    }
    site.write("longshore.toml", "[kinds.nobody]\nmax_concurrent = 1\n");
    let told = site.run(&["worker", "start", "q"]).ends(2).err;
    assert!(told.contains("nobody") && told.contains("pdf.render"), "{told}");
}
