//! What may happen in a history. Few ids, queues and times, so that things meet.

use std::sync::Arc;

use longshore_core::{
    Change, DurationText, JobFilter, JobSpec, Limit, Outcome, ParentPolicy, Progress, QueueChange, Reason,
    RetentionChange, State, Timestamp, Unique,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::draft::{cancel, done_with, fail, job, ms, queue, retry, snooze};

pub(super) const QUEUES: [&str; 3] = ["mail", "pdf:eu", "z"];
pub(super) const KINDS: [&str; 2] = ["test", "slow"];
const IDS: u8 = 12;

/// Times that are used again and again, in milliseconds.
fn millis() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(10), Just(50), Just(200), 0..400_u16]
}

#[derive(Clone, Debug)]
pub(super) struct NewJob {
    id: u8,
    queue: usize,
    priority: i8,
    delay: u16,
    keep: Option<u16>,
    keep_result: Option<u16>,
    ttl: Option<u16>,
    unique: Option<OneKey>,
    parents: Vec<u8>,
    policy: ParentPolicy,
    slow: bool,
    tenant: u8,
    limit_key: bool,
}

/// A unique key among few.
#[derive(Clone, Debug)]
pub(super) struct OneKey {
    key: u8,
    ttl: Option<u16>,
    extend: bool,
    replace: bool,
}

impl OneKey {
    fn unique(&self) -> Unique {
        let ttl = self.ttl.map(|ttl| DurationText(ms(u64::from(ttl) + 1)));
        let extend = self.extend && ttl.is_some();
        Unique { key: key(self.key), ttl, extend, replace: self.replace }
    }
}

pub(super) fn key(number: u8) -> String {
    format!("one/{number}")
}

impl NewJob {
    pub(super) fn spec(&self, now: Timestamp) -> Arc<JobSpec> {
        let mut draft = job(&name(self.id))
            .queue(QUEUES[self.queue])
            .kind(KINDS[usize::from(self.slow)])
            .args(&format!("{{\"tenant\": {}}}", self.tenant))
            .priority(f64::from(self.priority) / 2.0);
        if self.limit_key {
            draft = draft.limit_key("own");
        }
        if self.delay > 0 {
            draft = draft.run_at(now + ms(self.delay.into()));
        }
        if let Some(keep) = self.keep {
            draft = draft.retention(ms(keep.into()));
        }
        if let Some(keep) = self.keep_result {
            draft = draft.result_retention(ms(keep.into()));
        }
        if let Some(ttl) = self.ttl {
            draft = draft.ttl(ms(u64::from(ttl) + 1));
        }
        if let Some(unique) = &self.unique {
            draft = draft.unique(unique.unique());
        }
        let parents: Vec<String> = self.parents.iter().map(|parent| name(*parent)).collect();
        draft.after(&parents.iter().map(String::as_str).collect::<Vec<_>>()).policy(self.policy).spec()
    }
}

pub(super) fn name(id: u8) -> String {
    format!("job-{}", id % IDS)
}

fn new_job() -> impl Strategy<Value = NewJob> {
    let delay = prop_oneof![3 => Just(0), 1 => millis()];
    let policies = [ParentPolicy::Wait, ParentPolicy::Fail, ParentPolicy::Cancel, ParentPolicy::Run];
    let unique = (0..3_u8, option::of(millis()), any::<bool>(), any::<bool>())
        .prop_map(|(key, ttl, extend, replace)| OneKey { key, ttl, extend, replace });
    let keeps = (option::weighted(0.3, millis()), option::weighted(0.3, millis()));
    let parents = prop_oneof![3 => Just(Vec::new()), 1 => vec(0..IDS, 1..4)];
    (
        (0..IDS, 0..QUEUES.len(), -1..2_i8, delay),
        keeps,
        option::weighted(0.15, millis()),
        option::weighted(0.2, unique),
        (parents, proptest::sample::select(policies.to_vec())),
        (proptest::bool::weighted(0.3), 0..3_u8, proptest::bool::weighted(0.1)),
    )
        .prop_map(
            |(
                (id, queue, priority, delay),
                (keep, keep_result),
                ttl,
                unique,
                (mut parents, policy),
                (slow, tenant, limit_key),
            )| {
                parents.sort_unstable();
                parents.dedup();
                NewJob {
                    id,
                    queue,
                    priority,
                    delay,
                    keep,
                    keep_result,
                    ttl,
                    unique,
                    parents,
                    policy,
                    slow,
                    tenant,
                    limit_key,
                }
            },
        )
}

/// A job that may follow from an end: it has no parents.
fn follower() -> impl Strategy<Value = NewJob> {
    new_job().prop_map(|job| NewJob { parents: Vec::new(), ..job })
}

/// How an attempt ends. Later times count from the end.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Done,
    DoneEmpty,
    Retry(u16),
    Snooze(u16),
    Fail,
    Cancel,
    HandBack,
}

impl Way {
    pub(super) fn outcome(&self, now: Timestamp) -> Outcome {
        match self {
            Self::Done => done_with("[[],{}]"),
            Self::DoneEmpty => Outcome::Done { result: None },
            Self::Retry(wait) => retry(now + ms((*wait).into())),
            Self::Snooze(wait) => snooze(now + ms((*wait).into())),
            Self::Fail => fail(),
            Self::Cancel => cancel(),
            Self::HandBack => Outcome::HandBack,
        }
    }
}

/// One end: which of the leases seen so far, counted back from the newest, how, and what follows.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) lease: u8,
    pub(super) way: Way,
    pub(super) started: bool,
    pub(super) then: Vec<NewJob>,
}

fn lease() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0..3_u8, 1 => 0..20_u8]
}

fn ending() -> impl Strategy<Value = Ending> {
    let way = prop_oneof![
        3 => Just(Way::Done),
        1 => Just(Way::DoneEmpty),
        2 => millis().prop_map(Way::Retry),
        1 => millis().prop_map(Way::Snooze),
        1 => Just(Way::Fail),
        1 => Just(Way::Cancel),
        1 => Just(Way::HandBack),
    ];
    (lease(), way, any::<bool>(), vec(follower(), 0..2)).prop_map(|(lease, way, started, then)| Ending {
        lease,
        way,
        started,
        then,
    })
}

/// How many are wanted of each queue, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) lanes: Vec<(usize, usize)>,
    pub(super) lease: u16,
}

fn want() -> impl Strategy<Value = Want> {
    let lanes =
        proptest::sample::subsequence((0..QUEUES.len()).collect::<Vec<_>>(), 1..=QUEUES.len()).prop_shuffle();
    (lanes, vec(0..4_usize, QUEUES.len()), 1..300_u16)
        .prop_map(|(lanes, limits, lease)| Want { lanes: lanes.into_iter().zip(limits).collect(), lease })
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Pass(u16),
    Insert(Vec<NewJob>),
    Claim(Want),
    Renew(Vec<(u8, Option<Progress>)>, u16),
    Finish(Vec<Ending>),
    Turn(Vec<Ending>, Want),
    Promote(usize),
    Expire(usize),
    Settle(usize),
    Fire { key: u8, version: Option<u8>, jobs: Vec<NewJob> },
    Owner(usize, u8),
    Holds(u8),
    Failures(usize),
    Free(usize, u8),
    Reclaim { stalls_max: u32 },
    Prune,
    Amend(Vec<u8>, Change),
    SetQueue(usize, QueueChange),
    SetKind(usize, Vec<Limit>),
    RemoveQueue(usize),
    Find(Box<JobFilter>, usize),
    Put { key: u8, version: Option<u8>, absent: bool, ttl: Option<u16> },
    Delete { key: u8, version: Option<u8> },
    Docs { after: Option<u8>, limit: usize },
    Append { log: u8, entries: u8, keep: usize },
    Read { log: u8, after: u64, limit: usize },
    Limit { key: u8, sliding: bool, cost: u32 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => Just(Change::Cancel),
        3 => Just(Change::Revive),
        1 => Just(Change::Remove { force: false }),
        1 => Just(Change::Remove { force: true }),
    ]
}

fn queue_change() -> impl Strategy<Value = QueueChange> {
    let retention = [0, 20, 100, 300].map(|millis| DurationText(ms(millis)));
    let retention = vec(option::of(proptest::sample::select(retention.to_vec())), 3);
    let retention =
        (retention, option::of(proptest::sample::select(vec![0, 1, 3, 100]))).prop_map(|(each, most)| {
            RetentionChange { completed: each[0], failed: each[1], cancelled: each[2], most }
        });
    let paused = prop_oneof![2 => Just(None), 1 => Just(Some(true)), 2 => Just(Some(false))];
    let ageing =
        option::weighted(0.2, option::of((100..300_u64).prop_map(|millis| DurationText(ms(millis)))));
    let concurrency = option::weighted(0.2, option::of(1..3_u32));
    (paused, retention, option::weighted(0.4, limits()), ageing, concurrency).prop_map(
        |(paused, retention, limits, ageing, concurrency)| QueueChange {
            concurrency: concurrency.filter(|_| limits.is_none()),
            paused,
            retention,
            limits,
            ageing,
            ..QueueChange::default()
        },
    )
}

/// Few limits, and small ones.
fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let one = (option::of(1..3_u32), option::of(0..4_u32), 50..300_u64, option::of(1..3_u32)).prop_map(
        |(concurrency, rate, interval, burst)| Limit {
            key: None,
            concurrency: if rate.is_none() { Some(concurrency.unwrap_or(1)) } else { concurrency },
            rate,
            interval: rate.map(|_| DurationText(ms(interval))),
            burst: burst.filter(|_| rate.is_some()),
        },
    );
    let keys = proptest::sample::subsequence(vec![None, Some("args.tenant"), Some("args")], 0..=2);
    (keys, vec(one, 3)).prop_map(|(keys, limits)| {
        let with = |(key, limit): (Option<&str>, Limit)| Limit { key: key.map(str::to_owned), ..limit };
        keys.into_iter().zip(limits).map(with).collect()
    })
}

fn filter() -> impl Strategy<Value = Box<JobFilter>> {
    let states = vec(proptest::sample::select(State::ALL.to_vec()), 0..3);
    let reasons =
        proptest::sample::select(vec![Reason::Error, Reason::Panic, Reason::Stalled, Reason::ByOperator]);
    let texts = vec(proptest::sample::select(vec!["job-1", "full", "printer", "null"]), 0..2);
    (option::of(0..QUEUES.len()), states, option::weighted(0.2, reasons), texts).prop_map(
        |(lane, states, reason, texts)| {
            Box::new(JobFilter {
                queue: lane.map(|lane| queue(QUEUES[lane])),
                states,
                reason,
                texts: texts.into_iter().map(str::to_owned).collect(),
                ..JobFilter::default()
            })
        },
    )
}

fn progress() -> impl Strategy<Value = Progress> {
    (0..=100_u8, any::<bool>())
        .prop_map(|(percent, words)| Progress::new(percent, if words { "on the way" } else { "" }))
}

/// One step of a history; work comes more often than administration.
pub(super) fn steps() -> impl Strategy<Value = Step> {
    let key = || 0..4_u8;
    prop_oneof![
        8 => millis().prop_map(Step::Pass),
        12 => vec(new_job(), 0..5).prop_map(Step::Insert),
        10 => want().prop_map(Step::Claim),
        4 => (vec((lease(), option::of(progress())), 1..4), 1..300_u16).prop_map(|(leases, length)| Step::Renew(leases, length)),
        10 => vec(ending(), 1..4).prop_map(Step::Finish),
        5 => (vec(ending(), 0..3), want()).prop_map(|(ends, want)| Step::Turn(ends, want)),
        5 => (1..4_usize).prop_map(Step::Promote),
        4 => (1..4_usize).prop_map(Step::Expire),
        8 => prop_oneof![Just(100), 1..5_usize].prop_map(Step::Settle),
        1 => (key(), option::of(key()), vec(new_job(), 0..3)).prop_map(|(key, version, jobs)| Step::Fire { key, version, jobs }),
        1 => (0..QUEUES.len(), 0..3_u8).prop_map(|(lane, key)| Step::Owner(lane, key)),
        3 => (0..IDS).prop_map(Step::Holds),
        2 => (0..QUEUES.len()).prop_map(Step::Failures),
        1 => (0..QUEUES.len(), 0..3_u8).prop_map(|(lane, key)| Step::Free(lane, key)),
        5 => (0..3_u32).prop_map(|stalls_max| Step::Reclaim { stalls_max }),
        4 => Just(Step::Prune),
        8 => (vec(0..IDS, 1..4), change()).prop_map(|(ids, change)| Step::Amend(ids, change)),
        3 => (0..QUEUES.len(), queue_change()).prop_map(|(lane, change)| Step::SetQueue(lane, change)),
        1 => (0..KINDS.len(), prop_oneof![Just(Vec::new()), limits()]).prop_map(|(kind, limits)| Step::SetKind(kind, limits)),
        2 => (0..QUEUES.len()).prop_map(Step::RemoveQueue),
        2 => (filter(), 1..4_usize).prop_map(|(filter, limit)| Step::Find(filter, limit)),
        2 => (key(), option::of(key()), any::<bool>(), option::of(millis()))
            .prop_map(|(key, version, absent, ttl)| Step::Put { key, version, absent, ttl }),
        1 => (key(), option::of(key())).prop_map(|(key, version)| Step::Delete { key, version }),
        1 => (option::of(key()), 0..4_usize).prop_map(|(after, limit)| Step::Docs { after, limit }),
        1 => (0..2_u8, 0..3_u8, 0..4_usize).prop_map(|(log, entries, keep)| Step::Append { log, entries, keep }),
        1 => (0..2_u8, 0..8_u64, 0..4_usize).prop_map(|(log, after, limit)| Step::Read { log, after, limit }),
        1 => (0..2_u8, any::<bool>(), 1..3_u32).prop_map(|(key, sliding, cost)| Step::Limit { key, sliding, cost }),
    ]
}
