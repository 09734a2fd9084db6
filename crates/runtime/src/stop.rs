use std::sync::Arc;

use tokio::sync::watch;

/// Stops a running part in two steps: first it drains, then it is cut. Cheap to clone; clones share one state.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Step>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Run,
    Drain,
    Cut,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Nothing is asked to stop yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Step::Run)))
    }

    fn raise(&self, to: Step) {
        self.0.send_if_modified(|step| {
            let higher = to > *step;
            *step = to.max(*step);
            higher
        });
    }

    /// First step: take no more work, finish what runs.
    pub fn drain(&self) {
        self.raise(Step::Drain);
    }

    /// Second step: let go of everything at once.
    pub fn cut(&self) {
        self.raise(Step::Cut);
    }

    /// Whether the first step was taken.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Step::Drain
    }

    /// Whether the second step was taken.
    pub fn is_cut(&self) -> bool {
        *self.0.borrow() == Step::Cut
    }

    async fn reached(&self, wanted: Step) {
        let mut steps = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = steps.wait_for(|step| *step >= wanted).await;
    }

    /// Waits for the first step.
    pub async fn draining(&self) {
        self.reached(Step::Drain).await;
    }

    /// Waits for the second step.
    pub async fn cutting(&self) {
        self.reached(Step::Cut).await;
    }
}
