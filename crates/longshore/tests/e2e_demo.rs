//! The demo, as somebody who has just built it runs it.

mod support;

use serde_json::json;
use support::{Site, get, is_pdf};

#[test]
fn the_demo_makes_a_report_and_tells_what_ran() {
    let site = Site::new();
    let ran = site.run(&["demo"]).ends(0);
    for said in [
        "monthly report as PDF",
        "running",
        "RUN P95",
        "3 pages",
        "longshore-demo/report.pdf",
        "http://127.0.0.1:",
    ] {
        assert!(ran.out.contains(said), "{said} is not in {}", ran.out);
    }
    assert!(is_pdf(&site.path("longshore-demo/report.pdf")));
}

#[test]
fn the_summary_is_there_for_programs_and_the_folder_is_made_anew() {
    let site = Site::new();
    for _ in 0..2 {
        let ran = site.run(&["demo", "--json", "--dir", "here"]).ends(0);
        let summary = ran.json();
        assert_eq!((&summary["pages"], &summary["retries"]), (&json!(3), &json!(2)));
        let jobs = summary["jobs"].as_array().unwrap();
        assert_eq!(jobs.len(), 5);
        assert!(jobs.iter().all(|job| job["state"] == "completed"), "{summary}");
        let attempts = |kind: &str| jobs.iter().find(|job| job["kind"] == kind).unwrap()["attempts"].clone();
        assert_eq!(
            (attempts("test.fail"), attempts("demo.primes"), attempts("pdf.render")),
            (json!(3), json!(1), json!(1))
        );
        assert!(
            summary["queues"].as_array().unwrap().iter().all(|queue| queue["run_p95_ms"].is_number()),
            "{summary}"
        );
        assert!(is_pdf(&site.path("here/report.pdf")));
    }
}

#[test]
fn it_goes_on_serving_if_asked_to() {
    let site = Site::new();
    let mut demo = site.start(&["demo", "--keep"]);
    let line = demo.line_with("until Ctrl-C");
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert_eq!(get(&format!("{url}/api/v1/jobs"))["jobs"].as_array().unwrap().len(), 5);
    demo.signal("INT");
    assert_eq!(demo.end(), 0);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let site = Site::new();
    site.write("mine/letter.txt", "dear");
    let ran = site.run(&["demo", "--dir", "mine"]).ends(1);
    assert!(ran.err.contains("choose another folder with --dir"), "{ran:?}");
    assert!(site.path("mine/letter.txt").exists());
}
