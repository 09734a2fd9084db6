use anyhow::bail;
use clap::Args;
use longshore_clock::Door;
use longshore_cron::{Cron, Zone};

use crate::out;

/// Times that are printed at most.
const COUNT_MAX: usize = 1_000;

#[derive(Args, Debug)]
pub(crate) struct Next {
    /// The expression: five fields, or six with leading seconds
    expression: Cron,
    /// How many times, at most 1000
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = parse_count)]
    count: usize,
    /// The IANA zone, such as Europe/Paris
    #[arg(long, default_value = "UTC")]
    timezone: Zone,
    /// Count from this time instead of now
    #[arg(long, value_name = "TIME")]
    from: Option<longshore_core::Timestamp>,
    /// Not after this time
    #[arg(long, value_name = "TIME")]
    until: Option<longshore_core::Timestamp>,
    /// Print one JSON object: {cron, timezone, times: [{at, adjusted}]}
    #[arg(long)]
    json: bool,
}

fn parse_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
    count.ok_or_else(|| format!("expected a whole number from 1 to {COUNT_MAX}"))
}

impl Next {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let from = self.from.unwrap_or_else(|| Door::system().clock.now());
        let until = self.until.unwrap_or(longshore_core::Timestamp::MAX);
        let times = self.expression.after(&self.timezone, from).take_while(|time| time.at <= until);
        let times: Vec<_> = times.take(self.count).collect();
        if self.json {
            let shown: Vec<_> = times
                .iter()
                .map(|time| serde_json::json!({ "at": time.local().to_string(), "adjusted": time.adjusted }))
                .collect();
            let (cron, timezone) = (self.expression.to_string(), self.timezone.name());
            return out::json(&serde_json::json!({ "cron": cron, "timezone": timezone, "times": shown }));
        }
        if times.is_empty() {
            let never = match self.until {
                _ if self.expression.never_fires() => "it is never due",
                Some(_) => "it is not due in that time",
                None => "it is not due within nine years",
            };
            bail!("{}: {never}", self.expression);
        }
        for time in &times {
            let moved = time.adjusted.map(|moved| format!("  ({moved:?} of the clock)").to_lowercase());
            out::line(format_args!("{}{}", time.local(), moved.unwrap_or_default()));
        }
        Ok(())
    }
}
