//! Requests and answers as one line each.

use std::sync::Arc;

use longshore_core::{
    Amended, Claims, End, Ended, Inserted, JobSpec, Kept, LeaseToken, Limit, Outcome, Renewal, Renewed,
};

use crate::ledger::{Ledger, line};

fn join(words: impl IntoIterator<Item = String>) -> String {
    let text = words.into_iter().collect::<Vec<_>>().join(", ");
    if text.is_empty() { "nothing".to_owned() } else { text }
}

pub(crate) fn specs(specs: &[Arc<JobSpec>]) -> String {
    join(specs.iter().map(|spec| {
        let (options, mut text) = (&spec.options, format!("{} in {} as {}", spec.id, spec.queue, spec.kind));
        if let Some(due) = spec.run_at {
            text += &format!(" at {due}");
        }
        if let Some(ttl) = options.ttl {
            text += &format!(" ttl {:?}", ttl.0);
        }
        if let Some(unique) = &options.unique {
            text += &format!(" {unique:?}");
        }
        if !options.depends_on.is_empty() {
            let parents = line(options.depends_on.iter().map(|parent| &parent.id));
            text += &format!(" after {parents} or {:?}", options.on_parent_failure);
        }
        text
    }))
}

pub(crate) fn inserted(answers: &[Inserted]) -> String {
    join(answers.iter().map(|answer| {
        let old = if answer.duplicate { " (was there)" } else { "" };
        let instead = answer.replaced.as_ref().map_or_else(String::new, |id| format!(" instead of {id}"));
        format!("{} {}{old}{instead}", answer.id, answer.state)
    }))
}

pub(crate) fn claims(claims: &Claims) -> String {
    join(claims.jobs.iter().map(|job| {
        format!(
            "{} attempt {} lease {:04x} until {}",
            job.spec.id,
            job.attempt,
            short(job.lease.token),
            job.lease.until
        )
    }))
}

fn short(token: LeaseToken) -> u64 {
    token.nonce() & 0xffff
}

fn leased(ledger: &Ledger, token: LeaseToken) -> String {
    let id = ledger.job_of(token).map_or_else(|| "nobody".to_owned(), ToString::to_string);
    format!("{id}/{:04x}", short(token))
}

pub(crate) fn renewals(ledger: &Ledger, renewals: &[Renewal]) -> String {
    join(renewals.iter().map(|renewal| leased(ledger, renewal.token)))
}

pub(crate) fn renewed(answers: &[Renewed]) -> String {
    join(answers.iter().map(|answer| match answer {
        Renewed::Held { until, cancel: false } => format!("until {until}"),
        Renewed::Held { until, cancel: true } => format!("until {until}, to be cancelled"),
        Renewed::Lost => "lost".to_owned(),
    }))
}

pub(crate) fn ends(ledger: &Ledger, ends: &[End]) -> String {
    let way = |outcome: &Outcome| match outcome {
        Outcome::Done { .. } => "done".to_owned(),
        Outcome::Retry { at, .. } => format!("retry at {at}"),
        Outcome::Snooze { until, .. } => format!("snooze until {until}"),
        Outcome::Fail { .. } => "fail".to_owned(),
        Outcome::Cancel { .. } => "cancel".to_owned(),
        Outcome::HandBack => "hand back".to_owned(),
    };
    join(ends.iter().map(|end| {
        let then = if end.then.is_empty() { String::new() } else { format!(" then {}", specs(&end.then)) };
        format!("{} {}{then}", leased(ledger, end.token()), way(&end.outcome))
    }))
}

pub(crate) fn ended(answers: &[Ended]) -> String {
    join(answers.iter().map(|answer| match answer {
        Ended::Moved(state) => state.to_string(),
        Ended::Repeated(state) => format!("{state} already"),
        Ended::Refused(refusal) => format!("refused {refusal:?}"),
    }))
}

pub(crate) fn kept(kept: &Kept) -> String {
    let moved = kept.moved.iter().map(|moved| format!("{} {} to {}", moved.spec.id, moved.from, moved.state));
    let removed = (kept.removed > 0).then(|| format!("{} records gone", kept.removed));
    join(moved.chain(removed))
}

pub(crate) fn amended(answers: &[Amended]) -> String {
    join(answers.iter().map(|answer| match answer {
        Amended::Moved { to: Some(state), .. } => state.to_string(),
        Amended::Moved { to: None, .. } => "gone".to_owned(),
        Amended::Asked(_) => "asked".to_owned(),
        Amended::WrongState(state) => format!("no, it is {state}"),
        Amended::UniqueConflict(other) => format!("no, {other} has its key"),
        Amended::Unknown => "unknown".to_owned(),
    }))
}

pub(crate) fn limits(limits: &[Limit]) -> String {
    join(limits.iter().map(|limit| format!("{limit:?}")))
}
