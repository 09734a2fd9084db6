use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use longshore_core::{Json, KindName, QueueName, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attempt::Running;
use crate::engine::Engine;
use crate::signal::Cancel;

/// Why a handler could not be called with its job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The args do not fit. The job fails at once, because they will not change.
    #[error("the args do not fit the handler: {0}")]
    BadArgs(String),
    /// The worker was started without this state. The job is tried again, perhaps elsewhere.
    #[error("this worker has no state of type {0}; give it one with Worker::state")]
    NoState(&'static str),
}

/// What a handler can ask for by naming it as a parameter.
pub trait Extract: Sized + Send {
    /// Takes it from the running attempt.
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError>;
}

/// The args of the job, read as a `T`.
#[derive(Debug)]
pub struct Args<T>(pub T);

impl<T: DeserializeOwned + Send> Extract for Args<T> {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        running.spec.args.to().map(Self).map_err(|error| ExtractError::BadArgs(error.to_string()))
    }
}

/// Something that all handlers of a worker share, given to it by `Worker::state`.
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

impl<T> Deref for State<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Extract for State<T> {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        running.states.get::<T>().map(Self).ok_or(ExtractError::NoState(std::any::type_name::<T>()))
    }
}

impl Extract for Cancel {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        Ok(Self(running.clone()))
    }
}

/// The way to tell how far the handler is. Stored with the job and pushed to whoever watches.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Running>);

impl Progress {
    /// Whole percent (0 to 100; 100 is shown when the job has completed) and a few words.
    ///
    /// A lower percent than before keeps the higher one. Cheap: watchers are told at once, the stored copy follows
    /// within a quarter of a second.
    #[expect(
        clippy::unused_async,
        reason = "a handler may be held up here when watchers must be told in step"
    )]
    pub async fn at(&self, percent: u8, message: &str) {
        self.0.advance(longshore_core::Progress::new(percent.min(99), message));
    }

    /// The same with free data beside it, at most 16 KiB of JSON. Larger data is left out.
    #[expect(clippy::unused_async, reason = "as `at`")]
    pub async fn with_data<T: Serialize + Sync>(&self, percent: u8, message: &str, data: &T) {
        let progress = longshore_core::Progress::new(percent.min(99), message);
        let data = Json::from_value(data).ok();
        let whole = data.and_then(|data| progress.clone().with_data(data).ok());
        self.0.advance(whole.unwrap_or(progress));
    }
}

impl Extract for Progress {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        Ok(Self(running.clone()))
    }
}

/// What a handler may know of the attempt it makes.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The id of the job, as text.
    pub job_id: String,
    /// Its queue.
    pub queue: QueueName,
    /// Its kind.
    pub kind: KindName,
    /// Which attempt this is, from 1.
    pub number: u32,
    /// How many there may be.
    pub max: u32,
    /// When the job was inserted.
    pub created_at: Timestamp,
    /// Joins what one request caused, over all logs.
    pub correlation_id: Option<Arc<str>>,
}

impl Attempt {
    /// The same for all attempts of one job: hand it to whoever must not do a thing twice.
    pub fn idempotency_key(&self) -> &str {
        &self.job_id
    }
}

impl Extract for Attempt {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        let spec = &running.spec;
        Ok(Self {
            job_id: spec.id.to_string(),
            queue: spec.queue.clone(),
            kind: spec.kind.clone(),
            number: running.number,
            max: spec.options.max_attempts,
            created_at: running.created_at,
            correlation_id: spec.correlation_id.clone(),
        })
    }
}

/// The shared things of a worker, by type.
#[derive(Clone, Default)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn put<T: Send + Sync + 'static>(&mut self, state: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), state);
    }

    /// With what every handler of an engine can ask for.
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut states = Self::default();
        states.put(Arc::new(engine.client()));
        states.put(Arc::new(engine.control()));
        states
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).and_then(|state| state.clone().downcast().ok())
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} states", self.0.len())
    }
}
