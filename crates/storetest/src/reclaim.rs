use longshore_core::{Change, Claim, Ended, Kept, Reason, Refusal, Renewed, State};

use crate::desk::Desk;
use crate::draft::{START, at, claim_of, done, job, ms};
use crate::stage::Stage;

/// Claims one job with a lease of 100 ms.
async fn short(desk: &Desk, name: &str, now: i64) -> longshore_core::Claimed {
    let claim = Claim { lease: ms(100), ..claim_of(&[(name, 1)]) };
    desk.store.claim(claim, at(now)).await.unwrap().jobs.remove(0)
}

pub(crate) async fn a_lease_that_ran_out_is_taken_back_and_its_attempt_given_back(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let claimed = short(desk, "default", 0).await;
    assert!(desk.store.reclaim(9, 3, at(99)).await.unwrap().moved.is_empty());
    let kept = desk.store.reclaim(9, 3, at(101)).await.unwrap();
    let moved = &kept.moved[0];
    assert_eq!(
        (&moved.spec, moved.state, moved.attempt, moved.created_at),
        (&claimed.spec, State::Ready, 0, START)
    );
    let job = desk.job("a").await;
    assert_eq!((job.state, job.attempt, job.stalls, job.cancel_requested), (State::Ready, 0, 1, false));
    assert_eq!((kept.moved.len(), kept.removed, kept.next), (1, 0, None));
    let again = desk.take("default", at(200)).await;
    assert_eq!((again.attempt, again.stalls), (1, 1));
}

pub(crate) async fn the_lost_lease_is_worth_nothing(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let token = short(desk, "default", 0).await.lease.token;
    desk.store.reclaim(9, 3, at(101)).await.unwrap();
    assert_eq!(desk.renew(token, None, at(102)).await, Renewed::Lost);
    assert_eq!(desk.end(token, done(), at(102)).await, Ended::Refused(Refusal::LeaseLost));
    assert_eq!(desk.state("a").await, Some(State::Ready));
}

pub(crate) async fn a_job_that_lost_as_many_leases_as_it_may_failed_as_stalled(desk: &Desk) {
    desk.insert([job("a")], START).await;
    for loss in 1..=3 {
        let now = i64::from(loss) * 1_000;
        assert_eq!(short(desk, "default", now).await.stalls, loss - 1);
        let kept = desk.store.reclaim(9, 3, at(now + 500)).await.unwrap();
        let expected = if loss == 3 { State::Failed } else { State::Ready };
        assert_eq!((kept.moved[0].state, desk.job("a").await.stalls), (expected, loss));
        if loss == 3 {
            assert_eq!(kept.moved[0].reason, Some(Reason::Stalled));
        }
    }
    let job = desk.job("a").await;
    assert_eq!((job.state, job.reason), (State::Failed, Some(Reason::Stalled)));
    assert_eq!(job.finished_at, Some(at(3_500)));
}

pub(crate) async fn a_job_that_was_asked_to_stop_is_cancelled_when_its_lease_is_lost(desk: &Desk) {
    desk.insert([job("a")], START).await;
    short(desk, "default", 0).await;
    desk.amend("a", Change::Cancel, at(50)).await;
    let kept = desk.store.reclaim(9, 3, at(101)).await.unwrap();
    assert_eq!(kept.moved[0].state, State::Cancelled);
    let job = desk.job("a").await;
    assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByOperator)));
    assert_eq!(job.finished_at, Some(at(101)));
}

pub(crate) async fn next_is_the_earliest_end_of_a_lease_and_then_there_is_work(desk: &Desk) {
    desk.insert(["a", "b", "c"].map(job), START).await;
    for now in [30, 10, 20] {
        short(desk, "default", now).await;
    }
    let kept = desk.store.reclaim(9, 3, at(50)).await.unwrap();
    assert_eq!((kept.moved.len(), kept.next), (0, Some(at(110))));
    let kept = desk.store.reclaim(9, 3, at(110)).await.unwrap();
    assert_eq!(
        (kept.moved.len(), kept.next),
        (1, Some(at(120))),
        "called at `next`, it finds what it wanted"
    );
}

pub(crate) async fn at_most_the_limit_is_taken_back_at_once(desk: &Desk) {
    desk.insert((0..5).map(|index| job(&format!("j{index}"))), START).await;
    let claim = Claim { lease: ms(100), ..claim_of(&[("default", 9)]) };
    desk.store.claim(claim, START).await.unwrap();
    for (moved, more) in [(2, true), (2, true), (1, false)] {
        let kept = desk.store.reclaim(2, 3, at(200)).await.unwrap();
        assert_eq!(kept.moved.len(), moved);
        assert_eq!(kept.next.is_some_and(|next| next <= at(200)), more, "{:?}", kept.next);
    }
    assert_eq!(desk.count("default", State::Ready).await, 5);
}

pub(crate) async fn a_lease_that_was_used_up_is_not_taken_back(desk: &Desk) {
    for (stage, _) in desk.bring_all().await {
        if stage.state() == State::Running {
            desk.amend(&stage.name(), Change::Remove { force: true }, at(2_000)).await;
        }
    }
    let before = desk.whole().await;
    assert_eq!(desk.store.reclaim(99, 3, at(900_000)).await.unwrap(), Kept::default());
    assert_eq!(desk.whole().await, before);
    assert_eq!(desk.state(&Stage::Completed.name()).await, Some(State::Completed));
}

pub(crate) async fn a_clock_that_was_set_back_does_not_make_leases_long(desk: &Desk) {
    desk.insert([job("a")], at(900_000)).await;
    let claimed = desk.take("default", at(900_000)).await;
    let lease = claimed.lease.until.since(at(900_000));
    let lasts = lease.as_millis() as i64;
    // A little is what the clocks of two machines may differ by.
    let kept = desk.store.reclaim(9, 3, at(900_000 - lasts)).await.unwrap();
    assert_eq!((kept.moved.len(), kept.next), (0, Some(claimed.lease.until)));
    let kept = desk.store.reclaim(9, 3, at(5_000)).await.unwrap();
    assert_eq!((kept.moved.len(), kept.next), (0, Some(at(5_000 + 2 * lasts))));
    assert!(matches!(desk.renew(claimed.lease.token, None, at(6_000)).await, Renewed::Held { .. }));
    assert!(desk.store.reclaim(9, 3, at(6_000 + lasts - 1)).await.unwrap().moved.is_empty());
    assert_eq!(desk.store.reclaim(9, 3, at(6_000 + lasts)).await.unwrap().moved.len(), 1);
}
