use clap::Args;
use longshore_core::limits::PAGE_JOBS_MAX;
use longshore_core::{Cursor, Invalid, Job, JobFilter, Page, QueueName, State};

use crate::context::Context;
use crate::operator::read_cursor;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only jobs of this queue
    queue: Option<QueueName>,
    /// Only jobs in this state; may be given several times, or with commas
    #[arg(long, value_delimiter = ',')]
    state: Vec<State>,
    /// Only jobs of this kind; a final * stands for any ending
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs with this tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only jobs that fit, such as 'state:failed kind:pdf.* created>2026-03-01T00:00:00Z "disk full"'
    #[arg(long = "q", value_name = "FILTER")]
    filter: Option<JobFilter>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=PAGE_JOBS_MAX as u64))]
    limit: u64,
    /// Where the page before ended
    #[arg(long, value_parser = read_cursor)]
    cursor: Option<Cursor>,
    /// Print one JSON object: {jobs: […], next_cursor}
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let page = Page { after: self.cursor, limit: self.limit as usize };
        let json = self.json;
        let found = context.operator()?.list(self.filter()?, page).await?;
        if json {
            return out::json(&found);
        }
        let mut table = Table::new(["ID", "QUEUE", "KIND", "STATE", "ATTEMPT", "PROGRESS", "CREATED"]);
        found.jobs.iter().for_each(|job| table.row(cells(job)));
        out::line(table);
        if let Some(next) = found.next_cursor {
            out::line(format_args!("more with --cursor {next}"));
        }
        Ok(())
    }

    fn filter(self) -> Result<JobFilter, Invalid> {
        let mut filter = self.filter.unwrap_or_default().and(self.queue, self.kind, &self.state)?;
        filter.tags.extend(self.tags);
        Ok(filter)
    }
}

fn cells(job: &Job) -> [String; 7] {
    [
        job.id().to_string(),
        job.spec.queue.to_string(),
        job.spec.kind.to_string(),
        job.state.to_string(),
        format!("{}/{}", job.attempt, job.spec.options.max_attempts),
        format!("{}%", job.progress.percent),
        job.created_at.to_string(),
    ]
}
