use std::sync::Arc;

use crate::life::Move;
use crate::limits::RESULT_BYTES_MAX;
use crate::{Invalid, JobError, JobSpec, Json, Lease, LeaseToken, Reason, State, Timestamp};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It succeeded, with what the handler returned.
    Done {
        /// Stored with the job; none is stored as no result.
        result: Option<Json>,
    },
    /// It failed; the job is scheduled for another attempt.
    Retry {
        /// When the next attempt may start.
        at: Timestamp,
        /// What went wrong.
        error: JobError,
        /// Why it counts as failed.
        reason: Reason,
    },
    /// The handler asks to be called later. The attempt is given back.
    Snooze {
        /// When.
        until: Timestamp,
        /// Why it waits.
        reason: Option<Reason>,
    },
    /// It failed for good.
    Fail {
        /// What went wrong.
        error: JobError,
        /// Why it counts as failed.
        reason: Reason,
    },
    /// It shall not succeed any more.
    Cancel {
        /// Who decided.
        reason: Reason,
    },
    /// The worker stops before the job could end. The attempt is given back.
    HandBack,
}

impl Outcome {
    /// The move that this outcome makes on a running job. A job whose cancellation was requested never completes and
    /// is not tried again, whatever its handler says.
    pub fn by_move(&self, cancel_requested: bool) -> Move {
        match self {
            Self::Fail { .. } => Move::Fail,
            _ if cancel_requested => Move::Cancel,
            Self::Done { .. } => Move::Done,
            Self::Retry { .. } => Move::Retry,
            Self::Snooze { .. } => Move::Snooze,
            Self::Cancel { .. } => Move::Cancel,
            Self::HandBack => Move::HandBack,
        }
    }
}

/// The end of one attempt: the lease it uses up, how it ended, and the jobs that follow from it.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    token: LeaseToken,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// When the handler really started; none if that was when it was claimed, or, of a job that is handed back, if it
    /// never did.
    pub started_at: Option<Timestamp>,
    /// Jobs inserted in the same atomic step. Dropped if the end is refused, and inserted only once if it is repeated.
    pub then: Vec<Arc<JobSpec>>,
}

impl End {
    /// Ends the attempt, consuming its lease.
    #[expect(clippy::needless_pass_by_value, reason = "a lease is used up by its end")]
    pub fn new(lease: Lease, outcome: Outcome) -> Self {
        Self { token: lease.token, outcome, started_at: None, then: Vec::new() }
    }

    /// For workers in other processes, which hold the token as text.
    pub fn by_token(token: LeaseToken, outcome: Outcome) -> Self {
        Self { token, outcome, started_at: None, then: Vec::new() }
    }

    /// Checks a batch of ends: the size of each result, and the jobs that follow.
    pub fn check_batch(ends: &[Self]) -> Result<(), Invalid> {
        for (index, end) in ends.iter().enumerate() {
            let bytes = if let Outcome::Done { result: Some(result) } = &end.outcome {
                result.as_str().len()
            } else {
                0
            };
            if bytes > RESULT_BYTES_MAX {
                let expected = format!("at most {RESULT_BYTES_MAX} bytes of JSON (max_result_bytes)");
                let error = Invalid::new(format!("ends[{index}].result"), expected, format!("{bytes} bytes"));
                return Err(error.code("payload_too_large"));
            }
            if !end.then.is_empty() {
                JobSpec::check_batch(&end.then)
                    .map_err(|error| error.below(&format!("ends[{index}].then")))?;
                if let Some(place) = end.then.iter().position(|spec| !spec.options.depends_on.is_empty()) {
                    let field = format!("ends[{index}].then[{place}].depends_on");
                    return Err(Invalid::new(field, "no parents: it follows from this end already", "some"));
                }
            }
        }
        Ok(())
    }

    /// The fence.
    pub fn token(&self) -> LeaseToken {
        self.token
    }
}

/// A batch of ends. Shared, so that it can be repeated when the answer was lost.
pub type Ends = Arc<Vec<End>>;

/// What became of one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The job moved to this state.
    Moved(State),
    /// This lease had already ended the attempt in the same way; nothing changed.
    Repeated(State),
    /// Nothing changed.
    Refused(Refusal),
}

/// Why an end was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The lease is not the one that holds the job now.
    LeaseLost,
    /// The job is not there any more.
    Gone,
}
