use crate::support::Site;

#[test]
fn the_lab_measures_a_new_file_and_takes_it_away() {
    let site = Site::new();
    let report = site.json(&[
        "lab",
        "queue",
        "--store",
        "sqlite:lab.db",
        "--jobs",
        "2000",
        "--rounds",
        "1",
        "--slots",
        "8",
    ]);
    assert_eq!(
        (&report["store"], &report["jobs"], &report["slots"]),
        (&"sqlite:lab.db".into(), &2_000.into(), &8.into())
    );
    for key in ["enqueue_batch_per_s", "process_per_s", "floor_process_per_s"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert_eq!(report["process_rates"]["mean"], report["process_per_s"], "there was one round");
    assert!(report["valid"].as_bool().unwrap());
    assert!(!site.path("lab.db").exists());
    site.run(&["lab", "queue", "--store", "redis://x"]).ends(2);
    site.write("mine.db", "");
    assert!(site.run(&["lab", "queue", "--store", "sqlite:mine.db"]).ends(1).err.contains("mine.db exists"));
}
