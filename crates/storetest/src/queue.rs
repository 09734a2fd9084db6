use longshore_core::{Change, DurationText, QueueChange, QueueInfo, Retention, State};

use crate::desk::Desk;
use crate::draft::{START, at, done, job, ms, queue};
use crate::stage::Stage;

fn paused(paused: bool) -> QueueChange {
    QueueChange { paused: Some(paused), ..QueueChange::default() }
}

fn fresh(name: &str) -> QueueInfo {
    QueueInfo::new(queue(name))
}

pub(crate) async fn naming_a_queue_creates_it(desk: &Desk) {
    assert_eq!(desk.store.queues().await.unwrap(), []);
    assert_eq!(desk.store.queue(queue("mail")).await.unwrap(), None);
    let info = desk.store.set_queue(queue("mail"), QueueChange::default(), START).await.unwrap();
    assert_eq!(info, fresh("mail"));
    assert_eq!(desk.store.queue(queue("mail")).await.unwrap(), Some(fresh("mail")));
}

pub(crate) async fn a_job_names_its_queue_and_the_queue_stays_when_the_job_goes(desk: &Desk) {
    desk.insert([job("a").queue("mail")], START).await;
    desk.amend("a", Change::Remove { force: false }, at(1)).await;
    assert_eq!(desk.store.queues().await.unwrap(), [fresh("mail")]);
}

pub(crate) async fn a_change_sets_what_it_names_and_leaves_the_rest(desk: &Desk) {
    let [short, long] = [5, 500].map(|millis| DurationText(ms(millis)));
    let retention = Retention { completed: short, failed: long, cancelled: short, most: 7 };
    desk.insert([job("a")], START).await;
    let first = desk.store.set_queue(queue("default"), paused(true), at(1)).await.unwrap();
    assert_eq!(
        (first.paused, first.retention, first.counts.get(State::Ready)),
        (true, Retention::default(), 1)
    );
    let change = QueueChange { retention: retention.into(), ..QueueChange::default() };
    let second = desk.store.set_queue(queue("default"), change, at(2)).await.unwrap();
    assert_eq!((second.paused, second.retention), (true, retention));
    let third = desk.store.set_queue(queue("default"), QueueChange::default(), at(3)).await.unwrap();
    assert_eq!(third, second);
    let last = desk.store.set_queue(queue("default"), paused(false), at(4)).await.unwrap();
    assert_eq!((last.paused, last.retention), (false, retention));
    assert_eq!(desk.store.queue(queue("default")).await.unwrap(), Some(last));
}

pub(crate) async fn queues_are_listed_by_name(desk: &Desk) {
    for name in ["b", "a:2", "a", "Z", "ä", "10", "9", "a b"] {
        desk.store.set_queue(queue(name), QueueChange::default(), START).await.unwrap();
    }
    let names: Vec<String> =
        desk.store.queues().await.unwrap().iter().map(|info| info.name.to_string()).collect();
    assert_eq!(names, ["10", "9", "Z", "a", "a b", "a:2", "b", "ä"]);
}

pub(crate) async fn each_queue_counts_its_own_jobs(desk: &Desk) {
    desk.bring_all().await;
    for stage in Stage::ALL {
        let info = desk.store.queue(queue(&stage.name())).await.unwrap().unwrap();
        assert_eq!((info.counts.get(stage.state()), info.counts.total()), (1, 1), "{stage:?}");
    }
}

pub(crate) async fn a_queue_tells_since_when_its_next_ready_job_has_waited(desk: &Desk) {
    let oldest = async || desk.store.queue(queue("default")).await.unwrap().unwrap().oldest_ready_at;
    desk.insert([job("later").run_at(at(900))], START).await;
    assert_eq!(oldest().await, None);
    desk.insert([job("a")], at(10)).await;
    desk.insert([job("b")], at(20)).await;
    assert_eq!(oldest().await, Some(at(10)));
    let first = desk.take("default", at(30)).await;
    assert_eq!(oldest().await, Some(at(20)));
    desk.end(first.lease.token, done(), at(35)).await;
    desk.take("default", at(40)).await;
    assert_eq!(oldest().await, None);
}

pub(crate) async fn an_empty_queue_is_forgotten_with_its_settings(desk: &Desk) {
    desk.store.set_queue(queue("mail"), paused(true), START).await.unwrap();
    assert!(desk.store.remove_queue(queue("mail"), at(1)).await.unwrap());
    assert_eq!(desk.store.queues().await.unwrap(), []);
    assert!(!desk.store.remove_queue(queue("mail"), at(2)).await.unwrap(), "it is not there any more");
    desk.insert([job("a").queue("mail")], at(3)).await;
    assert_eq!(desk.claim_ids("mail", 1, at(4)).await, ["a"]);
}

pub(crate) async fn a_queue_with_jobs_in_any_state_is_not_forgotten(desk: &Desk) {
    desk.bring_all().await;
    let before = desk.whole().await;
    for stage in Stage::ALL {
        assert!(!desk.store.remove_queue(queue(&stage.name()), at(2_000)).await.unwrap(), "{stage:?}");
    }
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn a_change_that_breaks_a_limit_is_refused(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let before = desk.whole().await;
    let retention = Retention { failed: DurationText(std::time::Duration::MAX), ..Retention::default() };
    for name in ["default", "unheard"] {
        let change =
            QueueChange { paused: Some(true), retention: retention.into(), ..QueueChange::default() };
        desk.assert_refused(&before, desk.store.set_queue(queue(name), change, at(1)).await).await;
    }
}
