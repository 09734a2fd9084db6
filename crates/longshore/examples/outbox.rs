//! Writes to a table of its own and enqueues a job in one transaction: `cargo run --example outbox`.

use std::sync::Arc;

use longshore::prelude::*;
use longshore::sqlite::{insert_within, rusqlite};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)] // kind `order.ship`
#[job(output = String)]
struct ShipOrder {
    number: i64,
}

async fn ship(Args(order): Args<ShipOrder>) -> Result<String, Outcome> {
    Ok(format!("order {} is on its way", order.number))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shop.db");
    // The store comes first, so that the file is known to be its own; the tables of the shop stand beside it.
    let engine = longshore::open(&format!("sqlite:{}", path.display())).await?;
    let (client, control) = (engine.client(), engine.control());
    let mut shop = rusqlite::Connection::open(&path)?;
    shop.execute_batch("CREATE TABLE orders (number INTEGER PRIMARY KEY)")?;

    let tx = shop.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    tx.execute("INSERT INTO orders (number) VALUES (7)", [])?;
    let job = client.enqueue(ShipOrder { number: 7 }).into_spec()?;
    let within = insert_within(&tx, &[Arc::new(job.clone())], engine.door().clock.now())?;
    tx.commit()?; // now there are both, or neither
    within.ring();

    let done = async { drop(control.wait(&job.id, 10.seconds()).await) };
    Worker::new(engine.clone()).queue(Queue::new("default")).register(ship).run(done).await?;
    assert_eq!(control.result::<ShipOrder>(&job.id).await?, "order 7 is on its way");
    Ok(())
}
