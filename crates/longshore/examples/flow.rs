//! Jobs that wait for others, and read what those returned; one of a kind at a time for each customer.
//!
//! `cargo run --example flow`

use longshore::core::{Limit, QueueChange};
use longshore::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)] // kind `sales.count`
struct CountSales {
    customer: String,
    month: u32,
}

#[derive(Serialize, Deserialize, Job)]
#[job(kind = "report.sum")]
struct SumUp {
    customer: String,
}

async fn count(Args(job): Args<CountSales>) -> Result<u32, Outcome> {
    Ok(job.month * 10 + job.customer.len() as u32)
}

async fn sum_up(Args(job): Args<SumUp>, parents: Parents) -> Result<String, Outcome> {
    let mut sum = 0;
    for parent in parents.all().await? {
        sum += parent.read::<u32>().map_err(|error| Outcome::fail(&error))?;
    }
    Ok(format!("{} sold {sum}", job.customer))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = longshore::open("memory:").await?;
    let (client, control) = (engine.client(), engine.control());

    // However many workers there are: one job at a time for each customer.
    let each = Limit { key: Some("args.customer".into()), concurrency: Some(1), ..Limit::default() };
    control
        .set_queue(&"default".parse()?, QueueChange { limits: Some(vec![each]), ..QueueChange::default() })
        .await?;

    let mut reports = Vec::new();
    for customer in ["acme", "globex"] {
        let mut report = client.enqueue(SumUp { customer: customer.into() });
        for month in 1..=3 {
            let count = client.enqueue(CountSales { customer: customer.into(), month }).await?;
            report = report.after_job(&count.id);
        }
        reports.push(report.on_parent_failure(ParentPolicy::Cancel).await?.id);
    }

    let done = async {
        for id in &reports {
            drop(control.wait(id, 10.seconds()).await);
        }
    };
    Worker::new(engine.clone())
        .queue(Queue::new("default"))
        .register(count)
        .register(sum_up)
        .run(done)
        .await?;
    Ok(())
}
