//! What only shows while the numbering of events is held up.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Event, EventName, JobId};
use longshore_memory::MemoryStore;

use super::{Hub, PENDING_MAX, Subscription, lock};

async fn next(events: &mut Subscription) -> EventName {
    let told = tokio::time::timeout(Duration::from_secs(30), events.next()).await.expect("nothing is heard");
    told.expect("the hub is there").event.event
}

#[tokio::test]
async fn a_flood_ends_in_a_gap_and_not_in_memory() {
    let door = Door::system();
    let hub = Hub::start(Arc::new(MemoryStore::new(&door)), door.clone());
    let mut events = hub.subscribe();
    let mut watcher = hub.watch(&JobId::from_u128(1));
    let tell = || hub.tell(Event::new(EventName::Added, door.clock.now()));
    // The thread can take what is told at first, and not hand it out.
    let held = lock(&hub.0.out);
    let told = 3 * PENDING_MAX;
    for _ in 0..told {
        tell();
    }
    assert!(lock(&hub.0.pending).len() <= PENDING_MAX);
    drop(held);
    let lost = usize::try_from(hub.lost()).unwrap();
    assert!((PENDING_MAX..=2 * PENDING_MAX).contains(&lost), "{lost} of {told} are lost");
    let (mut heard, mut gaps) = (0, 0);
    while heard < told - lost || gaps == 0 {
        match next(&mut events).await {
            EventName::Gap => gaps += 1,
            _ => heard += 1,
        }
    }
    assert_eq!(next(&mut watcher).await, EventName::Gap, "its job may be among them");
    tell();
    while next(&mut events).await == EventName::Gap {}
    hub.close();
}
