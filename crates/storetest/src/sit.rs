use std::pin::Pin;
use std::time::Duration;

use longshore_core::StoreError;

use crate::desk::Desk;
use crate::{Exam, audit};

/// Longer than any question takes on a slow machine: only a store that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Asks one question of a fresh store, then audits what the question left behind.
pub(crate) fn sit(exam: Exam, name: &'static str, question: for<'a> fn(&'a Desk) -> Answering<'a>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let desk = Desk::new(exam, name).await;
        tokio::time::timeout(PATIENCE, question(&desk)).await.expect("the store hangs");
        match audit(&*desk.store).await {
            Ok(findings) => assert!(findings.is_empty(), "the audit found:\n{}", findings.join("\n")),
            Err(StoreError::Closed) => {}
            Err(error) => panic!("the audit failed: {error}"),
        }
    });
}
