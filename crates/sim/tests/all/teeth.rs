use std::sync::Arc;

use longshore_clock::Door;
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_sim::simulate;

use crate::planted::{Defect, Planted};

/// Seeds within which every defect has to be found.
const SEEDS: u64 = 40;

/// The first seed that finds a defect, and what it says.
fn found(defect: Defect) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| {
        let open = |door: &Door| -> Arc<dyn Store> {
            Arc::new(Planted::new(Arc::new(MemoryStore::new(door)), defect))
        };
        let report = simulate(seed, open, false);
        report.findings.into_iter().next().map(|finding| (seed, finding))
    })
}

#[test]
fn every_planted_defect_is_found_for_what_it_is() {
    let said = [
        (Defect::LateEnd, "accepted"),
        (Defect::GivesTwice, "was claimed while"),
        (Defect::NeverSettles, "was never worked off"),
        (Defect::BreaksLimits, "start"),
        (Defect::ClaimsPaused, "which is paused"),
        (Defect::LosesLast, "is lost"),
        (Defect::PromotesEarly, "was promoted"),
        (Defect::ReclaimsEarly, "was taken back"),
        (Defect::PrunesEarly, "was pruned"),
        (Defect::KeepsTooFew, "keeps"),
        (Defect::RenewsLost, "a lost lease"),
        (Defect::ForgetsKeys, "the key"),
        (Defect::ReleasesEarly, "was born"),
    ];
    for (defect, words) in said {
        let Some((seed, finding)) = found(defect) else {
            panic!("{defect:?} was not found within {SEEDS} seeds");
        };
        println!("{defect:?}: seed {seed}: {finding}");
        assert!(finding.contains(words), "{defect:?} was found as: {finding}");
    }
}
