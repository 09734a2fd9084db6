use clap::Args;
use longshore_runtime::Stop;
use longshore_telemetry::logs;
use longshore_telemetry::traces::{OtlpConfig, Traces};

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
        let traces = start_logs(context)?;
        out::keep_clean()?;
        descriptors::allow_many();
        let stop = Stop::new();
        signals::steer(&stop)?;
        let wanted = Wanted { worker: !self.no_worker, test_kinds: self.test_kinds, ..Wanted::default() };
        let system = System::start(&context.settings, wanted, stop).await?;
        if let Some(traces) = &traces {
            system.engine().parts().register("otlp", traces.deliveries())?;
        }
        out::line(format_args!("listening on {}", system.url()));
        system.wait().await
    }
}

/// Sets up logging for a command that runs for long, and traces, which go to their collector until they are dropped.
pub(super) fn start_logs(context: &Context) -> anyhow::Result<Option<Traces>> {
    let settings = &context.settings;
    let traces = (!settings.otlp_endpoint.is_empty()).then(|| {
        let service_name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
        Traces::start(&OtlpConfig {
            endpoint: settings.otlp_endpoint.clone(),
            sample_ratio: settings.otlp_sample_ratio,
            service_name: service_name.unwrap_or_else(|| "longshore".to_owned()),
        })
    });
    let traces = traces.transpose()?;
    logs::start_with(settings.log_format, &settings.log_level, traces.as_ref())
        .map_err(|error| Usage(format!("log_level: {error}")))?;
    Ok(traces)
}
