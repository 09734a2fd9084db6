//! What is configured of single queues, for all nodes: rate, scan interval, retention.

use longshore_core::{DurationText, Expect, QueueChange, QueueName, Rate, Retention, RetentionChange, Store};
use longshore_runtime::Engine;
use serde::{Deserialize, Serialize};

use crate::config::{QueueSettings, Settings};

/// What was configured of a queue when it was set last, to tell it from what operators set since.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Applied {
    rate: Option<(u32, DurationText, Option<u32>)>,
    scan_interval: Option<DurationText>,
    retention: Option<Retention>,
}

impl Applied {
    fn of(queue: &QueueSettings, usual: Retention) -> Self {
        let rate = |rate: Rate| (rate.rate, DurationText(rate.interval), rate.burst);
        Self {
            rate: queue.shared_rate().map(rate),
            scan_interval: queue.scan_interval.map(DurationText),
            retention: queue.retention(usual),
        }
    }

    /// What has to be set after `before`; what is not configured any more is taken off.
    fn change(&self, before: &Self, usual: Retention) -> QueueChange {
        let rate = |(rate, interval, burst): (u32, DurationText, Option<u32>)| Rate {
            rate,
            interval: interval.0,
            burst,
        };
        QueueChange {
            rate: (self.rate != before.rate).then_some(self.rate.map(rate)),
            scan_interval: (self.scan_interval != before.scan_interval).then_some(self.scan_interval),
            retention: match self.retention {
                _ if self.retention == before.retention => RetentionChange::default(),
                own => own.unwrap_or(usual).into(),
            },
            ..QueueChange::default()
        }
    }
}

/// Sets it, where the configuration is another one than the last time; what operators have set since then stays.
pub(crate) async fn apply(store: &dyn Store, engine: &Engine, settings: &Settings) -> anyhow::Result<()> {
    for (name, queue) in &settings.queues {
        let now = engine.door().clock.now();
        let key = document(name);
        let before = store.doc_get(&key, now).await?;
        let before: Applied =
            before.and_then(|doc| serde_json::from_slice(&doc.value).ok()).unwrap_or_default();
        let wanted = Applied::of(queue, settings.retention);
        if wanted != before {
            engine.control().set_queue(name, wanted.change(&before, settings.retention)).await?;
            store.doc_put(&key, serde_json::to_vec(&wanted)?.into(), Expect::Anything, None, now).await?;
        }
    }
    Ok(())
}

fn document(name: &QueueName) -> String {
    format!("config/queue/{name}")
}
