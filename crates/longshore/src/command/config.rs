use clap::Args;
use serde::Serialize;

use crate::config::{MANUAL, Value};
use crate::context::Context;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct Config {
    /// Print one JSON object: {key: {value, origin}}
    #[arg(long)]
    json: bool,
    /// Print the manual instead: every key with its default and its meaning
    #[arg(long, conflicts_with = "json")]
    manual: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    value: &'a Value,
    origin: String,
}

impl Config {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.manual {
            out::raw(MANUAL.as_bytes());
            return Ok(());
        }
        let rows = context.effective.rows();
        if self.json {
            let all = rows.map(|(name, value, origin)| (name, Shown { value, origin: origin.to_string() }));
            return out::json(&all.collect::<std::collections::BTreeMap<_, _>>());
        }
        let mut table = Table::new(["KEY", "VALUE", "ORIGIN"]);
        for (name, value, origin) in rows {
            table.row([name, value.to_string(), origin.to_string()]);
        }
        out::line(table);
        Ok(())
    }
}
