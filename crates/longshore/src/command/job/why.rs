use clap::Args;
use longshore_core::JobId;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Why {
    /// The job
    id: JobId,
    /// Print one JSON object: {id, state, reasons: [{code, message}], not_before}
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let why = context.operator()?.why(&self.id).await?;
        if self.json {
            return out::json(&why);
        }
        out::line(format_args!("{} is {}", why.id, why.state));
        if why.reasons.is_empty() {
            out::line("nothing keeps it; a worker with a free slot is about to take it");
        }
        why.reasons.iter().for_each(|reason| out::line(format_args!("- {}", reason.message)));
        if let Some(time) = why.not_before {
            out::line(format_args!("not before {time}"));
        }
        Ok(())
    }
}
