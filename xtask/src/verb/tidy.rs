//! `cargo xtask tidy`: every rule of [`crate::tidy`], all complaints at once.

use std::process::ExitCode;

use crate::root;
use crate::tidy::{House, RULES, longest};

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let house = House::open(root())?;
    let mut broken = 0;
    for rule in RULES {
        let complaints = (rule.check)(&house);
        println!("{:<10} {}", rule.name, if complaints.is_empty() { "ok" } else { "broken" });
        for complaint in &complaints {
            println!("  {complaint}");
        }
        broken += usize::from(!complaints.is_empty());
    }
    println!("\nthe longest files");
    for (path, lines) in longest(&house).into_iter().take(5) {
        println!("  {lines:>4}  {path}");
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
