use std::collections::BTreeMap;

use longshore_core::limit::Pace;
use longshore_core::limiter::Rule;
use longshore_core::{JobId, JobSpec, Limit, Timestamp};

use super::{Ledger, Life};

/// What one limit counts: whose it is, and the value of its key.
type Bucket = (String, String);

/// When jobs started, by bucket.
#[derive(Default)]
pub(crate) struct Starts(BTreeMap<Bucket, Vec<Timestamp>>);

impl Starts {
    /// Windows begin anew: limits were changed, or the clock was set back.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The value that a job is counted by.
pub(crate) fn value(spec: &JobSpec, limit: &Limit) -> String {
    match (&limit.key, &spec.options.limit_key) {
        (None, _) => String::new(),
        (Some(_), Some(own)) => own.clone(),
        (Some(path), None) => {
            let args: serde_json::Value = spec.args.to().unwrap_or_default();
            let there = path.split('.').skip(1).try_fold(&args, |here, part| here.get(part));
            there.map(ToString::to_string).unwrap_or_default()
        }
    }
}

impl Ledger {
    /// The buckets that a job counts in, each with its limit.
    fn buckets(&self, spec: &JobSpec) -> Vec<(Bucket, Limit)> {
        let of_queue = self.of_queue.get(&spec.queue).into_iter().flatten();
        let of_kind = self.of_kind.get(&spec.kind).into_iter().flatten();
        let path = |limit: &Limit| limit.key.clone().unwrap_or_default();
        let queue = of_queue.map(|limit| {
            ((format!("queue {} {}", spec.queue, path(limit)), value(spec, limit)), limit.clone())
        });
        let kind = of_kind.map(|limit| {
            ((format!("kind {} {}", spec.kind, path(limit)), value(spec, limit)), limit.clone())
        });
        queue.chain(kind).collect()
    }

    /// A job has started: no limit may be broken by it.
    pub(super) fn count_start(&mut self, id: &JobId, now: Timestamp) {
        let Some(spec) = self.jobs.get(id).map(|life| life.spec.clone()) else { return };
        for (bucket, limit) in self.buckets(&spec) {
            let same = |life: &&Life| self.buckets(&life.spec).iter().any(|(other, _)| *other == bucket);
            let running = self.running().filter(same).count();
            let most = limit.concurrency.map_or(usize::MAX, |most| most as usize);
            self.expect(running <= most, || {
                format!("{id} started as number {running} of {bucket:?}, {most} may run at once")
            });
            match limit.pace() {
                Pace::Free => {}
                Pace::Never => self.find(format!("{id} started although {bucket:?} lets nothing start")),
                Pace::By(rule) => self.count_rate(id, &bucket, rule, now),
            }
        }
    }

    /// At most `burst + rate * window / interval` starts in every window that ends now.
    fn count_rate(&mut self, id: &JobId, bucket: &Bucket, rule: Rule, now: Timestamp) {
        let Rule::Smooth { rate, interval, burst } = rule else { return };
        let starts = self.starts.0.entry(bucket.clone()).or_default();
        starts.push(now);
        let broken = starts.iter().rev().enumerate().find_map(|(before, from)| {
            let window = now.since(*from).as_secs_f64();
            let most = f64::from(burst) + f64::from(rate) * window / interval.as_secs_f64();
            (before as f64 + 1.0 > most + 0.01).then_some((before + 1, window, most))
        });
        if let Some((count, window, most)) = broken {
            self.find(format!("{id} was start {count} of {bucket:?} in {window} s, at most {most:.1} may"));
        }
    }

    /// Whether a limit keeps this job from ever starting.
    pub(super) fn never_starts(&self, life: &Life) -> bool {
        self.buckets(&life.spec).iter().any(|(_, limit)| limit.pace() == Pace::Never)
    }
}
