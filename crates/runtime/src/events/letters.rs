//! Letters: the events of a node on their way to the others, through a log of the store.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use longshore_core::{Event, Store, Wake};
use serde::{Deserialize, Serialize};

use super::{Hub, Inner, lock};

/// How often events are sent to other nodes at most, and how many at once.
const FLUSH_EVERY: Duration = Duration::from_millis(20);
const FLUSH_MAX: usize = 256;
/// Events that may wait to be sent: a burst of so many reaches the others within a second.
pub(super) const OUTGOING_MAX: usize = 10_000;
/// Letters of other nodes are looked for so often without a ring.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Letters between nodes that the store keeps.
const LETTERS_KEPT: usize = 1_000;

/// Events of one node on their way to the others.
#[derive(Serialize, Deserialize)]
struct Letter {
    node: u64,
    dropped: u64,
    events: Vec<Event>,
}

pub(super) async fn send(inner: Weak<Inner>, store: Arc<dyn Store>) {
    loop {
        let Some(hub) = inner.upgrade() else { return };
        hub.posted.notified().await;
        // What gathers meanwhile goes into one letter.
        hub.door.clock.sleep(FLUSH_EVERY).await;
        let letter = {
            let mut out = lock(&hub.out);
            let events = out.letter.len().min(FLUSH_MAX);
            let letter = Letter {
                node: hub.node,
                dropped: std::mem::take(&mut out.letter_dropped),
                events: out.letter.drain(..events).collect(),
            };
            if !out.letter.is_empty() {
                hub.posted.notify_one();
            }
            letter
        };
        // A node that comes later begins with the record, not with what was told before.
        if (!letter.events.is_empty() || letter.dropped > 0) && !store.is_alone() {
            let bytes = serde_json::to_vec(&letter).unwrap_or_default();
            if let Err(error) = store.log_append(Hub::LOG, vec![Bytes::from(bytes)], LETTERS_KEPT).await {
                tracing::debug!(%error, "events did not reach the other nodes");
                // The next letter tells of the gap.
                lock(&hub.out).letter_dropped += letter.dropped + letter.events.len() as u64;
            }
        }
        hub.sent.fetch_add(letter.events.len() as u64, Ordering::SeqCst);
    }
}

pub(super) async fn read(inner: Weak<Inner>, store: Arc<dyn Store>) {
    let mut wakes = store.wakeups();
    let Some(clock) = inner.upgrade().map(|hub| hub.door.clock.clone()) else { return };
    let mut position = loop {
        match store.log_end(Hub::LOG).await {
            Ok(position) => break position,
            Err(_) => clock.sleep(LOOK_EVERY).await,
        }
    };
    loop {
        tokio::select! {
            wake = wakes.next() => match wake {
                None => return,
                Some(Wake::Missed) => {}
                Some(Wake::Log(log)) if log == Hub::LOG => {}
                Some(_) => continue,
            },
            // A ring may be lost on its way between processes.
            () = clock.sleep(LOOK_EVERY) => {}
        }
        let Some(hub) = inner.upgrade() else { return };
        while let Ok(entries) = store.log_read(Hub::LOG, position, 100).await {
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else { break };
            if first.position > position + 1 {
                hub.hand_out(Vec::new(), first.position - position - 1, false);
            }
            position = last.position;
            for letter in
                entries.iter().filter_map(|entry| serde_json::from_slice::<Letter>(&entry.value).ok())
            {
                if letter.node != hub.node {
                    hub.hand_out(letter.events, letter.dropped, false);
                }
            }
        }
    }
}
