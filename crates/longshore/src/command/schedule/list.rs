use std::collections::BTreeMap;

use clap::Args;

use crate::context::Context;
use crate::operator::Scheduled;
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
        let schedules = context.operator()?.schedules().await?;
        if self.json {
            let shown: Vec<_> = schedules.into_iter().map(|scheduled| scheduled.shown).collect();
            return out::json(&BTreeMap::from([("schedules", shown)]));
        }
        let mut table = Table::new(["NAME", "RULE", "ZONE", "KIND", "QUEUE", "NEXT", "LAST", "FIRES"]);
        for Scheduled { line, .. } in schedules {
            let next = if line.paused { "paused".to_owned() } else { or_dash(line.next_at) };
            table.row([
                line.name.to_string(),
                line.rule(),
                line.timezone.clone(),
                line.kind.to_string(),
                line.queue.to_string(),
                next,
                or_dash(line.last_nominal_at),
                line.fires.to_string(),
            ]);
        }
        out::line(table);
        Ok(())
    }
}
