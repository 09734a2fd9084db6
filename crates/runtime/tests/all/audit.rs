//! What operators did is entered, with who did it.

use std::time::Duration;

use longshore_core::{JobFilter, State, StoreError};
use longshore_runtime::{
    AUDIT_PAGE_MAX, AuditEntry, AuditFilter, Caller, NewKey, Rule, Schedule, Scope, Source,
};
use serde_json::{Value, json};

use crate::support::{HOUR, Room, Task, queue};

async fn entries(room: &Room, filter: AuditFilter) -> Vec<AuditEntry> {
    room.control.audit(&filter, AUDIT_PAGE_MAX).await.unwrap()
}

#[tokio::test]
async fn everything_that_operators_do_is_entered() {
    let room = Room::new();
    let ops = room.engine.on_behalf_of(Caller::operator("ops").unwrap().via(Source::Api));
    let (control, name) = (ops.control(), queue("default"));
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    control.pause(&name).await.unwrap();
    control.resume(&name).await.unwrap();
    control
        .set_queue(&name, longshore_core::QueueChange { concurrency: Some(Some(3)), ..Default::default() })
        .await
        .unwrap();
    control.cancel(&id).await.unwrap();
    control.retry(&id).await.unwrap();
    control.remove(&id, false).await.unwrap();
    control.remove(&id, false).await.unwrap_err();
    control.drain(&name, false).await.unwrap();
    control.purge(&name, State::Completed, Duration::ZERO, 10).await.unwrap();
    control.purge(&name, State::Failed, Duration::ZERO, 10).await.unwrap();
    let failed = JobFilter { queue: Some(name.clone()), ..JobFilter::default() };
    control.retry_all(failed, 10).await.unwrap();
    control.set_kind(&"task".parse().unwrap(), Vec::new()).await.unwrap();
    control.reset_breaker(&"task".parse().unwrap()).await.unwrap();
    control.free_unique(&name, "k").await.unwrap();
    control.obliterate(&name, false).await.unwrap();
    let rule = Rule::Every { every: longshore_core::DurationText(HOUR), start_now: false };
    let beat = Schedule::new("beat".parse().unwrap(), rule, "task".parse().unwrap());
    for _ in 0..2 {
        ops.schedules().put(beat.clone()).await.unwrap();
    }
    ops.schedules().pause(&beat.name).await.unwrap();
    ops.schedules().resume(&beat.name).await.unwrap();
    ops.schedules().run_now(&beat.name).await.unwrap();
    ops.schedules().remove(&beat.name).await.unwrap();
    let new = NewKey { owner: "ann".to_owned(), scopes: vec![Scope::Read], expires_in: None };
    let (key, text) = ops.keys().create(&new).await.unwrap();
    ops.keys().revoke(&key.id).await.unwrap();

    let mut told = entries(&room, AuditFilter::default()).await;
    told.reverse();
    let actions: Vec<(&str, &str)> =
        told.iter().map(|entry| (entry.action.as_str(), entry.target.as_str())).collect();
    let job = id.to_string();
    let expected = [
        ("queue.pause", "default"),
        ("queue.resume", "default"),
        ("queue.change", "default"),
        ("job.cancel", &*job),
        ("job.retry", &*job),
        ("job.remove", &*job),
        ("job.remove", &*job),
        ("queue.drain", "default"),
        ("queue.purge", "default"),
        ("dlq.remove", "default"),
        ("dlq.retry", "default"),
        ("kind.change", "task"),
        ("breaker.reset", "task"),
        ("unique.free", "k"),
        ("queue.obliterate", "default"),
        ("schedule.create", "beat"),
        ("schedule.change", "beat"),
        ("schedule.pause", "beat"),
        ("schedule.resume", "beat"),
        ("schedule.run", "beat"),
        ("schedule.remove", "beat"),
        ("key.create", "ann"),
        ("key.revoke", &*key.id),
    ];
    assert_eq!(actions, expected);
    assert!(told.iter().all(|entry| entry.actor.as_deref() == Some("ops") && entry.source == Source::Api));
    let failed: Vec<&AuditEntry> = told.iter().filter(|entry| entry.outcome == "refused").collect();
    let nobody_held_it = &failed[1].details["held_by"];
    assert_eq!(failed[0].details, json!({ "error": format!("there is no job {id}") }));
    assert_eq!((failed.len(), nobody_held_it), (2, &Value::Null));
    assert_eq!(told[3].details, json!({ "queue": "default", "kind": "task", "owner": null }));
    let secret = text.rsplit('_').next().unwrap();
    assert!(told.iter().all(|entry| !entry.details.to_string().contains(secret)));
}

#[tokio::test]
async fn entries_are_found_by_what_they_say() {
    let room = Room::new();
    for name in ["mail", "pdf", "mail"] {
        room.control.pause(&queue(name)).await.unwrap();
    }
    room.engine.on_behalf_of(Caller::operator("ann").unwrap()).control().resume(&queue("pdf")).await.unwrap();
    let unknown = room.client.new_id();
    room.control.cancel(&unknown).await.unwrap_err();
    let count = async |filter: AuditFilter| entries(&room, filter).await.len();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(AuditFilter { action: text("queue.pause"), ..AuditFilter::default() }).await, 3);
    assert_eq!(count(AuditFilter { action: text("queue.*"), ..AuditFilter::default() }).await, 4);
    assert_eq!(count(AuditFilter { outcome: text("refused"), ..AuditFilter::default() }).await, 1);
    assert_eq!(count(AuditFilter { queue: Some(queue("pdf")), ..AuditFilter::default() }).await, 2);
    assert_eq!(count(AuditFilter { text: text("ann"), ..AuditFilter::default() }).await, 1);
    let newest = room.control.audit(&AuditFilter::default(), 1).await.unwrap();
    assert_eq!((newest.len(), newest[0].action.as_str()), (1, "job.cancel"));
    let refused = room.control.audit(&AuditFilter::default(), 501).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid(error) if error.field == "limit"));
}
