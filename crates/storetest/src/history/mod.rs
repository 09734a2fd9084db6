//! Random histories on the store under test and on the reference, answer by answer. A disagreement shrinks to the
//! shortest history that shows it.

mod side;
mod step;

use proptest::prelude::TestCaseError;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use tokio::runtime::Handle;

use crate::desk::Desk;
use crate::draft::at;
use crate::{Exam, audit};
use side::Side;
use step::{Step, steps};

const CASES: u64 = 100;
const STEPS: std::ops::Range<usize> = 1..80;

fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name}: expected a whole number, got {text:?}"))
}

pub(crate) async fn random_histories_agree_with_the_reference(desk: &Desk) {
    let exam = desk.exam;
    let case =
        |history: Vec<Step>| Handle::current().block_on(compare(exam, &history)).map_err(TestCaseError::fail);
    let config = Config {
        cases: setting("STORETEST_CASES", CASES) as u32,
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&setting("STORETEST_SEED", 0).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let histories = proptest::collection::vec(steps(), STEPS);
    match tokio::task::block_in_place(|| runner.run(&histories, case)) {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{}", reason.message()),
        Err(TestError::Fail(reason, history)) => {
            let lines: Vec<String> = history.iter().map(|step| format!("  {step:?}")).collect();
            panic!("the store and the reference disagree after\n{}\n{}", lines.join("\n"), reason.message());
        }
    }
}

/// Takes both stores through one history, and says where they part.
async fn compare(exam: Exam, history: &[Step]) -> Result<(), String> {
    let mut subject = Side::new(&*(exam.subject)()).await;
    let mut reference = Side::new(&*(exam.reference)()).await;
    let mut now = at(0);
    for step in history {
        if let Step::Pass(millis) = step {
            now = now + crate::draft::ms(u64::from(*millis));
        }
        agree("answers", &subject.take(step, now).await, &reference.take(step, now).await)?;
        agree("holds", &subject.whole().await, &reference.whole().await)?;
    }
    let findings = audit(&*subject.store).await.map_err(|error| error.to_string())?;
    subject.store.close().await.map_err(|error| error.to_string())?;
    reference.store.close().await.map_err(|error| error.to_string())?;
    if findings.is_empty() { Ok(()) } else { Err(format!("the audit found:\n{}", findings.join("\n"))) }
}

fn agree(what: &str, subject: &[String], reference: &[String]) -> Result<(), String> {
    if subject == reference {
        return Ok(());
    }
    let only = |here: &[String], there: &[String]| {
        let lines: Vec<&str> = here.iter().filter(|line| !there.contains(line)).map(String::as_str).collect();
        lines.join("\n    ")
    };
    let (ours, theirs) = (only(subject, reference), only(reference, subject));
    if ours.is_empty() && theirs.is_empty() {
        return Err(format!(
            "the store {what} in the order\n  {subject:#?}\nthe reference\n  {reference:#?}"
        ));
    }
    Err(format!("the store {what}:\n    {ours}\nthe reference {what}:\n    {theirs}"))
}
