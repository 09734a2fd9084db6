use clap::Args;

use crate::context::Context;
use crate::out;
use crate::table::Table;
use crate::time::or_dash;

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print one JSON object: {schedules: […]}
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let schedules = context.open_existing()?.engine.schedules().list().await?;
        if self.json {
            let shown: Vec<_> = schedules.into_iter().map(longshore_runtime::ScheduleRecord::shown).collect();
            return out::json(&serde_json::json!({ "schedules": shown }));
        }
        let mut table = Table::new(["NAME", "RULE", "ZONE", "KIND", "QUEUE", "NEXT", "LAST", "FIRES"]);
        for record in schedules {
            let (schedule, standing) = (record.schedule, record.standing);
            let next = if standing.paused { "paused".to_owned() } else { or_dash(standing.next_at) };
            table.row([
                schedule.name.to_string(),
                schedule.rule.to_string(),
                schedule.timezone.name().to_owned(),
                schedule.kind.to_string(),
                schedule.queue.to_string(),
                next,
                or_dash(standing.last_nominal_at),
                standing.fires.to_string(),
            ]);
        }
        out::line(table);
        Ok(())
    }
}
