//! Enqueues a job and runs it: `cargo run --example hello`.

use std::time::Duration;

use longshore::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)] // kind `greet`
#[job(output = String)]
struct Greet {
    name: String,
}

async fn greet(Args(job): Args<Greet>, attempt: Attempt) -> Result<String, Outcome> {
    if attempt.number == 1 {
        return Err(Outcome::retry_after(Duration::ZERO, "shy at first"));
    }
    Ok(format!("hello, {}", job.name))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = longshore::open("memory:").await?;
    let receipt = engine.client().enqueue(Greet { name: "Ada".into() }).tag("example").await?;

    let control = engine.control();
    let done = async { drop(control.wait(&receipt.id, 10.seconds()).await) };
    Worker::new(engine.clone()).queue(Queue::new("default")).register(greet).run(done).await?;

    assert_eq!(control.job(&receipt.id).await?.attempt, 2);
    assert_eq!(control.result::<Greet>(&receipt.id).await?, "hello, Ada");
    Ok(())
}
