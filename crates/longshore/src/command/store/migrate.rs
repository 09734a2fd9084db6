use clap::Args;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Migrate {}

impl Migrate {
    /// Opening a store does all of it, so that no program ever meets an older schema than its own.
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let Self {} = self;
        context.open()?;
        out::line(format_args!("{} is up to date", context.settings.store));
        Ok(())
    }
}
