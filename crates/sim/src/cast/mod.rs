//! Who plays: callers, workers, keepers and operators, each a process of its own that may die wherever it waits.

pub(crate) mod caller;
mod draft;
pub(crate) mod keeper;
pub(crate) mod operator;
pub(crate) mod worker;

use longshore_core::StoreError;

use crate::plan::Plan;
use crate::scene::Scene;
use crate::stage::Make;

/// Makes the processes of one role, by their name.
type Role = fn(String) -> Make;

/// Everybody whom the plan names.
pub(crate) fn all(plan: &Plan) -> Vec<(String, Make)> {
    let roles: [(&str, u64, Role); 4] = [
        ("caller", plan.callers, caller::make),
        ("worker", plan.workers, worker::make),
        ("keeper", plan.keepers, keeper::make),
        ("oper", plan.operators, operator::make),
    ];
    let mut cast = Vec::new();
    for (role, count, make) in roles {
        for number in 0..count {
            let name = format!("{role}-{number}");
            cast.push((name.clone(), make(name)));
        }
    }
    cast
}

/// A refusal that repeating does not mend is an answer; anything else is asked again.
fn may_repeat(scene: &Scene, error: &StoreError) -> bool {
    if !error.is_transient() && !matches!(error, StoreError::Invalid(_)) {
        crate::lock(&scene.ledger).find(format!("the store failed: {error}"));
    }
    error.is_transient()
}
