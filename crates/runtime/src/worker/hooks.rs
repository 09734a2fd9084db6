use std::future::Future;
use std::pin::Pin;

use longshore_core::{Invalid, QueueName, WorkerId};

use crate::client::Client;

/// What a hook of a worker is told.
#[derive(Clone)]
pub struct HookContext {
    /// To enqueue jobs.
    pub client: Client,
    /// The worker.
    pub worker_id: WorkerId,
    /// The queues it serves; empty is every queue.
    pub queues: Vec<QueueName>,
}

/// What goes wrong in a hook.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

type Ran = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send>>;

/// Functions around the life of a worker, in the order in which they were added.
#[derive(Default)]
pub(super) struct Hooks {
    startup: Vec<Box<dyn Fn(HookContext) -> Ran + Send + Sync>>,
    shutdown: Vec<Box<dyn Fn(HookContext) -> Ran + Send + Sync>>,
}

impl Hooks {
    pub(super) fn on_startup<F, Fut>(&mut self, hook: F)
    where
        F: Fn(HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.startup.push(Box::new(move |context| Box::pin(hook(context))));
    }

    pub(super) fn on_shutdown<F, Fut>(&mut self, hook: F)
    where
        F: Fn(HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.shutdown.push(Box::new(move |context| Box::pin(hook(context))));
    }

    /// Before the first claim. The first failure ends the worker.
    pub(super) async fn start(&self, context: &HookContext) -> Result<(), Invalid> {
        for hook in &self.startup {
            hook(context.clone()).await.map_err(|error| {
                Invalid::new("on_startup", "hooks that succeed", error).code("startup_failed")
            })?;
        }
        Ok(())
    }

    /// After the worker has left. All of them run; failures are logged.
    pub(super) async fn stop(&self, context: &HookContext) {
        for hook in &self.shutdown {
            if let Err(error) = hook(context.clone()).await {
                tracing::error!(worker = %context.worker_id, %error, "a hook at the end of a worker failed");
            }
        }
    }
}
