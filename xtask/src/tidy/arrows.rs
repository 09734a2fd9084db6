//! Which crate of ours may use which. The table is the one in ARCHITECTURE.md; change both together.

use super::Complaint;
use super::house::{Crate, House};

/// What stands for every crate of the workspace.
const EVERYTHING: &str = "everything";

/// Each crate with those of ours that it may use. `clock` is open to everyone; `stores` stands for every closet.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("core", &[]),
    ("cron", &["core"]),
    ("resilience", &["core", "telemetry"]),
    ("telemetry", &["core"]),
    ("pool", &["core", "resilience", "telemetry"]),
    ("pdf", &[]),
    ("stores", &["core"]),
    ("storetest", &["core"]),
    ("macros", &[]),
    ("runtime", &["core", "cron", "resilience", "telemetry"]),
    ("services", &["core", "runtime", "resilience", "pool", "pdf"]),
    ("server", &["core", "cron", "runtime", "services", "resilience", "telemetry"]),
    ("lab", &["core", "cron", "runtime", "resilience", "telemetry"]),
    ("sim", &["core", "runtime", "storetest", "stores"]),
    ("longshore", &[EVERYTHING]),
    ("xtask", &["core"]),
];

/// What every crate may use in its tests besides.
const TESTS_MAY_USE: &[&str] = &["storetest", "stores"];

/// Normal and build dependencies follow the table; those of tests may add the exam and the stores.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    house.crates.iter().flat_map(|krate| strangers(house, krate)).collect()
}

fn strangers(house: &House, krate: &Crate) -> Vec<Complaint> {
    let place = format!("{}/Cargo.toml", krate.folder);
    let from = role(krate);
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == from) else {
        return vec![Complaint::new(
            place,
            format!("`{from}` has no row in the table of arrows"),
            "give it one in ARCHITECTURE.md and in xtask/src/tidy/arrows.rs",
        )];
    };
    let mut complaints = Vec::new();
    for need in &krate.needs {
        let Some(to) = house.crates.iter().find(|other| other.name == need.name).map(role) else { continue };
        let fine = to == "clock"
            || to == from && need.dev
            || allowed.contains(&to)
            || allowed.contains(&EVERYTHING)
            || need.dev && TESTS_MAY_USE.contains(&to);
        if !fine {
            let kind = if need.dev { " (for tests)" } else { "" };
            complaints.push(Complaint::new(
                &place,
                format!("the arrow {from} ─▶ {to}{kind} is not allowed"),
                format!("{from} may use {}; {ADVICE}", list(allowed)),
            ));
        }
    }
    complaints
}

const ADVICE: &str =
    "go through one of these, or change ARCHITECTURE.md and xtask/src/tidy/arrows.rs together";

fn role(krate: &Crate) -> &str {
    if krate.folder.starts_with("crates/stores/") {
        "stores"
    } else {
        krate.name.strip_prefix("longshore-").unwrap_or(&krate.name)
    }
}

fn list(allowed: &[&str]) -> String {
    let mut words = vec!["clock"];
    words.extend(allowed);
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, folder: &str, needs: &[&str]) -> House {
        House::default()
            .with("longshore-clock", "crates/clock", &[])
            .with("longshore-core", "crates/core", &[])
            .with("longshore-storetest", "crates/storetest", &["longshore-core"])
            .with("longshore-memory", "crates/stores/memory", &["longshore-core", "longshore-clock"])
            .with(name, folder, needs)
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_named_with_the_rule() {
        let house = sample("longshore-server", "crates/server", &["longshore-memory", "serde"]);
        let complaints = check(&house);
        assert_eq!(complaints.len(), 1);
        assert_eq!(complaints[0].place, "crates/server/Cargo.toml");
        assert!(complaints[0].found.contains("server ─▶ stores"));
        assert!(complaints[0].mend.contains("clock, core, cron, runtime, services, resilience, telemetry"));
    }

    #[test]
    fn a_store_does_not_use_another_one() {
        let house = sample("longshore-sqlite", "crates/stores/sqlite", &["longshore-memory"]);
        assert!(check(&house)[0].found.contains("stores ─▶ stores"));
    }

    #[test]
    fn the_exam_belongs_to_tests_and_to_the_binary() {
        let mut house = sample("longshore-lab", "crates/lab", &["longshore-storetest"]);
        assert!(check(&house)[0].found.contains("lab ─▶ storetest"));
        house.crates[4].needs[0].dev = true;
        assert_eq!(check(&house), []);
        assert_eq!(check(&sample("longshore", "crates/longshore", &["longshore-storetest"])), []);
    }

    #[test]
    fn tests_do_not_open_every_door() {
        let mut house = sample("longshore-core", "crates/core", &["longshore"]).with("longshore", "x", &[]);
        house.crates[4].needs[0].dev = true;
        assert!(check(&house)[0].found.contains("core ─▶ longshore (for tests)"));
    }

    #[test]
    fn a_crate_without_a_row_is_a_complaint() {
        let house = sample("longshore-annex", "crates/annex", &[]);
        assert!(check(&house)[0].found.contains("`annex` has no row"));
    }
}
