use std::collections::HashSet;

use longshore_core::limits::{PAGE_BYTES_MAX, PAGE_JOBS_MAX};
use longshore_core::{Change, Job, JobFilter, Page, Reason, State};

use crate::desk::{Desk, every};
use crate::draft::{START, at, cancel, done, fail, id, job, queue};

fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.id().to_string()).collect()
}

pub(crate) async fn a_job_that_is_not_there_is_none(desk: &Desk) {
    desk.insert([job("a")], START).await;
    assert_eq!(desk.store.get(id("b")).await.unwrap(), None);
    assert_eq!(desk.store.get(id("a")).await.unwrap().unwrap().id(), &id("a"));
}

pub(crate) async fn the_newest_insert_is_listed_first(desk: &Desk) {
    desk.insert([job("a"), job("b").run_at(at(900))], at(5)).await;
    desk.insert([job("c").queue("other").priority(-9.0)], at(4)).await;
    desk.insert([job("d"), job("e")], at(6)).await;
    desk.take("default", at(7)).await;
    desk.store.promote(9, at(900)).await.unwrap();
    assert_eq!(names(&desk.list(&JobFilter::default()).await), ["e", "d", "c", "b", "a"]);
}

pub(crate) async fn a_job_that_replaced_a_cancelled_one_is_listed_as_the_new_insert_that_it_is(desk: &Desk) {
    desk.insert(["a", "b"].map(job), START).await;
    desk.amend("a", Change::Cancel, at(1)).await;
    desk.insert([job("a")], at(2)).await;
    assert_eq!(names(&desk.list(&JobFilter::default()).await), ["a", "b"]);
}

pub(crate) async fn pages_of_any_size_hold_every_job_once(desk: &Desk) {
    desk.insert((0..37).map(|index| job(&format!("j{index}")).queue(["a", "b"][index % 2])), START).await;
    let whole = names(&desk.list(&JobFilter::default()).await);
    assert_eq!(whole.len(), 37);
    for limit in [1, 2, 5, 36, 37, 38, PAGE_JOBS_MAX] {
        assert_eq!(
            names(&every(&*desk.store, &JobFilter::default(), limit).await.unwrap()),
            whole,
            "pages of {limit}"
        );
        let filter = JobFilter { queue: Some(queue("b")), ..JobFilter::default() };
        assert_eq!(every(&*desk.store, &filter, limit).await.unwrap().len(), 18, "pages of {limit}");
    }
}

pub(crate) async fn a_listing_goes_on_where_it_was_although_jobs_come_and_go(desk: &Desk) {
    desk.insert((0..10).map(|index| job(&format!("old{index}"))), START).await;
    let mut page = desk.store.list(JobFilter::default(), Page { after: None, limit: 4 }).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    let mut turns = 0;
    loop {
        seen.extend(names(&page.jobs));
        let Some(after) = page.next else { break };
        desk.insert([job(&format!("new{turns}"))], at(1)).await;
        if let Some(last) = page.jobs.last() {
            // The record the cursor points at goes.
            desk.amend(&last.id().to_string(), Change::Remove { force: false }, at(2)).await;
        }
        turns += 1;
        page = desk.store.list(JobFilter::default(), Page { after: Some(after), limit: 4 }).await.unwrap();
    }
    assert_eq!(seen, (0..10).rev().map(|index| format!("old{index}")).collect::<Vec<_>>());
}

pub(crate) async fn a_page_beyond_the_limit_is_refused(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let before = desk.whole().await;
    let page = Page { after: None, limit: PAGE_JOBS_MAX + 1 };
    desk.assert_refused(&before, desk.store.list(JobFilter::default(), page).await).await;
}

pub(crate) async fn a_page_ends_with_the_job_that_brings_it_to_its_bytes(desk: &Desk) {
    let large = format!("\"{}\"", "x".repeat(PAGE_BYTES_MAX / 4));
    for index in 0..6 {
        desk.insert([job(&format!("j{index}")).args(&large)], START).await;
    }
    let page = Page { after: None, limit: 100 };
    let first = desk.store.list(JobFilter::default(), page).await.unwrap();
    assert_eq!(names(&first.jobs), ["j5", "j4", "j3", "j2"]);
    let second = desk.store.list(JobFilter::default(), Page { after: first.next, ..page }).await.unwrap();
    assert_eq!((names(&second.jobs), second.next), (vec!["j1".to_owned(), "j0".to_owned()], None));
}

/// Jobs that differ in everything a filter can ask for.
async fn assortment(desk: &Desk) {
    let tags = |tags: &'static [&'static str]| {
        move |options: &mut longshore_core::Options| {
            options.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        }
    };
    desk.insert(
        [job("plain"), job("failing").kind("pdf.render").owner("ann"), job("stopped").kind("pdf.merge")],
        START,
    )
    .await;
    desk.insert(
        [job("100%_done").queue("mail").args("{\"to\":\"50%\"}").options(tags(&["nightly"]))],
        at(10),
    )
    .await;
    desk.insert([job("quoted'\"id").queue("mail").kind("pdf*x").options(tags(&["nightly", "eu"]))], at(20))
        .await;
    desk.insert([job("Große").queue("mail").kind("pdf%").args("\"NIGHTLY\"").owner("bob")], at(30)).await;
    desk.insert([job("late").run_at(at(9_000)).owner("ann").options(tags(&["eu"]))], at(40)).await;
    let ends = [done(), fail(), cancel()];
    for (outcome, claimed) in ends.into_iter().zip(desk.claim("default", 3, at(50)).await) {
        desk.end(claimed.lease.token, outcome, at(60)).await;
    }
    desk.claim("mail", 1, at(60)).await;
}

fn filters() -> Vec<JobFilter> {
    let any = JobFilter::default;
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut filters = vec![any()];
    filters
        .extend(["default", "mail", "unheard"].map(|name| JobFilter { queue: Some(queue(name)), ..any() }));
    filters.extend(State::ALL.map(|state| JobFilter { states: vec![state], ..any() }));
    filters.push(JobFilter { states: vec![State::Ready, State::Failed], ..any() });
    let kinds = ["test", "pdf.render", "pdf.*", "pdf*", "pdf%", "pdf*x", "pdf_*", "*", "", "PDF.*"];
    filters.extend(kinds.map(|kind| JobFilter { kind: Some(kind.to_owned()), ..any() }));
    filters.extend(
        [&["nightly"][..], &["eu", "nightly"], &["night"]]
            .map(|tags| JobFilter { tags: text(tags), ..any() }),
    );
    filters
        .extend(["ann", "bob", "Ann", ""].map(|owner| JobFilter { owner: Some(owner.to_owned()), ..any() }));
    filters.extend(
        [Reason::Panic, Reason::ByHandler, Reason::Stalled]
            .map(|reason| JobFilter { reason: Some(reason), ..any() }),
    );
    filters.extend([0, 10, 11, 99].map(|millis| JobFilter { created_from: Some(at(millis)), ..any() }));
    filters.extend([0, 10, 11, 99].map(|millis| JobFilter { created_before: Some(at(millis)), ..any() }));
    let texts = [
        &["plain"][..],
        &["%"],
        &["_"],
        &["'"],
        &["\""],
        &["ß"],
        &["e"],
        &["E"],
        &["no such"],
        &["printer", "fail"],
        &["50%", "100%"],
        &["*"],
        &["\\"],
        &["at print"],
        &["NIGHTLY"],
        &[""],
    ];
    filters.extend(texts.map(|words| JobFilter { texts: text(words), ..any() }));
    filters.push(JobFilter {
        queue: Some(queue("mail")),
        states: vec![State::Ready],
        kind: Some("pdf*".to_owned()),
        owner: Some("bob".to_owned()),
        created_from: Some(at(20)),
        created_before: Some(at(31)),
        ..any()
    });
    filters
}

pub(crate) async fn a_listing_holds_the_jobs_that_match_and_no_other(desk: &Desk) {
    assortment(desk).await;
    let whole = desk.list(&JobFilter::default()).await;
    assert_eq!(whole.len(), 7);
    let mut sizes = HashSet::new();
    for filter in filters() {
        let expected: Vec<Job> = whole.iter().filter(|job| filter.matches(job)).cloned().collect();
        sizes.insert(expected.len());
        for limit in [2, 100] {
            let found = every(&*desk.store, &filter, limit).await.unwrap();
            assert_eq!(names(&found), names(&expected), "{filter} in pages of {limit}");
            assert_eq!(found, expected);
        }
    }
    assert!(sizes.len() > 4, "the filters must differ in what they find");
}
