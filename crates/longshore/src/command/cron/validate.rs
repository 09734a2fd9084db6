use anyhow::bail;
use clap::Args;
use longshore_clock::Door;
use longshore_cron::{CronCalculator, Verdict};

use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Validate {
    /// The expression
    expression: String,
    /// The IANA zone
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// Print one JSON object; the exit code is 0 as well if the expression is invalid
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let calculator = CronCalculator::new();
        let found = calculator.validate(&self.expression, &self.timezone, Door::system().clock.now());
        if self.json {
            return out::json(&found);
        }
        match found.verdict {
            Verdict::Invalid { error, hint, .. } => bail!("{error}. {hint}"),
            Verdict::Valid { preview_occurrences, frequency, timezone, dst_warnings, .. } => {
                out::line(format_args!(
                    "{} is valid: {}, in {timezone}",
                    self.expression, frequency.description
                ));
                if preview_occurrences.is_empty() {
                    out::line("  but it is never due");
                }
                for time in preview_occurrences {
                    out::line(format_args!("  {}", time.local()));
                }
                for warning in dst_warnings {
                    out::line(format_args!("note: {}", warning.message));
                }
            }
        }
        Ok(())
    }
}
