use bytes::Bytes;
use longshore_core::limiter::{Rule, Tally};
use longshore_core::{Doc, Expect, LogEntry, Put, StoreError, Timestamp};

use crate::desk::Desk;
use crate::draft::{START, at, ms};

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

impl Desk {
    async fn put(&self, key: &str, text: &str, expect: Expect, ttl: Option<u64>, now: Timestamp) -> Put {
        self.store.doc_put(key, bytes(text), expect, ttl.map(ms), now).await.unwrap()
    }

    async fn write(&self, key: &str, text: &str, now: Timestamp) -> u64 {
        match self.put(key, text, Expect::Anything, None, now).await {
            Put::Written(version) => version,
            Put::Conflict(standing) => panic!("a write that expects nothing met {standing:?}"),
        }
    }

    async fn read(&self, key: &str, now: Timestamp) -> Option<Doc> {
        self.store.doc_get(key, now).await.unwrap()
    }

    async fn append(&self, log: &str, texts: &[&str], keep: usize) -> u64 {
        self.store.log_append(log, texts.iter().map(|text| bytes(text)).collect(), keep).await.unwrap()
    }

    async fn entries(&self, log: &str, after: u64, limit: usize) -> Vec<(u64, String)> {
        let entries = self.store.log_read(log, after, limit).await.unwrap();
        entries
            .into_iter()
            .map(|LogEntry { position, value }| (position, String::from_utf8_lossy(&value).into()))
            .collect()
    }
}

pub(crate) async fn a_document_is_read_as_it_was_written(desk: &Desk) {
    assert_eq!(desk.read("a", START).await, None);
    let version = desk.write("a", "one", START).await;
    let doc = Doc { key: "a".to_owned(), value: bytes("one"), version, expires_at: None };
    assert_eq!(desk.read("a", at(9)).await, Some(doc));
    assert_eq!(desk.read("A", at(9)).await, None);
}

pub(crate) async fn the_version_of_a_key_rises_with_every_write(desk: &Desk) {
    let mut last = 0;
    for step in 0..5 {
        let version = desk.write("a", "same", at(step)).await;
        assert!(version > last, "{version} after {last}");
        last = version;
    }
}

pub(crate) async fn the_version_of_a_key_rises_over_its_removal(desk: &Desk) {
    let first = desk.write("a", "one", START).await;
    assert!(desk.store.doc_delete("a", Expect::Anything, at(1)).await.unwrap());
    let Put::Written(second) = desk.put("a", "two", Expect::Absent, Some(10), at(2)).await else { panic!() };
    assert!(second > first, "{second} after {first}: an old version must never fit a new document");
    desk.store.prune(9, at(50)).await.unwrap();
    let third = desk.write("a", "three", at(51)).await;
    assert!(third > second, "{third} after {second}: an old version must never fit a new document");
}

pub(crate) async fn a_write_that_expects_no_document_meets_one(desk: &Desk) {
    let Put::Written(version) = desk.put("a", "one", Expect::Absent, None, START).await else { panic!() };
    let standing = desk.read("a", START).await;
    assert_eq!(standing.as_ref().map(|doc| doc.version), Some(version));
    assert_eq!(desk.put("a", "two", Expect::Absent, None, at(1)).await, Put::Conflict(standing.clone()));
    assert_eq!(desk.read("a", at(1)).await, standing);
}

pub(crate) async fn a_write_that_expects_a_version_needs_that_version(desk: &Desk) {
    assert_eq!(desk.put("a", "x", Expect::Version(1), None, START).await, Put::Conflict(None));
    let first = desk.write("a", "one", START).await;
    let Put::Written(second) = desk.put("a", "two", Expect::Version(first), None, at(1)).await else {
        panic!()
    };
    let standing = desk.read("a", at(1)).await;
    assert_eq!(standing.as_ref().map(|doc| &*doc.value), Some(&b"two"[..]));
    for wrong in [first, second + 1, 0] {
        assert_eq!(
            desk.put("a", "three", Expect::Version(wrong), None, at(2)).await,
            Put::Conflict(standing.clone())
        );
    }
    assert_eq!(desk.read("a", at(2)).await, standing);
}

pub(crate) async fn a_document_is_removed_if_the_expectation_holds(desk: &Desk) {
    let delete = async |expect| desk.store.doc_delete("a", expect, at(5)).await.unwrap();
    assert!(!delete(Expect::Anything).await);
    let version = desk.write("a", "one", START).await;
    assert!(!delete(Expect::Version(version + 1)).await);
    assert!(!delete(Expect::Absent).await);
    assert!(desk.read("a", at(5)).await.is_some());
    assert!(delete(Expect::Version(version)).await);
    assert_eq!(desk.read("a", at(5)).await, None);
    assert!(!delete(Expect::Version(version)).await, "it was not there any more");
}

pub(crate) async fn an_expired_document_is_as_good_as_absent(desk: &Desk) {
    let Put::Written(version) = desk.put("a", "one", Expect::Anything, Some(100), at(10)).await else {
        panic!()
    };
    assert_eq!(desk.read("a", at(109)).await.map(|doc| doc.expires_at), Some(Some(at(110))));
    for now in [at(110), at(500)] {
        assert_eq!(desk.read("a", now).await, None);
        assert!(!desk.store.doc_delete("a", Expect::Anything, now).await.unwrap());
        assert_eq!(desk.store.doc_list("", None, 9, now).await.unwrap(), []);
        assert_eq!(desk.put("a", "two", Expect::Version(version), None, now).await, Put::Conflict(None));
    }
    assert!(matches!(desk.put("a", "two", Expect::Absent, None, at(500)).await, Put::Written(_)));
}

pub(crate) async fn the_last_write_decides_when_a_document_goes(desk: &Desk) {
    desk.put("a", "one", Expect::Anything, Some(100), START).await;
    desk.put("a", "two", Expect::Anything, Some(100), at(50)).await;
    assert!(desk.read("a", at(120)).await.is_some());
    desk.put("a", "three", Expect::Anything, None, at(120)).await;
    assert_eq!(desk.read("a", at(900)).await.unwrap().expires_at, None);
}

pub(crate) async fn documents_are_listed_by_prefix_in_the_order_of_their_keys(desk: &Desk) {
    let keys =
        ["b", "a", "a/2", "a/10", "a/%", "a_", "ab", "A/1", "a/ä", "a/z", "a/\u{10ffff}", "a/\u{e000}", "%"];
    for key in keys {
        desk.write(key, key, START).await;
    }
    let list = async |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let docs = desk.store.doc_list(prefix, after, limit, at(1)).await.unwrap();
        docs.into_iter().map(|doc| doc.key).collect()
    };
    for prefix in ["", "a", "a/", "a/%", "a_", "%", "b", "c", "a/\u{10ffff}"] {
        let mut expected: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        expected.sort_unstable();
        assert_eq!(list(prefix, None, 99).await, expected, "prefix {prefix:?}");
        assert_eq!(
            list(prefix, None, 2).await,
            expected[..expected.len().min(2)],
            "two of prefix {prefix:?}"
        );
        for after in ["", "a/2", "a/zz", "zzz"] {
            let rest: Vec<&str> = expected.iter().copied().filter(|key| *key > after).collect();
            let answer = list(prefix, Some(after), 99).await;
            assert_eq!(answer, rest, "prefix {prefix:?} after {after:?}");
        }
    }
    assert!(list("", None, 0).await.is_empty());
}

pub(crate) async fn a_log_is_read_in_the_order_in_which_it_was_written(desk: &Desk) {
    assert_eq!((desk.store.log_end("a").await.unwrap(), desk.entries("a", 0, 9).await), (0, vec![]));
    let end = desk.append("a", &["one", "two"], 100).await;
    assert_eq!(desk.append("a", &["three"], 100).await, end + 1);
    assert_eq!(desk.store.log_end("a").await.unwrap(), end + 1);
    let all = desk.entries("a", 0, 9).await;
    assert_eq!(
        all,
        [(1, "one".into()), (2, "two".into()), (3, "three".into())],
        "a gap tells of entries not kept"
    );
    assert_eq!(desk.entries("a", 1, 9).await, all[1..]);
    assert_eq!(desk.entries("a", 0, 2).await, all[..2]);
    for after in [end + 1, end + 2, u64::from(u32::MAX)] {
        assert_eq!(desk.entries("a", after, 9).await, []);
    }
    assert_eq!(desk.entries("a", 0, 0).await, []);
}

pub(crate) async fn no_entries_leave_a_log_where_it_ends(desk: &Desk) {
    assert_eq!(desk.append("a", &[], 9).await, 0);
    desk.append("a", &["one"], 9).await;
    assert_eq!(desk.append("a", &[], 9).await, 1);
}

pub(crate) async fn a_log_keeps_its_newest_entries_and_never_reuses_a_place(desk: &Desk) {
    desk.append("a", &["one", "two", "three"], 2).await;
    assert_eq!(desk.entries("a", 0, 9).await, [(2, "two".into()), (3, "three".into())]);
    desk.append("a", &["four"], 2).await;
    assert_eq!(desk.entries("a", 1, 9).await, [(3, "three".into()), (4, "four".into())]);
    assert_eq!(desk.append("a", &["five"], 0).await, 5);
    assert_eq!((desk.entries("a", 0, 9).await, desk.store.log_end("a").await.unwrap()), (vec![], 5));
    assert_eq!(desk.append("a", &["six"], 9).await, 6);
    assert_eq!(desk.entries("a", 2, 9).await, [(6, "six".into())]);
}

pub(crate) async fn records_of_one_name_do_not_meet(desk: &Desk) {
    let rule = Rule::Sliding { max: 1, interval: ms(1_000) };
    desk.write("name", "document", START).await;
    desk.append("name", &["log"], 9).await;
    desk.append("name2", &["other"], 9).await;
    assert!(desk.store.limit("name", rule, 1, START).await.unwrap().allowed);
    assert!(desk.store.limit("name2", rule, 1, START).await.unwrap().allowed);
    assert_eq!(desk.entries("name", 0, 9).await, [(1, "log".into())]);
    assert_eq!(&*desk.read("name", START).await.unwrap().value, b"document");
    assert_eq!(desk.store.doc_list("", None, 9, START).await.unwrap().len(), 1);
}

pub(crate) async fn a_limiter_answers_as_its_rule_says(desk: &Desk) {
    let rules = [
        Rule::Smooth { rate: 3, interval: ms(1_000), burst: 3 },
        Rule::Smooth { rate: 7, interval: ms(60_000), burst: 1 },
        Rule::Sliding { max: 4, interval: ms(700) },
    ];
    for (index, rule) in rules.into_iter().enumerate() {
        let (mut tally, mut now) = (Tally::default(), 0);
        for step in 0..120_i64 {
            now += [0, 0, 40, 130, 0, 333, 1][step as usize % 7];
            let cost = 1 + u32::from(step % 11 == 0);
            let answer = desk.store.limit(&format!("key{index}"), rule, cost, at(now)).await.unwrap();
            assert_eq!(answer, rule.take(&mut tally, cost, at(now)), "{rule:?} at step {step}");
        }
    }
}

pub(crate) async fn what_a_limiter_refused_is_not_counted(desk: &Desk) {
    let rule = Rule::Sliding { max: 2, interval: ms(1_000) };
    let ask = async |cost, now| desk.store.limit("key", rule, cost, at(now)).await.unwrap();
    assert!(ask(1, 0).await.allowed);
    let refused = ask(2, 10).await;
    assert_eq!((refused.allowed, refused.remaining), (false, 1));
    assert!(ask(1, 10).await.allowed);
    assert!(ask(1, 1_000).await.allowed, "the first permit left the window");
}

pub(crate) async fn pruning_forgets_no_permit_that_still_counts(desk: &Desk) {
    let sliding = Rule::Sliding { max: 1, interval: ms(1_000) };
    let smooth = Rule::Smooth { rate: 1, interval: ms(1_000), burst: 1 };
    for (key, rule) in [("sliding", sliding), ("smooth", smooth)] {
        assert!(desk.store.limit(key, rule, 1, START).await.unwrap().allowed);
        desk.store.prune(99, at(999)).await.unwrap();
        assert!(!desk.store.limit(key, rule, 1, at(999)).await.unwrap().allowed, "{key}");
        desk.store.prune(99, at(9_000)).await.unwrap();
        assert!(desk.store.limit(key, rule, 1, at(9_000)).await.unwrap().allowed, "{key}");
    }
}

pub(crate) async fn a_rule_that_breaks_a_limit_is_refused(desk: &Desk) {
    for rule in [
        Rule::Smooth { rate: 0, interval: ms(1_000), burst: 1 },
        Rule::Smooth { rate: 1, interval: ms(0), burst: 1 },
        Rule::Sliding { max: Rule::SLIDING_MAX + 1, interval: ms(1_000) },
    ] {
        let answer = desk.store.limit("key", rule, 1, START).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{rule:?}: {answer:?}");
    }
}
