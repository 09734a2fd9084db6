use clap::Args;
use longshore_core::{JobId, State};

use crate::context::Context;
use crate::exit::Told;
use crate::follow::{Line, follow};
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The job
    id: JobId,
}

impl Watch {
    /// Fails if the job does.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        let line = Line::alone(&self.id.to_string());
        let job = follow(&opened.engine, &self.id, &line).await?;
        line.finish();
        let error = job.errors.last().filter(|_| job.state == State::Failed);
        match error {
            Some(error) => out::line(format_args!("{} {}: {}", job.id(), job.state, error.message)),
            None => out::line(format_args!("{} {}", job.id(), job.state)),
        }
        if job.state == State::Completed { Ok(()) } else { Err(Told.into()) }
    }
}
