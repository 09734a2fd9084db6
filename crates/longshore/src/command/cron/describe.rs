use clap::Args;
use longshore_cron::{Cron, Zone};

use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// The expression
    expression: Cron,
    /// The IANA zone
    #[arg(long, default_value = "UTC")]
    timezone: Zone,
}

impl Describe {
    pub(crate) fn run(self) {
        out::line(self.expression.describe(&self.timezone));
    }
}
