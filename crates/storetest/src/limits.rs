use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use longshore_clock::Chance;
use longshore_core::{
    Change, DurationText, KindInfo, KindName, LaneWant, LeaseToken, Limit, Outcome, QueueChange, State,
    StoreError, Timestamp, Wake,
};

use crate::desk::Desk;
use crate::draft::{Draft, START, at, claim_of, done, id, job, ms, queue, retry, specs};

fn concurrency(key: Option<&str>, most: u32) -> Limit {
    Limit { key: key.map(str::to_owned), concurrency: Some(most), ..Limit::default() }
}

fn rate(key: Option<&str>, rate: u32, interval: Duration, burst: Option<u32>) -> Limit {
    let (key, interval) = (key.map(str::to_owned), Some(DurationText(interval)));
    Limit { key, rate: Some(rate), interval, burst, ..Limit::default() }
}

const SECOND: Duration = Duration::from_secs(1);

async fn limit(desk: &Desk, limits: Vec<Limit>, now: i64) {
    let change = QueueChange { limits: Some(limits), ..QueueChange::default() };
    desk.store.set_queue(queue("default"), change, at(now)).await.unwrap();
    sort(desk, now).await;
}

async fn limit_kind(desk: &Desk, kind: &str, limits: Vec<Limit>, now: i64) {
    desk.store.set_kind(KindName::new(kind).unwrap(), limits, at(now)).await.unwrap();
    sort(desk, now).await;
}

async fn sort(desk: &Desk, now: i64) {
    while desk.store.sort(100, at(now)).await.unwrap().next.is_some() {}
}

/// A job of a tenant.
fn of(tenant: &str, name: &str) -> Draft {
    job(name).args(&format!("{{\"tenant\": \"{tenant}\"}}"))
}

/// The ids of a claim, and when to ask again.
async fn claim(desk: &Desk, limit: usize, now: i64) -> (Vec<String>, Option<Timestamp>) {
    let claims = desk.store.claim(claim_of(&[("default", limit)]), at(now)).await.unwrap();
    (claims.jobs.iter().map(|claimed| claimed.spec.id.to_string()).collect(), claims.next)
}

async fn ids(desk: &Desk, limit: usize, now: i64) -> Vec<String> {
    claim(desk, limit, now).await.0
}

pub(crate) async fn a_queue_runs_no_more_than_its_concurrency(desk: &Desk) {
    limit(desk, vec![concurrency(None, 2)], 0).await;
    desk.insert((0..5).map(|number| job(&format!("j{number}"))), START).await;
    let first = desk.claim("default", 9, at(1)).await;
    assert_eq!(first.len(), 2);
    assert!(ids(desk, 9, 2).await.is_empty());
    desk.end(first[0].lease.token, done(), at(3)).await;
    assert_eq!(ids(desk, 9, 4).await, ["j2"]);
    desk.end(first[1].lease.token, retry(at(50)), at(5)).await;
    assert_eq!(ids(desk, 9, 6).await, ["j3"], "a retry gives its place up as well");
    desk.amend("j2", Change::Remove { force: true }, at(7)).await;
    assert_eq!(ids(desk, 9, 8).await, ["j4"]);
}

pub(crate) async fn a_lost_lease_gives_its_place_up(desk: &Desk) {
    limit(desk, vec![concurrency(Some("args.tenant"), 1), concurrency(None, 1)], 0).await;
    desk.insert([of("a", "one").priority(1.0), of("a", "two")], START).await;
    assert_eq!(ids(desk, 9, 1).await, ["one"]);
    let after = 40_000;
    desk.store.reclaim(10, 3, at(after)).await.unwrap();
    assert_eq!(ids(desk, 9, after + 1).await, ["one"]);
}

pub(crate) async fn a_full_key_holds_up_no_other(desk: &Desk) {
    limit(desk, vec![concurrency(Some("args.tenant"), 1)], 0).await;
    let drafts = ["a1", "a2", "a3", "b1", "c1", "b2"].map(|name| of(&name[..1], name));
    desk.insert(drafts, START).await;
    let first = desk.claim("default", 2, at(1)).await;
    assert_eq!(first[1].spec.id.to_string(), "b1", "past the second job of the first tenant");
    assert_eq!(ids(desk, 9, 2).await, ["c1"]);
    desk.end(first[0].lease.token, done(), at(3)).await;
    assert_eq!(ids(desk, 9, 4).await, ["a2"]);
    desk.end(first[1].lease.token, Outcome::HandBack, at(5)).await;
    assert_eq!(ids(desk, 9, 6).await, ["b1"], "a job that is handed back keeps its turn");
}

pub(crate) async fn a_job_may_name_its_key(desk: &Desk) {
    limit(desk, vec![concurrency(Some("args.tenant"), 1)], 0).await;
    let own = |name: &str| job(name).limit_key("own");
    desk.insert([own("one"), own("two"), of("own", "three"), of("a", "four").limit_key("b")], START).await;
    assert_eq!(ids(desk, 9, 1).await, ["one", "four"], "a value counts wherever it comes from");
}

pub(crate) async fn a_kind_is_limited_in_all_queues_together(desk: &Desk) {
    limit_kind(desk, "slow", vec![concurrency(None, 1)], 0).await;
    let drafts = [
        job("s1").kind("slow"),
        job("s2").kind("slow"),
        job("f1"),
        job("s3").kind("slow").queue("other"),
        job("f2").queue("other"),
    ];
    desk.insert(drafts, START).await;
    let claims = desk.store.claim(claim_of(&[("default", 9), ("other", 9)]), at(1)).await.unwrap().jobs;
    let given: Vec<String> = claims.iter().map(|claimed| claimed.spec.id.to_string()).collect();
    assert_eq!(given, ["s1", "f1", "f2"]);
    desk.end(claims[0].lease.token, done(), at(2)).await;
    let other = desk.claim_ids("other", 9, at(3)).await;
    let default = desk.claim_ids("default", 9, at(3)).await;
    assert_eq!(other.len() + default.len(), 1, "{other:?} {default:?}");
    let kinds = desk.store.kinds().await.unwrap();
    assert_eq!(
        kinds,
        [KindInfo { name: KindName::new("slow").unwrap(), limits: vec![concurrency(None, 1)] }]
    );
}

pub(crate) async fn room_of_a_kind_is_not_kept_for_a_queue_that_nobody_claims_from(desk: &Desk) {
    for limit in [concurrency(None, 1), rate(None, 1, SECOND, None)] {
        let name = if limit.rate.is_some() { "rate" } else { "concurrency" };
        let (idle, busy) = (format!("{name}-idle"), format!("{name}-busy"));
        limit_kind(desk, name, vec![limit], 0).await;
        let drafts = [("1", &busy), ("2", &idle), ("3", &busy), ("4", &busy)];
        let drafts = drafts.map(|(number, lane)| job(&format!("{name}{number}")).kind(name).queue(lane));
        desk.insert(drafts, START).await;
        let want = claim_of(&[(&idle, 0), (&busy, 1)]);
        let first = desk.store.claim(want, at(0)).await.unwrap().jobs;
        assert_eq!(first.len(), 1);
        // Everybody looks, and is held up.
        assert!(desk.store.claim(claim_of(&[(&idle, 9), (&busy, 9)]), at(1)).await.unwrap().jobs.is_empty());
        let change = QueueChange { paused: Some(true), ..QueueChange::default() };
        desk.store.set_queue(queue(&idle), change, at(2)).await.unwrap();
        desk.end(first[0].lease.token, done(), at(3)).await;
        let given = desk.claim_ids(&busy, 1, at(5_000)).await;
        assert_eq!(given, [format!("{name}3")], "the paused queue has the turn, and does not take it");
    }
}

pub(crate) async fn starts_keep_to_a_rate(desk: &Desk) {
    limit(desk, vec![rate(None, 2, SECOND, Some(3))], 0).await;
    desk.insert((0..9).map(|number| job(&format!("j{number}"))), START).await;
    let (given, next) = claim(desk, 9, 0).await;
    assert_eq!((given.len(), next), (3, Some(at(500))), "the burst, then one each half second");
    assert_eq!(claim(desk, 9, 499).await, (vec![], Some(at(500))));
    let (given, next) = claim(desk, 9, 1_500).await;
    assert_eq!((given.len(), next), (3, Some(at(2_000))), "what was not used adds up");
    assert_eq!(claim(desk, 1, 9_000).await.1, None, "who got what was wanted need not ask again");
}

pub(crate) async fn a_rate_that_is_no_whole_number_of_milliseconds_counts_every_start(desk: &Desk) {
    let odd = Duration::from_millis(3_437);
    for (queue, key) in [("default", None), ("other", Some("args.tenant"))] {
        let change = QueueChange { limits: Some(vec![rate(key, 3, odd, None)]), ..QueueChange::default() };
        desk.store.set_queue(self::queue(queue), change, START).await.unwrap();
        sort(desk, 0).await;
        desk.insert((0..9).map(|number| of("a", &format!("{queue}{number}")).queue(queue)), START).await;
        assert_eq!(desk.claim_ids(queue, 9, at(0)).await.len(), 3, "the burst");
        assert_eq!(desk.claim_ids(queue, 9, at(100)).await.len(), 0, "and none of it a second time");
        assert_eq!(desk.claim_ids(queue, 9, at(1_146)).await.len(), 1);
    }
}

pub(crate) async fn a_rate_of_zero_lets_nothing_start(desk: &Desk) {
    limit(desk, vec![rate(None, 0, SECOND, None)], 0).await;
    desk.insert([job("a")], START).await;
    assert_eq!(claim(desk, 9, 100_000).await, (vec![], None));
    limit(desk, vec![], 100_001).await;
    assert_eq!(ids(desk, 9, 100_002).await, ["a"]);
}

pub(crate) async fn each_key_has_a_rate_of_its_own(desk: &Desk) {
    limit(desk, vec![rate(Some("args.tenant"), 1, SECOND, None)], 0).await;
    desk.insert(["a1", "a2", "b1", "a3", "b2"].map(|name| of(&name[..1], name)), START).await;
    assert_eq!(claim(desk, 9, 0).await, (vec!["a1".to_owned(), "b1".to_owned()], Some(at(1_000))));
    assert_eq!(claim(desk, 9, 1_000).await, (vec!["a2".to_owned(), "b2".to_owned()], Some(at(2_000))));
    assert_eq!(claim(desk, 9, 2_000).await, (vec!["a3".to_owned()], None));
}

pub(crate) async fn a_limit_counts_for_all_who_claim(desk: &Desk) {
    limit(desk, vec![concurrency(Some("args.tenant"), 2)], 0).await;
    desk.insert((0..60).map(|number| of(&format!("t{}", number % 3), &format!("j{number}"))), START).await;
    let handles = desk.handles().await;
    let claims = (0..12).map(|number| {
        let store = handles[number % handles.len()].clone();
        async move { store.claim(claim_of(&[("default", 3)]), at(1)).await.unwrap().jobs.len() }
    });
    let given: usize = futures_util::future::join_all(claims).await.into_iter().sum();
    assert_eq!(given, 6, "two of each of three tenants");
}

pub(crate) async fn nothing_is_read_ahead_of_a_queue_with_limits(desk: &Desk) {
    desk.insert((0..9).map(|number| job(&format!("j{number}"))), START).await;
    let want = |limit, slots| longshore_core::Claim {
        lanes: vec![LaneWant { queue: queue("default"), limit, slots }],
        ..claim_of(&[])
    };
    let claims = desk.store.claim(want(4, 1), at(1)).await.unwrap();
    assert_eq!((claims.jobs.len(), claims.limited), (4, vec![]));
    limit(desk, vec![concurrency(None, 9)], 2).await;
    let claims = desk.store.claim(want(4, 1), at(3)).await.unwrap();
    assert_eq!((claims.jobs.len(), claims.limited), (1, vec![queue("default")]));
}

pub(crate) async fn a_changed_limit_reaches_jobs_that_wait_and_jobs_that_run(desk: &Desk) {
    let drafts = ["a1", "a2", "a3", "b1", "a4"].map(|name| of(&name[..1], name));
    desk.insert(drafts, START).await;
    let first = desk.claim("default", 1, at(1)).await;
    limit(desk, vec![concurrency(Some("args.tenant"), 1)], 2).await;
    assert_eq!(ids(desk, 9, 3).await, ["b1"], "the first tenant has one that runs since before");
    limit(desk, vec![concurrency(Some("args.tenant"), 2)], 4).await;
    assert_eq!(ids(desk, 9, 5).await, ["a2"]);
    limit(desk, vec![concurrency(Some("args.tenant"), 1)], 6).await;
    desk.end(first[0].lease.token, done(), at(7)).await;
    assert!(ids(desk, 9, 8).await.is_empty(), "one still runs");
    limit(desk, vec![], 9).await;
    assert_eq!(ids(desk, 9, 10).await, ["a3", "a4"]);
    assert_eq!(desk.store.queue(queue("default")).await.unwrap().unwrap().limits, []);
}

pub(crate) async fn a_limit_holds_before_the_jobs_were_sorted(desk: &Desk) {
    desk.insert((0..30).map(|number| of("a", &format!("a{number}"))).chain([of("b", "b")]), START).await;
    let change =
        QueueChange { limits: Some(vec![concurrency(Some("args.tenant"), 1)]), ..QueueChange::default() };
    desk.store.set_queue(queue("default"), change, at(1)).await.unwrap();
    assert_eq!(ids(desk, 9, 2).await, ["a0", "b"]);
}

pub(crate) async fn room_rings_for_who_waits(desk: &Desk) {
    for limits in [vec![concurrency(None, 1)], vec![concurrency(Some("args.tenant"), 1)]] {
        limit(desk, limits, 0).await;
        let name = |number| format!("j{number}");
        desk.insert((0..2).map(|number| of("a", &name(number))), START).await;
        let first = desk.claim("default", 9, at(1)).await;
        assert!(ids(desk, 9, 2).await.is_empty());
        let mut wakes = desk.store.wakeups();
        desk.end(first[0].lease.token, done(), at(3)).await;
        while wakes.next().await.unwrap() != Wake::Ready(queue("default")) {}
        for number in 0..2 {
            desk.amend(&name(number), Change::Remove { force: true }, at(4)).await;
        }
    }
}

pub(crate) async fn what_holds_up_a_job_is_told(desk: &Desk) {
    limit(desk, vec![rate(None, 2, SECOND, None), concurrency(Some("args.tenant"), 1)], 0).await;
    limit_kind(desk, "test", vec![concurrency(None, 2)], 0).await;
    desk.insert(["a1", "a2", "b1", "c1"].map(|name| of(&name[..1], name)), START).await;
    let holds = |name: &'static str| async move { desk.store.holds(id(name), at(1)).await.unwrap() };
    assert_eq!(holds("a2").await, []);
    assert_eq!(ids(desk, 2, 1).await, ["a1", "b1"]);
    let told = holds("a2").await;
    assert_eq!((told[0].rate, told[0].next_at), (Some(2), Some(at(501))));
    let key = (told[1].key.as_deref(), told[1].value.as_deref(), told[1].concurrency, told[1].running);
    assert_eq!(key, (Some("args.tenant"), Some("a"), Some(1), 1));
    assert_eq!(told[1].held_by, [id("a1")]);
    assert_eq!((told[2].kind.as_deref(), told[2].running, told[2].held_by.len()), (Some("test"), 2, 2));
    assert_eq!(holds("c1").await.len(), 2, "the key of another tenant has room");
    assert_eq!(holds("a1").await, [], "a running job is held up by nothing");
    assert_eq!(holds("nobody").await, []);
}

pub(crate) async fn a_job_without_a_value_for_a_key_is_refused(desk: &Desk) {
    limit(desk, vec![concurrency(Some("args.tenant"), 1)], 0).await;
    let before = desk.whole().await;
    for draft in [job("none"), job("null").args("{\"tenant\": null}"), job("other").args("[1]")] {
        let answer = desk.store.insert(specs([of("a", "fine"), draft]), at(1)).await;
        let Err(StoreError::Invalid(error)) = answer else { panic!("{answer:?}") };
        assert_eq!((error.code, error.field.as_str()), ("invalid_limit_key", "jobs[1].args.tenant"));
    }
    assert_eq!(desk.whole().await, before);
    desk.insert([job("own").limit_key("a")], at(2)).await;
}

pub(crate) async fn a_limit_that_makes_no_sense_is_refused(desk: &Desk) {
    let before = desk.whole().await;
    let wrong = [
        vec![concurrency(None, 0)],
        vec![concurrency(Some("tenant"), 1)],
        vec![concurrency(None, 1), rate(None, 1, SECOND, None)],
        vec![rate(None, 1, Duration::ZERO, None)],
    ];
    for limits in wrong {
        let change = QueueChange { limits: Some(limits.clone()), ..QueueChange::default() };
        let answer = desk.store.set_queue(queue("default"), change, at(1)).await;
        desk.assert_refused(&before, answer).await;
        let answer = desk.store.set_kind(KindName::new("test").unwrap(), limits, at(1)).await;
        desk.assert_refused(&before, answer).await;
    }
}

pub(crate) async fn with_ageing_a_job_that_waited_long_goes_before_better_ones(desk: &Desk) {
    let change = QueueChange { ageing: Some(Some(DurationText(SECOND))), ..QueueChange::default() };
    desk.insert([job("old").priority(9.0)], START).await;
    desk.store.set_queue(queue("default"), change, at(1)).await.unwrap();
    sort(desk, 1).await;
    desk.insert([job("good").priority(5.0)], at(3_000)).await;
    assert_eq!(ids(desk, 1, 3_001).await, ["good"], "three seconds are worth three steps");
    desk.insert([job("late").priority(5.0)], at(4_500)).await;
    assert_eq!(ids(desk, 9, 4_501).await, ["old", "late"]);
}

/// The rule in its plainest form: jobs in their order, each if all of its limits have room.
struct Model {
    ready: Vec<(i64, usize, String)>,
    running: Vec<(String, LeaseToken)>,
    starts: HashMap<String, i64>,
}

const TENANTS: u64 = 4;
const GAP: i64 = 100;

impl Model {
    /// One at a time of each tenant, two of a host, and a start of each host every 100 ms.
    fn take(&mut self, wanted: usize, now: i64) -> Vec<String> {
        let mut given = Vec::new();
        let mut left = Vec::new();
        self.ready.sort_by_key(|(priority, order, _)| (*priority, *order));
        for (priority, order, name) in std::mem::take(&mut self.ready) {
            let (tenant, host) = name.split_once('-').map(|(keys, _)| keys.split_at(2)).unwrap();
            let runs = |part: &str| {
                let counts = |running: &&String| running.split_once('-').unwrap().0.contains(part);
                self.running.iter().map(|(running, _)| running).chain(&given).filter(counts).count()
            };
            let rested = self.starts.get(host).is_none_or(|last| now - last >= GAP);
            if given.len() < wanted && runs(tenant) < 1 && runs(host) < 2 && rested {
                self.starts.insert(host.to_owned(), now);
                given.push(name);
            } else {
                left.push((priority, order, name));
            }
        }
        self.ready = left;
        given
    }
}

pub(crate) async fn a_claim_gives_what_the_rule_says_and_nothing_else(desk: &Desk) {
    let host = Limit { concurrency: Some(2), ..rate(Some("args.host"), 1, ms(GAP as u64), Some(1)) };
    limit(desk, vec![concurrency(Some("args.tenant"), 1), host], 0).await;
    let chance = Chance::seeded(11);
    let mut model = Model { ready: Vec::new(), running: Vec::new(), starts: HashMap::new() };
    let (mut now, mut made) = (10_000, 0);
    for _ in 0..1_500 {
        now += chance.below(60) as i64;
        match chance.below(10) {
            0..4 => {
                let (tenant, host, priority) =
                    (chance.below(TENANTS), chance.below(3), chance.below(3) as i64);
                let name = format!("t{tenant}h{host}-{made}");
                let args = format!("{{\"tenant\": {tenant}, \"host\": {host}}}");
                desk.insert([job(&name).args(&args).priority(priority as f64)], at(now)).await;
                model.ready.push((priority, made, name));
                made += 1;
            }
            4..7 => {
                let wanted = 1 + chance.below(3) as usize;
                let claimed = desk.claim("default", wanted, at(now)).await;
                let given: Vec<String> = claimed.iter().map(|claimed| claimed.spec.id.to_string()).collect();
                assert_eq!(given, model.take(wanted, now), "at {now}");
                model
                    .running
                    .extend(given.into_iter().zip(claimed.iter().map(|claimed| claimed.lease.token)));
            }
            7..9 if !model.running.is_empty() => {
                let which = chance.below(model.running.len() as u64) as usize;
                let (_, token) = model.running.remove(which);
                desk.end(token, done(), at(now)).await;
            }
            _ if !model.ready.is_empty() => {
                let which = chance.below(model.ready.len() as u64) as usize;
                let (_, _, name) = model.ready.remove(which);
                desk.amend(&name, Change::Cancel, at(now)).await;
            }
            _ => {}
        }
    }
    assert_eq!(desk.count("default", State::Ready).await, model.ready.len() as u64);
}
