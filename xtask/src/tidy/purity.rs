//! `core` reads no clock, draws no chance, spawns nothing, opens nothing. Its manifest proves it.

use super::Complaint;
use super::house::{Dependency, House};

const CORE: &str = "longshore-core";
const CLOCK: &str = "longshore-clock";

/// What `core` may use: types, parsers and macros. None of them can reach a disk, a socket or a clock.
const PURE: &[&str] = &["async-trait", "bytes", "futures-core", CLOCK, "serde", "serde_json", "thiserror"];

/// Every dependency of `core` is known to do no I/O, and the clock's door stays shut.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let core = house.crates.iter().filter(|krate| krate.name == CORE);
    core.flat_map(|core| &core.needs).filter(|need| !need.dev).filter_map(complaint).collect()
}

fn complaint(need: &Dependency) -> Option<Complaint> {
    let place = "crates/core/Cargo.toml";
    if !PURE.contains(&need.name.as_str()) {
        return Some(Complaint::new(
            place,
            format!("`{}` is not on the list of what core may use", need.name),
            "take the value as an argument, or show that it does no I/O and add it to xtask/src/tidy/purity.rs",
        ));
    }
    let door = need.default_features || need.features.iter().any(|feature| feature == "door");
    (need.name == CLOCK && door).then(|| {
        Complaint::new(
            place,
            "core can read the clock",
            format!("use `{CLOCK}` without the feature `door`: `now` is an argument"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(needs: &[&str]) -> House {
        House::default().with(CORE, "crates/core", needs)
    }

    #[test]
    fn what_can_do_io_is_refused() {
        assert!(check(&core(&["serde", "tokio"]))[0].found.contains("`tokio`"));
        assert_eq!(check(&core(PURE)), []);
    }

    #[test]
    fn tests_of_core_are_free() {
        let mut house = core(&["proptest"]);
        house.crates[0].needs[0].dev = true;
        assert_eq!(check(&house), []);
    }

    #[test]
    fn the_door_of_the_clock_stays_shut() {
        let mut house = core(&[CLOCK]);
        house.crates[0].needs[0].features.push("door".to_owned());
        assert_eq!(check(&house).len(), 1);
        house.crates[0].needs[0].features.clear();
        house.crates[0].needs[0].default_features = true;
        assert_eq!(check(&house).len(), 1);
    }
}
