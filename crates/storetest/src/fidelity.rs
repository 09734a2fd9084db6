//! What goes in comes out, byte for byte.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::limits::{ARGS_BYTES_MAX, CUSTOM_ID_BYTES_MAX, NAME_BYTES_MAX, RESULT_BYTES_MAX};
use longshore_core::{
    Amended, Backoff, Change, DurationText, Expect, Job, JobError, JobId, JobSpec, Json, KindName,
    LeaseToken, Outcome, Progress, QueueName, Reason, State, Timestamp, Unique,
};

use crate::desk::Desk;
use crate::draft::{START, at, claim_of, done, id, job, queue, retry};

/// JSON that a store which reads and writes it anew would spoil.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "null",
        "[]",
        "{}",
        "[[],{}]",
        "0",
        "-0",
        "-0.0",
        "1152921504606846977",
        "18446744073709551616",
        "0.30000000000000004",
        "1e400",
        "1E+2",
        "1.0",
        "\"\"",
        "\"\\u00e9\"",
        "\"é\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"a\\/b\"",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"a\" :  1}",
        "[1,\n 2]",
        "\"it's \\\"quoted\\\" -- ; DROP TABLE\"",
        "true",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(format!("\"{}\"", "x".repeat(100 * 1024)));
    texts.push(format!("[{}]", vec!["\"ß\""; 20_000].join(",")));
    // The same, large: a hundred kibibytes of what is hard to keep.
    let hard = "1152921504606846977,0.30000000000000004,[],[[],{}],-0.0,12345678901234";
    texts.push(format!("[{}]", vec![hard; 100 * 1_024 / hard.len()].join(",")));
    texts
}

fn parsed(text: &str) -> Json {
    Json::parse(text).unwrap()
}

pub(crate) async fn args_come_back_byte_for_byte(desk: &Desk) {
    let drafts = texts().into_iter().enumerate().map(|(index, text)| job(&format!("j{index}")).args(&text));
    desk.insert(drafts, START).await;
    let claimed = desk.claim("default", 999, at(1)).await;
    assert_eq!(claimed.len(), texts().len());
    for (index, (text, claimed)) in texts().into_iter().zip(claimed).enumerate() {
        assert_eq!(claimed.spec.args.as_str(), text);
        assert_eq!(desk.job(&format!("j{index}")).await.spec.args.as_str(), text);
    }
}

pub(crate) async fn results_come_back_byte_for_byte(desk: &Desk) {
    desk.insert((0..texts().len()).map(|index| job(&format!("j{index}"))), START).await;
    for (text, claimed) in texts().into_iter().zip(desk.claim("default", 999, at(1)).await) {
        desk.end(claimed.lease.token, Outcome::Done { result: Some(parsed(&text)) }, at(2)).await;
        let job = desk.job(&claimed.spec.id.to_string()).await;
        assert_eq!(job.result.as_ref().map(Json::as_str), Some(&*text));
    }
}

pub(crate) async fn progress_comes_back_byte_for_byte(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let token = desk.take("default", at(1)).await.lease.token;
    for text in texts().into_iter().filter(|text| text.len() < 10_000) {
        let progress = Progress::new(1, "é\t\"'%_\\ 😀").with_data(parsed(&text)).unwrap();
        desk.renew(token, Some(progress.clone()), at(2)).await;
        assert_eq!(desk.job("a").await.progress, progress);
    }
}

pub(crate) async fn the_largest_args_and_results_are_kept(desk: &Desk) {
    let largest = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    desk.insert([job("a").args(&largest(ARGS_BYTES_MAX))], START).await;
    let claimed = desk.take("default", at(1)).await;
    assert_eq!(claimed.spec.args.as_str().len(), ARGS_BYTES_MAX);
    desk.end(claimed.lease.token, Outcome::Done { result: Some(parsed(&largest(RESULT_BYTES_MAX))) }, at(2))
        .await;
    assert_eq!(desk.job("a").await.result.unwrap().as_str().len(), RESULT_BYTES_MAX);
}

/// Ids that look like something else.
fn awkward_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "ids",
        "states",
        "null",
        "true",
        "0x10",
        "1e5",
        "-1",
        "1.5",
        "a b",
        "a/b",
        "a%b",
        "a_b",
        "a*b",
        "{a}",
        "'",
        "\"",
        "\\",
        "é",
        "e\u{301}",
        "日本",
        "😀",
        "...",
        "A",
        "a",
        "0193e1a2-7b3c-7def-8123-456789abcdef",
        "0193E1A2-7B3C-7DEF-8123-456789ABCDEF",
        "0193e1a27b3c7def8123456789abcdef",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "--help",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.push("x".repeat(CUSTOM_ID_BYTES_MAX));
    ids.push(format!("{}y", "x".repeat(CUSTOM_ID_BYTES_MAX - 1)));
    ids
}

pub(crate) async fn awkward_ids_are_ids_like_others(desk: &Desk) {
    desk.insert(awkward_ids().iter().map(|text| job(text)), START).await;
    assert!(
        desk.insert(awkward_ids().iter().map(|text| job(text)), START)
            .await
            .iter()
            .all(|answer| answer.duplicate)
    );
    assert_eq!(desk.claim_ids("default", 999, at(1)).await, awkward_ids());
    for text in awkward_ids() {
        let token = desk.job(&text).await;
        assert_eq!((token.id().to_string(), token.state), (text.clone(), State::Running));
        desk.amend(&text, Change::Remove { force: true }, at(2)).await;
        desk.assert_gone(&text).await;
    }
    // And in every other step: as parents, with keys, cancelled, tried again, found.
    for (index, text) in awkward_ids().iter().enumerate() {
        let child = format!("child {index}");
        let parent = job(text).unique(Unique::new(text.clone()));
        desk.insert([parent, job(&child).after(&[text])], at(3)).await;
        let held = desk.store.unique_owner(queue("default"), text.clone(), at(3)).await.unwrap();
        assert_eq!(held, Some(id(text)));
        let told = |answer: Amended| matches!(answer, Amended::Moved { .. });
        assert!(told(desk.amend(text, Change::Cancel, at(4)).await), "{text}");
        assert!(told(desk.amend(text, Change::Revive, at(5)).await), "{text}");
        let token = desk.take("default", at(6)).await.lease.token;
        desk.end(token, retry(at(7)), at(6)).await;
        desk.store.promote(10, at(7)).await.unwrap();
        let token = desk.take("default", at(8)).await.lease.token;
        desk.end(token, done(), at(9)).await;
        assert_eq!(desk.state(text).await, Some(State::Completed));
        desk.amend(&child, Change::Remove { force: true }, at(10)).await;
        desk.store.settle(100, at(10)).await.unwrap();
    }
}

pub(crate) async fn ids_made_by_the_engine_and_chosen_ones_are_kept_apart(desk: &Desk) {
    let uuid = 0x0193_e1a2_7b3c_7def_8123_4567_89ab_cdef;
    let spec = |id| JobSpec::new(id, QueueName::default(), KindName::new("test").unwrap(), Json::default());
    desk.store.insert(vec![spec(JobId::from_u128(uuid)).into()], START).await.unwrap();
    let answer = desk.insert([job("0193e1a2-7b3c-7def-8123-456789abcdef")], START).await;
    assert!(answer[0].duplicate, "the same id in its canonical form");
    let answer = desk.insert([job("0193E1A2-7B3C-7DEF-8123-456789ABCDEF")], START).await;
    assert!(!answer[0].duplicate, "another id, because an id comes back as it was given");
}

/// Names with everything that is allowed in one.
fn awkward_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "a:b", "a:b:c", "a", "A", ":", "a b", "a%", "a_", "a*", "'", "\"", "\\", "é", "😀", "{a}", "queue",
        "jobs", "0", "a/b", "a.b",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("n".repeat(NAME_BYTES_MAX));
    names
}

pub(crate) async fn awkward_names_are_names_like_others(desk: &Desk) {
    for name in awkward_names() {
        desk.insert(
            [job(&format!("in {}", name.replace(':', ";"))).queue(&name).kind(&name).owner(&name)],
            START,
        )
        .await;
    }
    for name in awkward_names() {
        let worker = longshore_core::WorkerId::new(&name).unwrap();
        let claim = longshore_core::Claim { worker: worker.clone(), ..claim_of(&[(&name, 9)]) };
        let claimed = desk.store.claim(claim, at(1)).await.unwrap().jobs;
        assert_eq!(claimed.len(), 1, "{name}");
        let spec = &claimed[0].spec;
        assert_eq!(
            (spec.queue.as_str(), spec.kind.as_str(), spec.owner.as_deref()),
            (&*name, &*name, Some(&*name))
        );
        let job = desk.job(&spec.id.to_string()).await;
        assert_eq!(job.worker, Some(worker));
        assert_eq!(desk.store.queue(queue(&name)).await.unwrap().unwrap().counts.total(), 1);
        desk.end(claimed[0].lease.token, done(), at(2)).await;
    }
}

pub(crate) async fn what_was_asked_comes_back_whole(desk: &Desk) {
    let seconds = |count| Some(DurationText(Duration::from_secs(count)));
    let all = job("all")
        .queue("q")
        .kind("k")
        .args("[1]")
        .priority(-0.1)
        .run_at(at(77))
        .owner("ann")
        .correlation("c/1");
    let all = all.options(|options| {
        options.max_attempts = 1_000;
        options.backoff = Backoff::Linear {
            base: DurationText(Duration::from_millis(1)),
            max: DurationText(Duration::ZERO),
            jitter: 1.0,
        };
        options.timeout = None;
        options.tags = vec!["b".to_owned(), "a,\"'".to_owned(), "b".to_owned()];
        options.retention = seconds(0);
        options.result_retention = Some(DurationText(Duration::from_millis(1)));
    });
    let exponential = job("exponential").options(|options| {
        options.backoff = Backoff::Exponential {
            base: DurationText(Duration::from_millis(1_501)),
            factor: 1.1,
            max: DurationText(Duration::from_secs(86_400)),
            jitter: 0.3,
        };
        options.retention = seconds(10 * 366 * 86_400);
    });
    let fixed = job("fixed").options(|options| options.backoff = Backoff::fixed(Duration::from_millis(7)));
    let empty = job("empty").owner("").correlation("");
    let far = job("far").run_at(Timestamp::from_millis(253_402_300_799_999));
    for draft in [all, exponential, fixed, empty, far, job("plain")] {
        let spec = draft.spec();
        desk.store.insert(vec![spec.clone()], START).await.unwrap();
        assert_eq!(desk.job(&spec.id.to_string()).await, Job::new(spec, START));
    }
}

pub(crate) async fn priorities_come_back_exactly(desk: &Desk) {
    let values = [0.1 + 0.2, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -1.0, 1e15, 0.0, 1.0 / 3.0];
    for (index, value) in values.into_iter().enumerate() {
        let name = format!("p{index}");
        desk.insert([job(&name).priority(value)], START).await;
        assert_eq!(desk.job(&name).await.spec.priority.get().to_bits(), value.to_bits());
    }
}

pub(crate) async fn errors_come_back_as_they_were_told(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let reasons = [
        Reason::Error,
        Reason::Panic,
        Reason::Timeout,
        Reason::UnknownKind,
        Reason::BadArgs,
        Reason::ResultTooLarge,
    ];
    for (index, reason) in reasons.into_iter().enumerate() {
        let now = index as i64 * 100;
        let token = desk.take("default", at(now)).await.lease.token;
        let error =
            JobError::new("é 'quoted' \\ \u{1f}").trace(&format!("line\n\n\"{}\"", "t".repeat(10_000)));
        desk.end(token, Outcome::Retry { at: at(now), error: error.clone(), reason }, at(now + 10)).await;
        let kept = desk.job("a").await.errors.pop().unwrap();
        assert_eq!((kept.message, kept.trace, kept.reason), (error.message, error.trace, reason));
        desk.store.promote(1, at(now + 10)).await.unwrap();
    }
}

pub(crate) async fn documents_and_entries_come_back_byte_for_byte(desk: &Desk) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for (key, value) in
        [("empty", vec![]), ("nul", vec![0]), ("😀'\"", every_byte), ("large", vec![7; 300_000])]
    {
        let value = Bytes::from(value);
        desk.store.doc_put(key, value.clone(), Expect::Anything, None, START).await.unwrap();
        assert_eq!(desk.store.doc_get(key, START).await.unwrap().unwrap().value, value);
        desk.store.log_append(key, vec![value.clone(), Bytes::new()], 9).await.unwrap();
        let entries = desk.store.log_read(key, 0, 9).await.unwrap();
        assert_eq!(entries.into_iter().map(|entry| entry.value).collect::<Vec<_>>(), [value, Bytes::new()]);
    }
}

pub(crate) async fn a_token_works_after_it_was_written_down(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let token: LeaseToken = desk.take("default", at(1)).await.lease.token.to_string().parse().unwrap();
    assert_eq!(desk.end(token, done(), at(2)).await, longshore_core::Ended::Moved(State::Completed));
}
