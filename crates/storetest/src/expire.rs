use longshore_core::{Change, Reason, State};

use crate::desk::Desk;
use crate::draft::{START, at, done, job, ms, retry};

pub(crate) async fn a_waiting_job_whose_time_to_live_is_over_fails(desk: &Desk) {
    let scheduled = job("scheduled").ttl(ms(20)).run_at(at(90));
    let blocked = job("blocked").ttl(ms(30)).after(&["parent"]);
    let parent = job("parent").queue("other");
    desk.insert([job("ready").ttl(ms(10)), scheduled, parent, blocked, job("immortal")], START).await;
    let kept = desk.store.expire(10, at(9)).await.unwrap();
    assert_eq!((kept.moved.len(), kept.next), (0, Some(at(10))));
    let kept = desk.store.expire(2, at(40)).await.unwrap();
    let moved: Vec<_> =
        kept.moved.iter().map(|moved| (moved.spec.id.to_string(), moved.from, moved.state)).collect();
    let expected = [("ready", State::Ready), ("scheduled", State::Scheduled)];
    assert_eq!(
        moved,
        expected.map(|(name, from)| (name.to_owned(), from, State::Failed)),
        "the earliest first"
    );
    assert_eq!(kept.next, Some(at(40)), "and there is more");
    assert_eq!(desk.store.expire(10, at(40)).await.unwrap().next, None);
    for name in ["ready", "scheduled", "blocked"] {
        let job = desk.job(name).await;
        assert_eq!((job.state, job.reason), (State::Failed, Some(Reason::Expired)), "{name}");
        assert_eq!(job.finished_at, Some(at(40)));
    }
    assert_eq!(desk.state("immortal").await, Some(State::Ready));
}

pub(crate) async fn nobody_gets_a_job_whose_time_to_live_is_over(desk: &Desk) {
    let drafts =
        [job("dead").ttl(ms(10)), job("alive").ttl(ms(11)), job("plain"), job("dead too").ttl(ms(5))];
    desk.insert(drafts, START).await;
    assert_eq!(desk.claim_ids("default", 9, at(10)).await, ["alive", "plain"]);
    assert_eq!(desk.count("default", State::Ready).await, 2);
}

pub(crate) async fn a_running_job_does_not_expire_but_its_retry_does(desk: &Desk) {
    desk.insert([job("a").ttl(ms(10))], START).await;
    let token = desk.take("default", at(1)).await.lease.token;
    let kept = desk.store.expire(10, at(50)).await.unwrap();
    assert_eq!((kept.moved.len(), kept.next), (0, None));
    desk.end(token, retry(at(60)), at(51)).await;
    assert_eq!(desk.store.expire(10, at(52)).await.unwrap().moved.len(), 1);
    assert_eq!(desk.job("a").await.reason, Some(Reason::Expired));
}

pub(crate) async fn a_job_that_started_in_time_completes_late(desk: &Desk) {
    desk.insert([job("a").ttl(ms(10))], START).await;
    let token = desk.take("default", at(1)).await.lease.token;
    desk.end(token, done(), at(500)).await;
    assert_eq!(desk.state("a").await, Some(State::Completed));
}

pub(crate) async fn a_revived_job_lives_anew(desk: &Desk) {
    desk.insert([job("a").ttl(ms(10))], START).await;
    desk.store.expire(10, at(10)).await.unwrap();
    desk.amend("a", Change::Revive, at(100)).await;
    assert_eq!(desk.job("a").await.deadline_at, Some(at(110)));
    assert_eq!(desk.store.expire(10, at(109)).await.unwrap().next, Some(at(110)));
    assert_eq!(desk.claim_ids("default", 1, at(109)).await, ["a"]);
}
