//! How the words of the engine stand in rows.

use std::sync::Arc;

use longshore_core::{
    JobId, JobSpec, Json, KindName, Options, Outcome, Priority, QueueName, Reason, State, Timestamp,
};
use rusqlite::ToSql;
use rusqlite::types::{FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::names::parsed;

/// A UUID as 16 bytes, a chosen id as its text.
pub(crate) enum IdValue<'a> {
    Uuid([u8; 16]),
    Text(&'a str),
}

impl<'a> IdValue<'a> {
    pub(crate) fn of(id: &'a JobId) -> Self {
        match id.as_uuid() {
            Some(uuid) => Self::Uuid(uuid.to_be_bytes()),
            None => Self::Text(id.as_text().unwrap_or_default()),
        }
    }
}

impl ToSql for IdValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

pub(crate) fn read_id(value: ValueRef<'_>) -> FromSqlResult<JobId> {
    match value {
        ValueRef::Blob(bytes) => {
            let bytes = bytes.try_into().map_err(|_| FromSqlError::InvalidType)?;
            Ok(JobId::from_u128(u128::from_be_bytes(bytes)))
        }
        other => JobId::parse(other.as_str()?).map_err(|error| FromSqlError::Other(Box::new(error))),
    }
}

/// The ways an attempt can end, as numbers, to recognise a repeated end.
pub(crate) fn way(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Done { .. } => 1,
        Outcome::Retry { .. } => 2,
        Outcome::Snooze { .. } => 3,
        Outcome::Fail { .. } => 4,
        Outcome::Cancel { .. } => 5,
        Outcome::HandBack => 6,
    }
}

pub(crate) fn read_state(number: i64) -> State {
    State::ALL.get(number as usize).copied().unwrap_or(State::Failed)
}

pub(crate) fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

pub(crate) fn reason(text: Option<&str>) -> Option<Reason> {
    text.and_then(Reason::parse)
}

/// The columns of `job` that make a [`JobSpec`], in this order, from column 0 on.
pub(crate) const SPEC: &str = "job.id, job.queue, job.kind, job.priority, job.run_at, job.owner, job.correlation, job.options, job.args";
/// How many they are.
pub(crate) const SPEC_COLUMNS: usize = 9;

/// Reads a spec; `queue` and `kind` turn numbers into names.
pub(crate) fn read_spec(
    row: &rusqlite::Row<'_>,
    queue: impl FnOnce(i64) -> rusqlite::Result<QueueName>,
    kind: impl FnOnce(i64) -> rusqlite::Result<KindName>,
) -> rusqlite::Result<JobSpec> {
    let shared = |text: Option<&str>| text.map(Arc::from);
    let options = match row.get_ref(7)?.as_str_or_null()? {
        None => Options::shared_default(),
        Some(text) => Arc::new(read_options(text)),
    };
    Ok(JobSpec {
        id: read_id(row.get_ref(0)?)?,
        queue: queue(row.get(1)?)?,
        kind: kind(row.get(2)?)?,
        priority: parsed(Priority::new(row.get(3)?))?,
        run_at: time(row.get(4)?),
        owner: shared(row.get_ref(5)?.as_str_or_null()?),
        correlation_id: shared(row.get_ref(6)?.as_str_or_null()?),
        options,
        args: Json::trusted(row.get_ref(8)?.as_str()?),
    })
}

/// Options that cannot be read are those of a newer program; a job must not block its queue because of them.
pub(crate) fn read_options(text: &str) -> Options {
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(%error, "the options of a job cannot be read; it gets the usual ones");
        Options::default()
    })
}

/// Options as text; none for the defaults.
pub(crate) fn options_text(options: &Arc<Options>) -> Option<String> {
    let usual = Arc::ptr_eq(options, &Options::shared_default()) || options.is_default();
    if usual { None } else { serde_json::to_string(&**options).ok() }
}
