use clap::Args;
use longshore_runtime::Stop;
use longshore_telemetry::logs;

use crate::config::Flag;
use crate::context::Context;
use crate::exit::Usage;
use crate::system::{System, Wanted};
use crate::{descriptors, out, signals};

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The address to answer on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// How many jobs of one queue to run at the same time
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// Run no jobs here; workers elsewhere do
    #[arg(long)]
    no_worker: bool,
    /// Register handlers for trying things out: test.echo, test.sleep and others
    #[arg(long, conflicts_with = "no_worker")]
    test_kinds: bool,
}

impl Serve {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let listen = self.listen.iter().map(|text| Flag::new("listen", "--listen", text));
        let slots =
            self.concurrency.iter().map(|text| Flag::new("worker_concurrency", "--concurrency", text));
        listen.chain(slots).collect()
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        start_logs(context)?;
        out::keep_clean()?;
        descriptors::allow_many();
        let stop = Stop::new();
        signals::steer(&stop)?;
        let wanted = Wanted { worker: !self.no_worker, test_kinds: self.test_kinds, ..Wanted::default() };
        let system = System::start(&context.settings, wanted, stop).await?;
        out::line(format_args!("listening on {}", system.url()));
        system.wait().await
    }
}

/// Sets up logging for a command that runs for long.
pub(super) fn start_logs(context: &Context) -> anyhow::Result<()> {
    let settings = &context.settings;
    logs::start(settings.log_format, &settings.log_level)
        .map_err(|error| Usage(format!("log_level: {error}")).into())
}
