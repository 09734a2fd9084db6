use std::time::Duration;

use longshore_core::{Backoff, Invalid, Variables};

/// What happens to a batch that could not be processed, after its retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBatchFailure {
    /// Whoever listens for dead letters gets its items, and the next batch follows. Usual if somebody does.
    DeadLetter,
    /// The consumer stops; the stop hands the items back. Usual otherwise.
    Stop,
}

/// How large a batch is, how long it waits, and what happens when something is full or fails.
#[derive(Clone, Debug)]
pub struct PipelineConfig {
    /// Items that may wait; who hands in more waits for room.
    pub max_queue_size: usize,
    /// Items of a batch, at most.
    pub batch_size: usize,
    /// Bytes of a batch, at most, unless a single item is larger; `None` for any number.
    pub batch_bytes: Option<usize>,
    /// How long the first item of a batch waits for others.
    pub batch_timeout: Duration,
    /// Gives an item back at once when there is no room, instead of waiting.
    pub drop_on_full: bool,
    /// How often a batch that failed is tried again.
    pub retries: u32,
    /// The waits before that.
    pub retry_backoff: Backoff,
    /// What happens after that; as usual if not given.
    pub on_batch_failure: Option<OnBatchFailure>,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            max_queue_size: 1_000,
            batch_size: 100,
            batch_bytes: None,
            batch_timeout: Duration::from_secs(5),
            drop_on_full: false,
            retries: 0,
            retry_backoff: Backoff::default(),
            on_batch_failure: None,
        }
    }
}

impl PipelineConfig {
    /// As usual, but for what the environment says: `PIPELINE_MAX_QUEUE_SIZE`, `PIPELINE_BATCH_SIZE`, and
    /// `PIPELINE_BATCH_TIMEOUT` in seconds.
    pub fn from_env() -> Result<Self, Invalid> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(said: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let (said, usual) = (Variables(said), Self::default());
        let second = Duration::from_secs(1);
        let config = Self {
            max_queue_size: said.number("PIPELINE_MAX_QUEUE_SIZE", usual.max_queue_size)?,
            batch_size: said.number("PIPELINE_BATCH_SIZE", usual.batch_size)?,
            batch_timeout: said.time("PIPELINE_BATCH_TIMEOUT", second, usual.batch_timeout)?,
            ..usual
        };
        let made = [("max_queue_size", "PIPELINE_MAX_QUEUE_SIZE"), ("batch_size", "PIPELINE_BATCH_SIZE")];
        config.check(false, false).map_err(|wrong| said.blame(wrong, &made))?;
        Ok(config)
    }

    pub(super) fn check(&self, heard: bool, sized: bool) -> Result<(), Invalid> {
        let counts = [
            ("max_queue_size", Some(self.max_queue_size)),
            ("batch_size", Some(self.batch_size)),
            ("batch_bytes", self.batch_bytes),
        ];
        if let Some((field, _)) = counts.iter().find(|(_, count)| *count == Some(0)) {
            return Err(Invalid::new(*field, "a whole number above 0", 0));
        }
        if self.max_queue_size > QUEUE_MAX {
            let expected = format!("at most {QUEUE_MAX}");
            return Err(Invalid::new("max_queue_size", expected, self.max_queue_size));
        }
        if self.batch_timeout.is_zero() {
            return Err(Invalid::new("batch_timeout", "a duration above zero", "0"));
        }
        longshore_core::check_duration("batch_timeout", self.batch_timeout)?;
        if self.batch_bytes.is_some() && !sized {
            return Err(Invalid::new("batch_bytes", "none, or a way to tell the size of an item", "no way"));
        }
        if self.on_batch_failure == Some(OnBatchFailure::DeadLetter) && !heard {
            return Err(Invalid::new(
                "on_batch_failure",
                "stop, or somebody who takes dead letters",
                "nobody",
            ));
        }
        self.retry_backoff.check().map_err(|error| error.below("retry_backoff"))
    }
}

/// The longest queue.
const QUEUE_MAX: usize = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_a_say() {
        let said = |name: &str| (name == "PIPELINE_BATCH_SIZE").then(|| "7".to_owned());
        assert_eq!(PipelineConfig::from_variables(said).unwrap().batch_size, 7);
        let zero = |name: &str| (name == "PIPELINE_MAX_QUEUE_SIZE").then(|| "0".to_owned());
        assert_eq!(PipelineConfig::from_variables(zero).unwrap_err().field, "PIPELINE_MAX_QUEUE_SIZE");
        let wrong = |name: &str| (name == "PIPELINE_BATCH_TIMEOUT").then(|| "soon".to_owned());
        assert_eq!(PipelineConfig::from_variables(wrong).unwrap_err().field, "PIPELINE_BATCH_TIMEOUT");
    }
}
