//! On whose behalf an engine is used.

use longshore_core::{JobFilter, Limit, Page, QueueChange, State};
use longshore_runtime::{Args, Caller, Client, Engine, NewKey, Outcome, Receipt, Rule, Schedule, Scope};

use crate::support::{HOUR, Room, Shift, Task, queue};

fn of(room: &Room, owner: &str) -> Engine {
    room.engine.on_behalf_of(Caller::owner(owner).unwrap())
}

#[tokio::test]
async fn a_key_is_worth_nothing_after_its_time() {
    let (room, manual) = Room::manual();
    let keys = room.engine.keys();
    let new = |expires_in| NewKey { owner: "ann".to_owned(), scopes: vec![Scope::Read], expires_in };
    let (short, text) = keys.create(&new(Some(HOUR))).await.unwrap();
    let (_, forever) = keys.create(&new(None)).await.unwrap();
    assert_eq!(keys.find(&text).await.unwrap(), Some(short));
    let (start, end) = text.split_at(text.len() - 1);
    let other = format!("{start}{}", if end == "0" { '1' } else { '0' });
    assert_eq!(keys.find(&other).await.unwrap(), None);
    manual.advance(HOUR);
    assert_eq!(keys.find(&text).await.unwrap(), None);
    assert!(keys.find(&forever).await.unwrap().is_some());
    assert_eq!(keys.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn jobs_that_a_handler_enqueues_belong_to_whom_its_own_belongs_to() {
    let room = Room::new();
    let worker = room.worker().register(async |Args(task): Args<Task>, client: Client| {
        if task.number > 0 {
            client.enqueue(Task { number: task.number - 1 }).id(&format!("last of {}", task.number)).await?;
        }
        Ok::<_, Outcome>(())
    });
    let shift = Shift::start(worker);
    let ann = of(&room, "ann");
    room.ended(&ann.client().enqueue(Task { number: 1 }).await.unwrap().id).await;
    let found = ann.control().list(JobFilter::default(), Page { after: None, limit: 10 }).await.unwrap().jobs;
    assert_eq!(found.len(), 2);
    shift.drain().await;
}

#[tokio::test]
async fn who_fills_a_limit_is_told_to_those_who_may_know_of_it() {
    let room = Room::new();
    let limits = vec![Limit { concurrency: Some(1), ..Limit::default() }];
    let change = QueueChange { limits: Some(limits), ..QueueChange::default() };
    room.control.set_queue(&queue("default"), change).await.unwrap();
    let enqueue =
        async |engine: &Engine| -> Receipt { engine.client().enqueue(Task { number: 0 }).await.unwrap() };
    let (ann, bob) = (of(&room, "ann"), of(&room, "bob"));
    let first = enqueue(&ann).await.id;
    let mut endless = crate::support::Endless::new();
    let shift = Shift::start(room.worker().handle("task", endless.handler()));
    endless.begun().await;
    let (hers, his) = (enqueue(&ann).await.id, enqueue(&bob).await.id);
    let told = async |engine: &Engine, id| {
        let why = engine.control().why(id).await.unwrap();
        let limit = why.reasons.into_iter().find(|reason| reason.code == "concurrency").unwrap();
        (limit.message, limit.jobs)
    };
    assert_eq!(told(&ann, &hers).await, (format!("its queue is at 1/1, held by {first}"), vec![first]));
    assert_eq!(told(&bob, &his).await, ("its queue is at 1/1".to_owned(), Vec::new()));
    shift.stop.cut();
    shift.end().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_of_many_jobs_is_done_to_ones_own() {
    let room = Room::new();
    let (ann, bob) = (of(&room, "ann"), of(&room, "bob"));
    for engine in [&ann, &bob, &bob, &room.engine] {
        engine.client().enqueue(Task { number: 0 }).await.unwrap();
    }
    let drained = bob.control().drain(&queue("default"), true).await.unwrap();
    assert_eq!((drained.changed, room.count("default", State::Ready).await), (2, 2));
    let foreign = JobFilter { owner: Some("ann".to_owned()), ..JobFilter::default() };
    assert_eq!(bob.control().list(foreign, Page { after: None, limit: 10 }).await.unwrap().jobs, []);
}

#[tokio::test]
async fn the_jobs_of_a_schedule_belong_to_whoever_made_it() {
    let room = Room::new();
    let operator = room.engine.on_behalf_of(Caller::operator("ops").unwrap());
    let rule = Rule::Every { every: longshore_core::DurationText(HOUR), start_now: false };
    let mut schedule = Schedule::new("beat".parse().unwrap(), rule, "task".parse().unwrap());
    schedule.options.unique = Some(longshore_core::Unique::new("k"));
    let record = operator.schedules().put(schedule).await.unwrap();
    let receipt = room.engine.schedules().run_now(&record.schedule.name).await.unwrap();
    let job = room.job(&receipt.id).await;
    assert_eq!(job.spec.owner.as_deref(), Some("ops"));
    assert_eq!(job.spec.options.unique.as_ref().unwrap().key, "@ops/k", "keys count for each owner alone");
    assert_eq!(room.control.unique_owner(&queue("default"), "@ops/k").await.unwrap(), Some(receipt.id));
}

#[test]
fn names_of_owners_are_checked() {
    for name in ["", "a/b", " ann", "ann\n", &"x".repeat(129)] {
        assert_eq!(Caller::owner(name).unwrap_err().field, "owner", "{name:?}");
    }
    assert!(Caller::owner("ann@example.org").is_ok());
}
