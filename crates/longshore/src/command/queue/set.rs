use std::time::Duration;

use clap::Args;
use longshore_core::{DurationText, Limit, QueueChange, QueueName, Rate, RetentionChange, parse_duration};
use serde_json::Value;

use crate::command::whole;
use crate::context::Context;
use crate::exit::Usage;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The queue; it is made if it is not there
    queue: QueueName,
    /// Jobs that run at once over all nodes, or none for no limit
    #[arg(long, value_name = "N", value_parser = parse_count)]
    concurrency: Option<Wish<u32>>,
    /// Starts per interval over all nodes, or none for no limit; 0 lets nothing start
    #[arg(long, value_name = "N", value_parser = parse_count)]
    rate_limit: Option<Wish<u32>>,
    /// The interval of the rate; a second if not given
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "rate_limit")]
    rate_interval: Option<Duration>,
    /// Starts at once out of a full bucket; as many as the rate if not given
    #[arg(long, value_name = "N", value_parser = whole::<u32>, requires = "rate_limit")]
    rate_burst: Option<u32>,
    /// All limits as JSON, also those by a key: [{"key": "args.tenant", "concurrency": 2}]
    #[arg(long, value_name = "JSON", conflicts_with_all = ["concurrency", "rate_limit"])]
    limits: Option<String>,
    /// Each time a job has waited so long, it counts one priority lower; or none
    #[arg(long, value_name = "DURATION", value_parser = parse_wait)]
    ageing: Option<Wish<Duration>>,
    /// Longest time between two looks for work that nobody rang for; or none
    #[arg(long, value_name = "DURATION", value_parser = parse_wait)]
    scan_interval: Option<Wish<Duration>>,
    /// How long completed jobs stay, counted from their end, for those that end from now on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retention_completed: Option<Duration>,
    /// How long failed jobs stay
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retention_failed: Option<Duration>,
    /// How long cancelled jobs stay
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retention_cancelled: Option<Duration>,
    /// How many completed, failed and cancelled jobs stay at most, of each; of more, the oldest go
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    retention_most: Option<u64>,
    /// Print the queue as one JSON object
    #[arg(long)]
    json: bool,
}

/// A value, or the wish that there is none.
#[derive(Clone, Copy, Debug)]
struct Wish<T>(Option<T>);

fn parse_count(text: &str) -> Result<Wish<u32>, String> {
    if text == "none" {
        return Ok(Wish(None));
    }
    text.parse().map(|count| Wish(Some(count))).map_err(|_| "expected a whole number, or none".to_owned())
}

fn parse_wait(text: &str) -> Result<Wish<Duration>, String> {
    if text == "none" {
        return Ok(Wish(None));
    }
    parse_duration(text).map(|wait| Wish(Some(wait))).map_err(|error| error.to_string())
}

impl Set {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let change = self.change()?;
        let info = context.operator_of_any()?.set_queue(&self.queue, change, &self.body()?).await?;
        if self.json {
            return out::json(&info);
        }
        out::line(info.name.to_string());
        super::info::print_settings(&info);
        Ok(())
    }

    /// What is given, as HTTP takes it.
    fn body(&self) -> anyhow::Result<Value> {
        let mut body = serde_json::Map::new();
        let mut give = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let time = |time: Duration| serde_json::to_value(DurationText(time)).unwrap_or_default();
        give("concurrency", self.concurrency.map(|wish| wish.0.into()));
        give("rate_limit", self.rate_limit.map(|wish| wish.0.into()));
        give("rate_interval", self.rate_interval.map(time));
        give("rate_burst", self.rate_burst.map(Into::into));
        give("limits", self.limits.as_deref().map(serde_json::from_str).transpose()?);
        give("ageing", self.ageing.map(|wish| wish.0.map(time).into()));
        give("scan_interval", self.scan_interval.map(|wish| wish.0.map(time).into()));
        let retention = [
            ("completed", self.retention_completed.map(time)),
            ("failed", self.retention_failed.map(time)),
            ("cancelled", self.retention_cancelled.map(time)),
            ("most", self.retention_most.map(Into::into)),
        ];
        let retention: serde_json::Map<_, _> =
            retention.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        give("retention", (!retention.is_empty()).then_some(retention.into()));
        Ok(body.into())
    }

    fn change(&self) -> anyhow::Result<QueueChange> {
        let (interval, burst) = (self.rate_interval.unwrap_or(Duration::from_secs(1)), self.rate_burst);
        let limits = self.limits.as_deref().map(read_limits).transpose()?;
        let text = |wish: Wish<Duration>| wish.0.map(DurationText);
        let change = QueueChange {
            limits,
            concurrency: self.concurrency.map(|wish| wish.0),
            rate: self.rate_limit.map(|wish| wish.0.map(|rate| Rate { rate, interval, burst })),
            ageing: self.ageing.map(text),
            scan_interval: self.scan_interval.map(text),
            retention: RetentionChange {
                completed: self.retention_completed.map(DurationText),
                failed: self.retention_failed.map(DurationText),
                cancelled: self.retention_cancelled.map(DurationText),
                most: self.retention_most,
            },
            ..QueueChange::default()
        };
        change.check()?;
        if change == QueueChange::default() {
            return Err(Usage("expected something to set, such as --concurrency 5".to_owned()).into());
        }
        Ok(change)
    }
}

/// Reads limits as JSON.
pub(crate) fn read_limits(text: &str) -> anyhow::Result<Vec<Limit>> {
    let limits: Vec<Limit> = serde_json::from_str(text)
        .map_err(|error| Usage(format!("--limits: expected a JSON list of limits, got {error}")))?;
    Limit::check_all(&limits)?;
    Ok(limits)
}
