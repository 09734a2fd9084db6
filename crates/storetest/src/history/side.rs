use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use longshore_core::limiter::Rule;
use longshore_core::{
    Claim, Claimed, Claims, Doc, Ended, Ends, Expect, Fire, Fired, JobFilter, Kept, KindName, LaneWant,
    LeaseToken, Moved, Put, QueueInfo, Reason, Renewal, Store, StoreResult, Timestamp,
};

use super::step::{Ending, KINDS, NewJob, QUEUES, Step, Want, key, name};
use crate::Closet;
use crate::desk::every;
use crate::draft::{FOREIGN, end_then, id, ms, queue, worker};

/// More than any history holds: which records go first within a limit is a store's own affair.
const ALL: usize = 500;

/// One of the two stores, and what only it may know: its tokens and versions. Answers name them by their order.
pub(super) struct Side {
    pub(super) store: Arc<dyn Store>,
    tokens: Vec<LeaseToken>,
    versions: Vec<(String, u64)>,
}

/// An answer in lines that can be compared.
type Lines = Vec<String>;

fn lines<T: Debug>(answer: StoreResult<Vec<T>>) -> Lines {
    match answer {
        Ok(many) => many.iter().map(|one| format!("{one:?}")).collect(),
        Err(error) => vec![refusal(&error)],
    }
}

/// Every store has words of its own for what is wrong, but not its own opinion whether something is.
fn refusal(error: &longshore_core::StoreError) -> String {
    match error {
        longshore_core::StoreError::Invalid(_) => "Invalid".to_owned(),
        error => format!("{error:?}"),
    }
}

fn line<T: Debug>(answer: StoreResult<T>) -> Lines {
    lines(answer.map(|one| vec![one]))
}

fn moved(moved: &Moved) -> String {
    format!(
        "{} {:?} to {:?} {:?} attempt {} of {} started {:?}",
        moved.spec.id,
        moved.from,
        moved.state,
        moved.reason,
        moved.attempt,
        moved.created_at,
        moved.started_at
    )
}

fn kept(answer: StoreResult<Kept>, limit: usize) -> Lines {
    let Ok(kept) = answer else { return vec![format!("{answer:?}")] };
    let mut lines: Lines = kept.moved.iter().map(moved).collect();
    lines.push(format!("removed {}", kept.removed));
    // At the limit the answer is "at once", however a store says it.
    if kept.moved.len() + kept.removed < limit {
        lines.push(format!("next {:?}", kept.next));
    }
    lines
}

/// Why a late end was refused may depend on how long a store remembers.
fn ended(ended: &Ended) -> String {
    if matches!(ended, Ended::Refused(_)) { "Refused".to_owned() } else { format!("{ended:?}") }
}

impl Side {
    pub(super) async fn new(closet: &dyn Closet) -> Self {
        Self { store: closet.open(&closet.place()).await, tokens: Vec::new(), versions: Vec::new() }
    }

    fn token(&self, back: u8) -> LeaseToken {
        let count = self.tokens.len();
        if count == 0 { FOREIGN } else { self.tokens[count - 1 - usize::from(back) % count] }
    }

    /// What a write expects: one of the versions that its key has had, counted back from the newest.
    fn expect(&self, key: &str, version: Option<u8>, absent: bool) -> Expect {
        let had: Vec<u64> =
            self.versions.iter().filter(|(of, _)| of == key).map(|(_, version)| *version).collect();
        match version.filter(|_| !had.is_empty()) {
            Some(back) => Expect::Version(had[had.len() - 1 - usize::from(back) % had.len()]),
            None if absent => Expect::Absent,
            None => Expect::Anything,
        }
    }

    fn doc(&self, doc: &Doc) -> String {
        let written =
            self.versions.iter().rposition(|(key, version)| *key == doc.key && *version == doc.version);
        format!("{} {:?} until {:?}, written at turn {written:?}", doc.key, doc.value, doc.expires_at)
    }

    fn claims(&mut self, claims: &Claims) -> Lines {
        let mut lines = self.claimed(&claims.jobs);
        lines.extend(claims.limited.iter().map(|queue| format!("{queue} is limited")));
        lines.extend(claims.next.map(|next| format!("again at {next}")));
        lines
    }

    fn claimed(&mut self, claimed: &[Claimed]) -> Lines {
        self.tokens.extend(claimed.iter().map(|claimed| claimed.lease.token));
        let line = |claimed: &Claimed| {
            let Claimed { lease, spec, attempt, stalls, created_at } = claimed;
            format!("{} attempt {attempt} stalls {stalls} of {created_at} until {}", spec.id, lease.until)
        };
        claimed.iter().map(line).collect()
    }

    fn ends(&self, endings: &[Ending], now: Timestamp) -> Ends {
        let end = |ending: &Ending| {
            let mut end =
                end_then(self.token(ending.lease), ending.way.outcome(now), specs(&ending.then, now));
            end.started_at = ending.started.then_some(now - ms(1));
            end
        };
        Ends::new(endings.iter().map(end).collect())
    }

    /// Takes one step, and tells the answer without what only this store can know.
    pub(super) async fn take(&mut self, step: &Step, now: Timestamp) -> Lines {
        let store = self.store.clone();
        match step {
            Step::Pass(_) => Vec::new(),
            Step::Insert(jobs) => lines(store.insert(specs(jobs, now), now).await),
            Step::Claim(want) => match store.claim(claim(want), now).await {
                Ok(claims) => self.claims(&claims),
                Err(error) => vec![refusal(&error)],
            },
            Step::Renew(leases, length) => {
                let renewal = |(back, progress): &(u8, Option<_>)| Renewal {
                    token: self.token(*back),
                    progress: progress.clone(),
                };
                lines(store.renew(leases.iter().map(renewal).collect(), ms((*length).into()), now).await)
            }
            Step::Finish(endings) => match store.finish(self.ends(endings, now), now).await {
                Ok(answers) => answers.iter().map(ended).collect(),
                Err(error) => vec![refusal(&error)],
            },
            Step::Turn(endings, want) => match store.turn(self.ends(endings, now), claim(want), now).await {
                Ok(turned) => turned.ended.iter().map(ended).chain(self.claims(&turned.claims)).collect(),
                Err(error) => vec![refusal(&error)],
            },
            Step::Promote(limit) => kept(store.promote(*limit, now).await, *limit),
            Step::Expire(limit) => kept(store.expire(*limit, now).await, *limit),
            // A settled pair of parent and child may move nothing, so `next` does not tell the limit.
            Step::Settle(limit) => kept(store.settle(*limit, now).await, usize::MAX),
            Step::Owner(lane, number) => {
                line(store.unique_owner(queue(QUEUES[*lane]), key(*number), now).await)
            }
            Step::Failures(lane) => lines(store.failures(queue(QUEUES[*lane]), ALL).await),
            Step::Holds(number) => lines(store.holds(id(&name(*number)), now).await),
            Step::Free(lane, number) => {
                line(store.free_unique(queue(QUEUES[*lane]), key(*number), now).await)
            }
            Step::Reclaim { stalls_max } => {
                let mut lines = kept(store.reclaim(ALL, *stalls_max, now).await, ALL);
                lines.sort();
                lines
            }
            Step::Prune => kept(store.prune(ALL, now).await, ALL),
            Step::Amend(ids, change) => {
                lines(store.amend(ids.iter().map(|number| id(&name(*number))).collect(), *change, now).await)
            }
            Step::SetQueue(lane, change) => {
                // Until it was sorted, a store may be slow to see what a changed limit lets through, and who is next.
                let info = store.set_queue(queue(QUEUES[*lane]), change.clone(), now).await;
                store.sort(ALL, now).await.unwrap();
                line(info.map(|info| QueueInfo { oldest_ready_at: None, ..info }))
            }
            Step::SetKind(kind, limits) => {
                let answer =
                    line(store.set_kind(KindName::new(KINDS[*kind]).unwrap(), limits.clone(), now).await);
                store.sort(ALL, now).await.unwrap();
                answer
            }
            Step::RemoveQueue(lane) => line(store.remove_queue(queue(QUEUES[*lane]), now).await),
            Step::Find(filter, limit) => {
                let found = every(&*store, filter, *limit).await;
                lines(found.map(|jobs| jobs.iter().map(|job| job.id().clone()).collect()))
            }
            _ => self.record(step, now).await,
        }
    }

    async fn record(&mut self, step: &Step, now: Timestamp) -> Lines {
        let store = self.store.clone();
        let key = |number: &u8| format!("key/{number}");
        match step {
            Step::Put { key: number, version, absent, ttl } => {
                let key = key(number);
                let (expect, ttl) = (self.expect(&key, *version, *absent), ttl.map(|ttl| ms(ttl.into())));
                match store.doc_put(&key, Bytes::from(vec![*number]), expect, ttl, now).await {
                    Ok(Put::Written(version)) => {
                        self.versions.push((key, version));
                        vec!["written".to_owned()]
                    }
                    Ok(Put::Conflict(standing)) => standing.iter().map(|doc| self.doc(doc)).collect(),
                    Err(error) => vec![refusal(&error)],
                }
            }
            Step::Fire { key: number, version, jobs } => {
                let key = key(number);
                // Any version that it never had, if it had none.
                let expect = match self.expect(&key, *version, false) {
                    Expect::Version(version) => version,
                    _ => u64::MAX,
                };
                let fire =
                    Fire { key: key.clone(), expect, value: Bytes::from(vec![77]), jobs: specs(jobs, now) };
                match store.fire(fire, now).await {
                    Ok(Fired::Done { version, inserted }) => {
                        self.versions.push((key, version));
                        lines(Ok(inserted))
                    }
                    Ok(Fired::Conflict) => vec!["conflict".to_owned()],
                    Err(error) => vec![refusal(&error)],
                }
            }
            Step::Delete { key: number, version } => {
                let key = key(number);
                line(store.doc_delete(&key, self.expect(&key, *version, false), now).await)
            }
            Step::Docs { after, limit } => {
                let after = after.as_ref().map(key);
                let docs = store.doc_list("key/", after.as_deref(), *limit, now).await;
                lines(docs.map(|docs| docs.iter().map(|doc| self.doc(doc)).collect()))
            }
            Step::Append { log, entries, keep } => {
                let entries = (0..*entries).map(|entry| Bytes::from(vec![entry])).collect();
                line(store.log_append(&key(log), entries, *keep).await)
            }
            Step::Read { log, after, limit } => {
                let mut answer = lines(store.log_read(&key(log), *after, *limit).await);
                answer.extend(line(store.log_end(&key(log)).await));
                answer
            }
            Step::Limit { key: number, sliding, cost } => {
                let sliding_rule = Rule::Sliding { max: 2, interval: ms(100) };
                let smooth = Rule::Smooth { rate: 2, interval: ms(100), burst: 3 };
                // A key has one rule for life.
                let key = format!("{} {sliding}", key(number));
                line(store.limit(&key, if *sliding { sliding_rule } else { smooth }, *cost, now).await)
            }
            other => unreachable!("{other:?} is a step of jobs"),
        }
    }

    /// All queues and jobs, as they stand.
    pub(super) async fn whole(&self) -> Lines {
        let mut all = lines(self.store.queues().await);
        all.extend(lines(self.store.kinds().await));
        let mut jobs = every(&*self.store, &JobFilter::default(), ALL).await.unwrap();
        for error in
            jobs.iter_mut().flat_map(|job| &mut job.errors).filter(|error| error.reason == Reason::Stalled)
        {
            // The store writes this one itself, in its own words.
            error.message = "".into();
        }
        all.extend(jobs.iter().map(|job| format!("{job:?}")));
        all
    }
}

fn claim(want: &Want) -> Claim {
    let lane = |(lane, limit): &(usize, usize)| LaneWant {
        queue: queue(QUEUES[*lane]),
        limit: *limit,
        slots: *limit,
    };
    Claim {
        worker: worker("anna"),
        lanes: want.lanes.iter().map(lane).collect(),
        lease: ms(want.lease.into()),
    }
}

fn specs(jobs: &[NewJob], now: Timestamp) -> Vec<Arc<longshore_core::JobSpec>> {
    jobs.iter().map(|job| job.spec(now)).collect()
}
