use std::time::Duration;

use longshore_clock::Deadline;
use longshore_core::{JobSpec, WorkerInfo};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::roster;

/// How long a job that somebody else knows is put off: long enough for them to look for it first.
pub(super) const OTHERS_WITHIN: Duration = Duration::from_secs(1);

/// The live workers, as they were at the last look.
#[derive(Default)]
pub(super) struct Others(Mutex<Option<(Deadline, Vec<WorkerInfo>)>>);

impl Others {
    /// Whether a live worker of the queue of this job knows its kind. Looked at once in a second at most.
    pub(super) async fn know(&self, engine: &Engine, job: &JobSpec) -> bool {
        let mut looked = self.0.lock().await;
        if looked.as_ref().is_none_or(|(until, _)| until.is_over()) {
            let now = engine.now();
            // A store that does not answer now knows of nobody.
            let mut workers = roster::list(&**engine.store(), now).await.unwrap_or_default();
            workers.retain(|worker| worker.is_alive(now));
            *looked = Some((engine.door().clock.after(OTHERS_WITHIN), workers));
        }
        looked
            .iter()
            .flat_map(|(_, workers)| workers)
            .any(|worker| worker.serves(&job.queue) && worker.kinds.contains(&job.kind))
    }
}
