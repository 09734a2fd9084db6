use clap::Args;
use longshore_core::{JobId, State};

use crate::context::Context;
use crate::exit::Told;
use crate::follow::{Line, follow, follow_from_afar};
use crate::operator::Operator;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The job
    id: JobId,
    /// Print the record as one JSON object once it has ended
    #[arg(long)]
    json: bool,
}

impl Watch {
    /// Fails if the job does.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let line = if self.json { Line::silent() } else { Line::alone(&self.id.to_string()) };
        let job = match context.operator()? {
            Operator::Store(opened) => follow(&opened.engine, &self.id, &line).await?,
            api @ Operator::Api(_) => follow_from_afar(&api, &self.id, &line).await?,
        };
        line.finish();
        if self.json {
            out::json(&job)?;
            return if job.state == State::Completed { Ok(()) } else { Err(Told.into()) };
        }
        let error = job.errors.last().filter(|_| job.state == State::Failed);
        match error {
            Some(error) => out::line(format_args!("{} {}: {}", job.id(), job.state, error.message)),
            None => out::line(format_args!("{} {}", job.id(), job.state)),
        }
        if job.state == State::Completed { Ok(()) } else { Err(Told.into()) }
    }
}
