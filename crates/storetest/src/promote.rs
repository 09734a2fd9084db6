use longshore_core::{Kept, QueueChange, State};

use crate::desk::Desk;
use crate::draft::{START, at, job, queue, retry};
use crate::stage::{DUE, Stage};

fn names(kept: &Kept) -> Vec<String> {
    kept.moved.iter().map(|moved| moved.spec.id.to_string()).collect()
}

pub(crate) async fn jobs_become_ready_when_their_time_has_come(desk: &Desk) {
    desk.insert([job("a").run_at(at(100)), job("b").run_at(at(101))], START).await;
    let early = desk.store.promote(9, at(99)).await.unwrap();
    assert_eq!((early.moved, early.removed, early.next), (vec![], 0, Some(at(100))));
    let kept = desk.store.promote(9, at(100)).await.unwrap();
    assert_eq!((names(&kept), kept.next), (vec!["a".to_owned()], Some(at(101))));
    assert_eq!((desk.state("a").await, desk.state("b").await), (Some(State::Ready), Some(State::Scheduled)));
    assert_eq!(desk.job("a").await.run_at, None);
    let kept = desk.store.promote(9, at(500)).await.unwrap();
    assert_eq!((names(&kept), kept.next), (vec!["b".to_owned()], None));
}

pub(crate) async fn the_earliest_goes_first_and_at_most_the_limit(desk: &Desk) {
    let dues = [700, 300, 500, 100, 900];
    desk.insert(dues.map(|due| job(&format!("at {due}")).queue(&format!("q{due}")).run_at(at(due))), START)
        .await;
    let first = desk.store.promote(2, at(1_000)).await.unwrap();
    assert_eq!(names(&first), ["at 100", "at 300"]);
    assert!(
        first.next.is_some_and(|next| next <= at(1_000)),
        "at once if the limit was reached: {:?}",
        first.next
    );
    let rest = desk.store.promote(9, at(1_000)).await.unwrap();
    assert_eq!((names(&rest), rest.next), (["at 500", "at 700", "at 900"].map(str::to_owned).to_vec(), None));
}

pub(crate) async fn a_promoted_job_is_told_of(desk: &Desk) {
    let spec = job("a").run_at(at(100)).spec();
    desk.store.insert(vec![spec.clone()], START).await.unwrap();
    let kept = desk.store.promote(9, at(150)).await.unwrap();
    let moved = &kept.moved[0];
    assert_eq!((&moved.spec, moved.state, moved.attempt, moved.created_at), (&spec, State::Ready, 0, START));
    let token = desk.take("default", at(200)).await.lease.token;
    desk.end(token, retry(at(300)), at(250)).await;
    let kept = desk.store.promote(9, at(300)).await.unwrap();
    assert_eq!((kept.moved[0].attempt, kept.moved[0].state), (1, State::Ready));
    assert_eq!(kept.moved[0].reason, desk.job("a").await.reason);
}

pub(crate) async fn every_scheduled_job_is_promoted_whatever_it_waited_for(desk: &Desk) {
    for stage in [Stage::ScheduledByInsert, Stage::ScheduledByRetry, Stage::ScheduledBySnooze] {
        desk.bring(stage).await;
    }
    assert_eq!(desk.store.promote(9, at(DUE - 1)).await.unwrap().next, Some(at(DUE)));
    assert_eq!(desk.store.promote(9, at(DUE)).await.unwrap().moved.len(), 3);
}

pub(crate) async fn a_paused_queue_holds_up_claims_not_promotions(desk: &Desk) {
    desk.insert([job("a").run_at(at(100))], START).await;
    let change = QueueChange { paused: Some(true), ..QueueChange::default() };
    desk.store.set_queue(queue("default"), change, at(1)).await.unwrap();
    assert_eq!(names(&desk.store.promote(9, at(100)).await.unwrap()), ["a"]);
}

pub(crate) async fn with_nothing_scheduled_nothing_is_wanted(desk: &Desk) {
    desk.insert([job("a")], START).await;
    assert_eq!(desk.store.promote(9, at(DUE)).await.unwrap(), Kept::default());
}
