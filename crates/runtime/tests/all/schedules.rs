use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use longshore_clock::{Door, Timestamp};
use longshore_core::{
    DurationText, EventName, JobFilter, Json, KindName, Page, Records, ScheduleName, State,
};
use longshore_cron::Cron;
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{
    Args, Keeper, KeeperConfig, Outcome, Overlap, Rule, Schedule, ScheduleError, ScheduleRecord, Stop,
};

use crate::support::{HOUR, Room, Task, file, hear, millis, soon};

fn every(name: &str, interval: Duration) -> Schedule {
    let rule = Rule::Every { every: DurationText(interval), start_now: false };
    let args = Json::parse("{\"number\": 7}").unwrap();
    Schedule { args, ..Schedule::new(ScheduleName::new(name).unwrap(), rule, KindName::new("task").unwrap()) }
}

fn cron(name: &str, text: &str) -> Schedule {
    let rule = Rule::Cron { cron: Cron::parse(text).unwrap() };
    Schedule { rule, ..every(name, Duration::from_secs(1)) }
}

fn kit() -> TestKit {
    let (door, manual) = TestKit::door();
    let mut kit = TestKit::on(Arc::new(MemoryStore::new(&door)), door, manual);
    kit.register(async |_: Args<Task>| Ok::<_, Outcome>(()));
    kit
}

/// The nominal times of the jobs that a schedule made, in the order of the clock.
async fn times(room: &longshore_runtime::Control) -> Vec<Timestamp> {
    let page = Page { after: None, limit: 1_000 };
    let jobs = room.list(JobFilter::default(), page).await.unwrap().jobs;
    let mut times: Vec<Timestamp> = jobs.iter().filter_map(|job| job.spec.options.nominal_at).collect();
    times.sort();
    times
}

#[tokio::test]
async fn a_schedule_makes_a_job_for_each_of_its_times() {
    let kit = kit();
    let added = kit.schedules().put(every("minutely", Duration::from_secs(60))).await.unwrap();
    kit.advance(Duration::from_secs(59)).await.unwrap();
    assert!(times(&kit.control()).await.is_empty());
    for seconds in [2, 60, 61] {
        kit.advance(Duration::from_secs(seconds)).await.unwrap();
        kit.drain("default").await.unwrap();
    }
    let first = added.standing.next_at.unwrap();
    let minute = Duration::from_secs(60);
    assert_eq!(times(&kit.control()).await, [first, first + minute, first + minute * 2]);
    let record = kit.schedules().get(&added.schedule.name).await.unwrap();
    assert_eq!((record.standing.fires, record.standing.next_at), (3, Some(first + minute * 3)));
    let job = kit.control().job(&record.standing.last_job_id.unwrap()).await.unwrap();
    assert_eq!(job.spec.options.schedule, Some(added.schedule.name));
}

#[tokio::test]
async fn a_changed_schedule_is_the_same_one_and_a_changed_rule_begins_anew() {
    let kit = kit();
    let schedules = kit.schedules();
    let one = schedules.put(every("s", Duration::from_secs(60))).await.unwrap();
    kit.advance(Duration::from_secs(30)).await.unwrap();
    let same_rule = Schedule { args: Json::parse("{\"number\": 1}").unwrap(), ..one.schedule.clone() };
    let two = schedules.put(same_rule).await.unwrap();
    assert_eq!(two.standing.next_at, one.standing.next_at);
    let three = schedules.put(every("s", Duration::from_secs(600))).await.unwrap();
    assert_eq!(three.standing.next_at, Some(kit.now() + Duration::from_secs(600)));
    assert_eq!(schedules.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_paused_schedule_makes_nothing_and_goes_on_from_the_resume() {
    let kit = kit();
    let schedules = kit.schedules();
    let name = schedules.put(cron("hourly", "@hourly")).await.unwrap().schedule.name;
    assert!(schedules.pause(&name).await.unwrap().standing.paused);
    kit.advance(Duration::from_secs(3 * 3_600 + 60)).await.unwrap();
    assert!(times(&kit.control()).await.is_empty());
    let resumed = schedules.resume(&name).await.unwrap();
    assert_eq!(resumed.standing.next_at, Some(kit.now() + Duration::from_secs(3_540)));
    kit.advance(Duration::from_secs(3_540)).await.unwrap();
    assert_eq!(times(&kit.control()).await.len(), 1);
    schedules.remove(&name).await.unwrap();
    for unknown in [schedules.pause(&name).await.err(), schedules.remove(&name).await.err()] {
        assert!(matches!(unknown, Some(ScheduleError::Unknown(_))), "{unknown:?}");
    }
    kit.advance(Duration::from_secs(7_200)).await.unwrap();
    assert_eq!(times(&kit.control()).await.len(), 1, "a removed schedule makes nothing");
}

#[tokio::test]
async fn run_now_makes_a_job_and_changes_nothing_else() {
    let kit = kit();
    let schedules = kit.schedules();
    let before = schedules.put(every("s", Duration::from_secs(60))).await.unwrap();
    let receipt = schedules.run_now(&before.schedule.name).await.unwrap();
    assert_eq!(receipt.state, State::Ready);
    assert_eq!(schedules.get(&before.schedule.name).await.unwrap(), before);
}

#[tokio::test]
async fn with_overlap_queue_one_job_waits_for_the_one_before() {
    let kit = kit();
    let schedule = Schedule { overlap: Overlap::Queue, ..every("s", Duration::from_secs(60)) };
    kit.schedules().put(schedule).await.unwrap();
    for _ in 0..3 {
        kit.advance(Duration::from_secs(60)).await.unwrap();
    }
    let counts = kit.control().queues().await.unwrap()[0].counts;
    assert_eq!((counts.get(State::Ready), counts.get(State::Blocked)), (1, 1));
    kit.run_one("default").await.unwrap();
    kit.advance(millis(1)).await.unwrap();
    let counts = kit.control().queues().await.unwrap()[0].counts;
    assert_eq!(
        (counts.get(State::Ready), counts.get(State::Blocked)),
        (1, 0),
        "the next one runs once that has ended"
    );
}

#[tokio::test]
async fn schedules_that_cannot_be_are_refused() {
    let kit = kit();
    let end = Timestamp::from_millis(1);
    let refused = [
        (every("s", Duration::ZERO), "every"),
        (cron("s", "0 0 30 2 *"), "cron"),
        (Schedule { start_at: Some(end), end_at: Some(end), ..every("s", millis(100)) }, "end_at"),
        (Schedule { max_fires: Some(0), ..every("s", millis(100)) }, "max_fires"),
    ];
    for (schedule, field) in refused {
        let Err(ScheduleError::Store(error)) = kit.schedules().put(schedule).await else { panic!("{field}") };
        assert!(error.to_string().starts_with(field), "{error}");
    }
    assert!(kit.schedules().list().await.unwrap().is_empty());
}

fn keep(room: &Room) -> (Stop, tokio::task::JoinHandle<()>) {
    let stop = Stop::new();
    let keeper = Keeper::new(room.engine.clone(), KeeperConfig::default());
    (stop.clone(), tokio::spawn(keeper.run(stop)))
}

#[tokio::test]
async fn many_keepers_make_one_job_for_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let nodes: Vec<Room> = (0..3)
        .map(|_| {
            let door = Door::system();
            Room::on(file(&dir, &door), door)
        })
        .collect();
    let keepers: Vec<_> = nodes.iter().map(keep).collect();
    let schedule = Schedule { overlap: Overlap::Parallel, max_fires: Some(20), ..every("fast", millis(50)) };
    let schedules = nodes[0].engine.schedules();
    let ScheduleRecord { schedule, standing } = schedules.put(schedule).await.unwrap();
    let all = async {
        while schedules.get(&schedule.name).await.unwrap().standing.next_at.is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon(all).await;
    let times = times(&nodes[1].control).await;
    let first = standing.next_at.unwrap();
    let expected: Vec<Timestamp> = (0..20).map(|number| first + millis(50) * number).collect();
    assert_eq!(times, expected, "each time once, and no drift");
    assert_eq!(times.iter().collect::<BTreeSet<_>>().len(), 20);
    for (stop, keeper) in keepers {
        stop.drain();
        soon(keeper).await.unwrap();
    }
}

#[tokio::test]
async fn a_fired_schedule_is_told_of() {
    let room = Room::new();
    let mut events = room.engine.hub().subscribe();
    let (stop, keeper) = keep(&room);
    let rule = Rule::Every { every: DurationText(Duration::from_secs(3_600)), start_now: true };
    room.engine.schedules().put(Schedule { rule, ..every("now", millis(100)) }).await.unwrap();
    let told = hear(&mut events, EventName::ScheduleFired).await.event;
    assert_eq!(told.schedule.as_deref(), Some("now"));
    assert_eq!(hear(&mut events, EventName::Added).await.event.id, told.id);
    stop.drain();
    soon(keeper).await.unwrap();
}

#[tokio::test]
async fn a_repeated_job_is_one_schedule_for_each_rule_and_args() {
    let room = Room::new();
    let schedules = room.engine.schedules();
    let minutely = || Rule::cron("*/1 * * * *").unwrap();
    let first = schedules.add_repeatable(minutely(), &Task { number: 1 }).await.unwrap();
    assert_eq!((first.schedule.kind.as_str(), first.schedule.args.as_str()), ("task", "{\"number\":1}"));
    let again = schedules.add_repeatable(minutely(), &Task { number: 1 }).await.unwrap();
    assert_eq!(
        (&again.schedule.name, again.standing.next_at),
        (&first.schedule.name, first.standing.next_at)
    );
    schedules.add_repeatable(minutely(), &Task { number: 2 }).await.unwrap();
    schedules.add_repeatable(Rule::every(Duration::from_secs(60)), &Task { number: 1 }).await.unwrap();
    assert_eq!(schedules.list().await.unwrap().len(), 3);
    assert_eq!(Rule::cron("61 * * * *").unwrap_err().code, "invalid_cron");
}

#[tokio::test]
async fn a_schedule_that_would_never_make_a_job_is_refused_and_one_far_from_its_window_is_not() {
    let kit = kit();
    let now = kit.schedules().put(every("now", Duration::from_secs(60))).await.unwrap().standing.created_at;
    let window = |from: &str, to: &str| vec![format!("{from}-{to}").parse().unwrap()];
    let year = Duration::from_secs(366 * 86_400);
    for (schedule, field) in [
        (Schedule { end_at: Some(now), ..every("past", Duration::from_secs(60)) }, "end_at"),
        (
            Schedule {
                end_at: Some(now + Duration::from_secs(59)),
                ..every("long", Duration::from_secs(60))
            },
            "every",
        ),
        (Schedule { end_at: Some(now + year), ..cron("leap", "0 0 29 2 *") }, "cron"),
        (Schedule { time_ranges: window("09:00", "17:00"), ..cron("night", "0 3 * * *") }, "cron"),
        (
            Schedule {
                time_ranges: window("09:00", "09:59"),
                start_at: Some(now),
                ..every("noon", Duration::from_secs(86_400))
            },
            "every",
        ),
    ] {
        let name = schedule.name.clone();
        match kit.schedules().put(schedule).await {
            Err(ScheduleError::Store(longshore_core::StoreError::Invalid(error))) => {
                assert_eq!((error.field.as_str(), error.code), (field, "never_fires"), "{name}: {error}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(kit.schedules().get(&name).await.is_err(), "nothing is stored");
    }
    // The clock of the kit stands at midnight; many millions of steps lie between now and the window.
    let far = Schedule { time_ranges: window("23:58", "23:59"), ..every("far", millis(10)) };
    let next = kit.schedules().put(far).await.unwrap().standing.next_at.unwrap();
    assert_eq!(next.since(now).as_secs(), 23 * 3_600 + 58 * 60, "{next}");
    // A new rule that is never due does not take the place of one that is.
    let night = Schedule { time_ranges: window("09:00", "17:00"), ..cron("now", "0 3 * * *") };
    assert!(kit.schedules().put(night).await.is_err());
    assert!(
        kit.schedules().get(&ScheduleName::new("now").unwrap()).await.unwrap().standing.next_at.is_some()
    );
    // What was there may come to its end.
    let over = Schedule { end_at: Some(now), ..every("now", Duration::from_secs(60)) };
    assert_eq!(kit.schedules().put(over).await.unwrap().standing.next_at, None);
}

#[tokio::test]
async fn a_stored_schedule_that_cannot_be_read_is_shown_paused_and_the_others_fire() {
    let (door, manual) = TestKit::door();
    let store = Arc::new(MemoryStore::new(&door));
    let mut kit = TestKit::on(store.clone(), door, manual);
    kit.register(async |_: Args<Task>| Ok::<_, Outcome>(()));
    let good = kit.schedules().put(every("good", Duration::from_secs(60))).await.unwrap();
    let bad = ScheduleName::new("bad").unwrap();
    let text = bytes::Bytes::from_static(b"{\"schedule\":{\"rule\":{\"every\":\"soon\"}}}");
    store.doc_put("schedule/bad", text, longshore_core::Expect::Absent, None, kit.now()).await.unwrap();
    kit.advance(Duration::from_secs(61)).await.unwrap();
    assert_eq!(times(&kit.control()).await, [good.standing.next_at.unwrap()]);
    let shown = kit.schedules().list().await.unwrap();
    let shown = shown.iter().find(|record| record.schedule.name == bad).unwrap();
    assert!(shown.standing.paused);
    assert!(shown.standing.reason.as_ref().unwrap().starts_with("this version cannot read it"), "{shown:?}");
    let refused = kit.schedules().resume(&bad).await.unwrap_err().to_string();
    assert!(refused.contains("put it anew, or remove it"), "{refused}");
    kit.schedules().put(every("bad", Duration::from_secs(30))).await.unwrap();
    assert!(!kit.schedules().get(&bad).await.unwrap().standing.paused);
}

#[tokio::test]
async fn a_hundred_times_of_an_interval_lie_exactly_as_far_apart() {
    let kit = kit();
    let schedule = Schedule { overlap: Overlap::Parallel, ..every("beat", Duration::from_secs(1)) };
    let first = kit.schedules().put(schedule).await.unwrap().standing.next_at.unwrap();
    let mut uneven = [1_300, 700, 1_000, 950, 1_050].into_iter().cycle();
    while times(&kit.control()).await.len() < 100 {
        kit.advance(millis(uneven.next().unwrap())).await.unwrap();
    }
    let exact: Vec<_> = (0..100).map(|number| first + Duration::from_secs(number)).collect();
    assert_eq!(times(&kit.control()).await[..100], exact);
}

#[tokio::test]
async fn a_daily_schedule_goes_over_both_changes_of_the_clocks() {
    let kit = kit();
    let zone: longshore_cron::Zone = "Europe/Berlin".parse().unwrap();
    let schedule = Schedule { timezone: zone, overlap: Overlap::Parallel, ..cron("night", "30 2 * * *") };
    kit.schedules().put(schedule).await.unwrap();
    let day = Duration::from_secs(86_400);
    for _ in 0..366 {
        kit.advance(day).await.unwrap();
    }
    let made: Vec<String> = times(&kit.control()).await.iter().map(ToString::to_string).collect();
    // 02:30 is skipped by the clocks on 29 March and told right after the gap; on 25 October it is the first of two.
    for time in [
        "2026-03-28T01:30:00.000Z",
        "2026-03-29T01:00:00.000Z",
        "2026-03-30T00:30:00.000Z",
        "2026-10-24T00:30:00.000Z",
        "2026-10-25T00:30:00.000Z",
        "2026-10-26T01:30:00.000Z",
    ] {
        assert!(made.contains(&time.to_owned()), "{time} in {made:?}");
    }
    assert_eq!(
        made.iter().filter(|time| time.starts_with("2026-10-25") || time.starts_with("2026-03-29")).count(),
        2
    );
    let page = Page { after: None, limit: 1 };
    let job = &kit.control().list(JobFilter::default(), page).await.unwrap().jobs[0];
    assert_eq!(job.spec.options.schedule.as_ref().unwrap().as_str(), "night");
}

#[tokio::test]
async fn a_time_whose_job_another_one_stood_in_the_way_of_made_none() {
    let kit = kit();
    let client = kit.client();
    let held = client.enqueue(Task { number: 1 }).unique("held").after(HOUR).await.unwrap().id;
    let mut schedule = every("us", Duration::from_secs(1));
    schedule.options.unique = Some(longshore_core::Unique::new("held"));
    schedule.max_fires = Some(2);
    kit.schedules().put(schedule).await.unwrap();
    for _ in 0..4 {
        kit.advance(Duration::from_secs(1)).await.unwrap();
    }
    let name = ScheduleName::new("us").unwrap();
    let standing = kit.schedules().get(&name).await.unwrap().standing;
    assert_eq!((standing.fires, standing.last_job_id.as_ref()), (0, Some(&held)), "{standing:?}");
    assert!(standing.skipped >= 2 && standing.next_at.is_some(), "{standing:?}");
    kit.control().cancel(&held).await.unwrap();
    kit.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(kit.schedules().get(&name).await.unwrap().standing.fires, 1);
}

#[tokio::test]
async fn a_new_schedule_costs_no_look_at_all_others() {
    let (door, _) = TestKit::door();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    for number in 0..50 {
        room.engine.schedules().put(every(&format!("s{number}"), HOUR)).await.unwrap();
    }
    assert_eq!(spy.calls().get("doc_list"), Some(&1), "{:?}", spy.calls());
}

#[tokio::test]
async fn a_schedule_that_had_come_to_its_end_goes_on_when_the_end_is_moved() {
    let kit = kit();
    let minute = Duration::from_secs(60);
    let end = kit.now() + minute * 3 / 2;
    let first = Schedule { max_fires: Some(1), ..every("s", minute) };
    kit.schedules().put(first.clone()).await.unwrap();
    for (change, fires) in [
        (Schedule { max_fires: Some(1), ..first.clone() }, 1),
        (Schedule { max_fires: Some(2), ..first.clone() }, 2),
        (Schedule { max_fires: None, ..first.clone() }, 4),
        (Schedule { max_fires: None, end_at: Some(end), ..first.clone() }, 4),
        (Schedule { max_fires: None, end_at: Some(end + HOUR), ..first }, 6),
    ] {
        let record = kit.schedules().put(change).await.unwrap();
        for _ in 0..2 {
            kit.advance(minute).await.unwrap();
            kit.drain("default").await.unwrap();
        }
        let standing = kit.schedules().get(&record.schedule.name).await.unwrap().standing;
        assert_eq!(standing.fires, fires, "{record:?}");
    }
}

#[tokio::test]
async fn an_interval_counts_from_a_start_that_is_long_ago() {
    let kit = kit();
    let start = kit.now() - Duration::from_secs(90);
    let schedule = Schedule { start_at: Some(start), ..every("hourly", HOUR) };
    let next = kit.schedules().put(schedule).await.unwrap().standing.next_at.unwrap();
    assert_eq!(next, start + HOUR);
}

#[tokio::test]
async fn a_schedule_whose_jobs_would_be_refused_is_refused_itself() {
    let kit = kit();
    let limit = longshore_core::Limit {
        key: Some("args.tenant".to_owned()),
        concurrency: Some(1),
        ..longshore_core::Limit::default()
    };
    let change = longshore_core::QueueChange { limits: Some(vec![limit]), ..Default::default() };
    kit.control().set_queue(&longshore_core::QueueName::default(), change).await.unwrap();
    let refused = kit.schedules().put(every("keyless", HOUR)).await.unwrap_err().to_string();
    assert!(refused.contains("args.tenant"), "{refused}");
    let mut foreign =
        Schedule { args: Json::parse("{\"number\":1,\"tenant\":\"a\"}").unwrap(), ..every("foreign", HOUR) };
    foreign.options.unique = Some(longshore_core::Unique::new("@ann/key"));
    let refused = kit.schedules().put(foreign).await.unwrap_err().to_string();
    assert!(refused.starts_with("unique.key: expected a key that does not begin with @"), "{refused}");
    assert!(kit.schedules().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_repeated_jobs_of_a_kind_both_fire_with_their_own_args() {
    let kit = kit();
    for number in [1, 2] {
        kit.schedules().add_repeatable(Rule::every(Duration::from_secs(60)), &Task { number }).await.unwrap();
    }
    kit.advance(Duration::from_secs(61)).await.unwrap();
    let mut numbers: Vec<u32> =
        kit.enqueued::<Task>().await.unwrap().iter().map(|task| task.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn a_job_that_ended_a_moment_ago_is_not_purged_for_being_old() {
    let kit = kit();
    kit.client().enqueue(Task { number: 1 }).await.unwrap();
    kit.advance(2 * HOUR).await.unwrap();
    kit.drain("default").await.unwrap();
    let purge = async || {
        let queue = longshore_core::QueueName::default();
        kit.control().purge(&queue, State::Completed, HOUR, usize::MAX).await.unwrap().changed
    };
    assert_eq!(purge().await, 0, "it was made two hours ago, and ended now");
    kit.advance(HOUR + millis(1)).await.unwrap();
    assert_eq!(purge().await, 1);
}
