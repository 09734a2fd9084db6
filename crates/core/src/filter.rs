use std::fmt;
use std::str::FromStr;

use crate::{FailureGroup, Fingerprint, Invalid, Job, QueueName, Reason, State, Timestamp};

/// Which jobs somebody means.
///
/// The language, as CLI and HTTP take it: words separated by blanks, all of which must hold.
///
/// | word | holds for jobs |
/// |---|---|
/// | `queue:mail` | of that queue |
/// | `state:failed,cancelled` | in one of these states |
/// | `kind:pdf.render`, `kind:pdf.*` | of that kind, or of kinds that begin so |
/// | `tag:nightly` | with that tag |
/// | `owner:ann` | of that owner |
/// | `reason:timeout` | that ended or wait for that reason |
/// | `created>2026-03-01T00:00:00Z`, `created<…` | inserted at or after, or before, that time |
/// | `finished<2026-03-01T00:00:00Z` | that ended before that time |
/// | `schedule:nightly` | that this schedule made |
/// | `fingerprint:9c2b…` | that failed in this way (16 hexadecimal digits) |
/// | `anything else` | whose id, args or latest error message contain it (quote it to keep blanks or colons) |
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    /// Of this queue.
    pub queue: Option<QueueName>,
    /// In one of these states; empty is any.
    pub states: Vec<State>,
    /// Of this kind; a final `*` stands for any ending.
    pub kind: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// Of this owner.
    pub owner: Option<String>,
    /// That ended or wait for this reason.
    pub reason: Option<Reason>,
    /// Inserted at or after this time.
    pub created_from: Option<Timestamp>,
    /// Inserted before this time.
    pub created_before: Option<Timestamp>,
    /// Ended before this time.
    pub finished_before: Option<Timestamp>,
    /// Made by this schedule.
    pub schedule: Option<String>,
    /// That failed in this way.
    pub fingerprint: Option<Fingerprint>,
    /// Containing all of these texts.
    pub texts: Vec<String>,
}

impl JobFilter {
    /// The same, and of a queue, of a kind, in one of these states. Words that say something else about them are refused:
    /// nobody means both, and only one of them could be obeyed.
    pub fn and(
        mut self,
        queue: Option<QueueName>,
        kind: Option<String>,
        states: &[State],
    ) -> Result<Self, Invalid> {
        let other = |word: &str, got: String| {
            Err(Invalid::new("q", format!("no other {word} than the one that is named beside it"), got))
        };
        if let (Some(own), Some(queue)) = (&self.queue, &queue)
            && own != queue
        {
            return other("queue", own.to_string());
        }
        if let (Some(own), Some(kind)) = (&self.kind, &kind)
            && own != kind
        {
            return other("kind", own.clone());
        }
        if self.states.is_empty() {
            self.states.extend(states);
        } else if !states.is_empty() {
            let own = self.states.iter().map(State::to_string).collect::<Vec<_>>().join(",");
            self.states.retain(|state| states.contains(state));
            if self.states.is_empty() {
                return other("state", own);
            }
        }
        (self.queue, self.kind) = (queue.or(self.queue), kind.or(self.kind));
        Ok(self)
    }

    /// Whether the job is meant. This is the specification; a store may use an index to get there faster.
    pub fn matches(&self, job: &Job) -> bool {
        let spec = &job.spec;
        self.queue.as_ref().is_none_or(|queue| *queue == spec.queue)
            && (self.states.is_empty() || self.states.contains(&job.state))
            && self.kind.as_ref().is_none_or(|kind| match kind.strip_suffix('*') {
                Some(beginning) => spec.kind.as_str().starts_with(beginning),
                None => spec.kind.as_str() == kind,
            })
            && self.tags.iter().all(|tag| spec.options.tags.contains(tag))
            && self.owner.as_ref().is_none_or(|owner| spec.owner.as_deref() == Some(owner))
            && self.reason.is_none_or(|reason| job.reason == Some(reason))
            && self.created_from.is_none_or(|from| job.created_at >= from)
            && self.created_before.is_none_or(|before| job.created_at < before)
            && self.finished_before.is_none_or(|before| job.finished_at.is_some_and(|at| at < before))
            && self.schedule.as_ref().is_none_or(|name| {
                spec.options.schedule.as_ref().is_some_and(|schedule| schedule.as_str() == name)
            })
            && self
                .fingerprint
                .is_none_or(|print| FailureGroup::of_job(job).is_some_and(|group| group.fingerprint == print))
            && self.texts.iter().all(|text| contains(job, text))
    }
}

fn contains(job: &Job, text: &str) -> bool {
    job.id().to_string().contains(text)
        || job.spec.args.as_str().contains(text)
        || job.errors.last().is_some_and(|error| error.message.contains(text))
}

/// Splits at blanks outside double quotes.
fn words(text: &str) -> Result<Vec<(String, bool)>, Invalid> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut inside) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            // Only a word that begins with a quote is a text; `schedule:"two words"` is still about schedules.
            '"' => {
                quoted |= word.is_empty() && !inside;
                inside = !inside;
            }
            c if c.is_whitespace() && !inside => {
                if !word.is_empty() {
                    words.push((std::mem::take(&mut word), quoted));
                }
                quoted = false;
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push((word, quoted));
    }
    if inside { Err(Invalid::new("", "a second quote where a text ends", text)) } else { Ok(words) }
}

fn field(error: Invalid, word: &str) -> Invalid {
    Invalid { field: String::new(), got: word.to_owned(), ..error }
}

impl FromStr for JobFilter {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut filter = Self::default();
        for (word, quoted) in words(text)? {
            if let Some(time) = word.strip_prefix("created>").filter(|_| !quoted) {
                filter.created_from = Some(parse_time(time, &word)?);
                continue;
            }
            if let Some(time) = word.strip_prefix("created<").filter(|_| !quoted) {
                filter.created_before = Some(parse_time(time, &word)?);
                continue;
            }
            if let Some(time) = word.strip_prefix("finished<").filter(|_| !quoted) {
                filter.finished_before = Some(parse_time(time, &word)?);
                continue;
            }
            match word.split_once(':').filter(|_| !quoted) {
                Some(("queue", name)) => {
                    filter.queue = Some(QueueName::new(name).map_err(|error| field(error, &word))?)
                }
                Some(("state", states)) => {
                    for state in states.split(',') {
                        filter.states.push(state.parse().map_err(|error| field(error, &word))?);
                    }
                }
                Some(("kind", kind)) => filter.kind = Some(kind.to_owned()),
                Some(("tag", tag)) => filter.tags.push(tag.to_owned()),
                Some(("schedule", name)) => filter.schedule = Some(name.to_owned()),
                Some(("fingerprint", print)) => {
                    filter.fingerprint = Some(print.parse().map_err(|error| field(error, &word))?);
                }
                Some(("owner", owner)) => filter.owner = Some(owner.to_owned()),
                Some(("reason", reason)) => {
                    let known = "a reason such as error, timeout, stalled or by_operator";
                    filter.reason =
                        Some(Reason::parse(reason).ok_or_else(|| Invalid::new("", known, &word))?);
                }
                Some((name, _)) => {
                    let known = "one of queue:, state:, kind:, tag:, owner:, reason:, schedule:, fingerprint:, created>, created<, finished<, or a quoted text";
                    return Err(Invalid::new("", known, format!("{name}:")));
                }
                None => filter.texts.push(word),
            }
        }
        Ok(filter)
    }
}

fn parse_time(time: &str, word: &str) -> Result<Timestamp, Invalid> {
    time.parse().map_err(|_| Invalid::new("", "an RFC 3339 time such as 2026-03-01T12:00:00Z", word))
}

impl fmt::Display for JobFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.queue.iter().map(|queue| format!("queue:{queue}")));
        if !self.states.is_empty() {
            words.push(format!(
                "state:{}",
                self.states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(",")
            ));
        }
        words.extend(self.kind.iter().map(|kind| format!("kind:{kind}")));
        words.extend(self.tags.iter().map(|tag| format!("tag:{tag}")));
        words.extend(self.owner.iter().map(|owner| format!("owner:{owner}")));
        words.extend(self.reason.iter().map(|reason| format!("reason:{}", reason.as_str())));
        words.extend(self.created_from.iter().map(|time| format!("created>{time}")));
        words.extend(self.created_before.iter().map(|time| format!("created<{time}")));
        words.extend(self.finished_before.iter().map(|time| format!("finished<{time}")));
        words.extend(self.schedule.iter().map(|name| format!("schedule:\"{name}\"")));
        words.extend(self.fingerprint.iter().map(|print| format!("fingerprint:{print}")));
        words.extend(self.texts.iter().map(|text| format!("\"{text}\"")));
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reads_what_it_writes() {
        let text = "queue:mail state:failed,cancelled kind:pdf.* tag:nightly reason:timeout created>2026-03-01T00:00:00.000Z \"two words\"";
        let filter: JobFilter = text.parse().unwrap();
        assert_eq!(filter.to_string(), text);
        assert_eq!(filter.texts, ["two words"]);
        let filter: JobFilter = "schedule:\"nightly report\" state:failed".parse().unwrap();
        assert_eq!((filter.schedule.as_deref(), filter.states.len()), (Some("nightly report"), 1));
        assert_eq!(filter.to_string().parse(), Ok(filter));
    }

    #[test]
    fn mistakes_name_the_word() {
        for (text, named) in [
            ("state:waiting", "state:waiting"),
            ("colour:red", "colour:"),
            ("created>now", "created>now"),
            ("reason:x", "reason:x"),
        ] {
            assert!(text.parse::<JobFilter>().unwrap_err().to_string().contains(named), "{text}");
        }
    }
}
