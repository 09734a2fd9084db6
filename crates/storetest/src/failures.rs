use longshore_core::{Change, JobError, JobFilter, Outcome, Reason};

use crate::desk::Desk;
use crate::draft::{START, at, job, ms, queue};

async fn fail_with(desk: &Desk, name: &str, error: &str, now: i64) {
    desk.insert([job(name)], at(now)).await;
    let token = desk.take("default", at(now)).await.lease.token;
    let outcome = Outcome::Fail { error: JobError::new(error), reason: Reason::Error };
    desk.end(token, outcome, at(now)).await;
}

/// The messages of the groups with their numbers.
async fn groups(desk: &Desk) -> Vec<(String, u64)> {
    let groups = desk.store.failures(queue("default"), 10).await.unwrap();
    groups.into_iter().map(|group| (group.message, group.jobs)).collect()
}

pub(crate) async fn failed_jobs_are_counted_in_groups_of_those_that_are_alike(desk: &Desk) {
    for (number, error) in
        ["no host 10.0.0.1", "no host 10.0.0.2", "disk full", "no host 10.0.0.3"].iter().enumerate()
    {
        fail_with(desk, &format!("j{number}"), error, number as i64).await;
    }
    assert_eq!(groups(desk).await, [("no host #".to_owned(), 3), ("disk full".to_owned(), 1)]);
    let largest = desk.store.failures(queue("default"), 1).await.unwrap();
    assert_eq!((largest.len(), largest[0].reason, largest[0].kind.as_str()), (1, Reason::Error, "test"));
    let filter = JobFilter { fingerprint: Some(largest[0].fingerprint), ..JobFilter::default() };
    let ids: Vec<String> = desk.list(&filter).await.iter().map(|job| job.id().to_string()).collect();
    assert_eq!(ids, ["j3", "j1", "j0"]);
    assert_eq!(desk.store.failures(queue("other"), 10).await.unwrap(), []);
}

pub(crate) async fn a_job_that_leaves_its_failure_leaves_its_group(desk: &Desk) {
    for name in ["a", "b", "c"] {
        fail_with(desk, name, "disk full", 1).await;
    }
    desk.amend("a", Change::Revive, at(2)).await;
    assert_eq!(groups(desk).await, [("disk full".to_owned(), 2)]);
    desk.amend("b", Change::Remove { force: false }, at(3)).await;
    assert_eq!(groups(desk).await, [("disk full".to_owned(), 1)]);
    let month = 31 * 86_400_000;
    desk.store.prune(10, at(month)).await.unwrap();
    assert_eq!(groups(desk).await, []);
}

pub(crate) async fn jobs_that_failed_without_an_attempt_are_groups_of_their_own(desk: &Desk) {
    desk.insert([job("a").ttl(ms(5)), job("b").ttl(ms(5))], START).await;
    desk.store.expire(10, at(10)).await.unwrap();
    let groups = desk.store.failures(queue("default"), 10).await.unwrap();
    assert_eq!((groups.len(), groups[0].reason, groups[0].jobs), (1, Reason::Expired, 2));
}
