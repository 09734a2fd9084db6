//! How the test of a handler looks: `cargo run --example testing`.

use longshore::prelude::*;
use longshore::testing::TestKit;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Charge {
    cents: u64,
}

impl Job for Charge {
    type Output = String;
    const KIND: &'static str = "charge";
    const QUEUE: &'static str = "billing";
}

/// A bank that is closed at the first try.
async fn charge(Args(job): Args<Charge>, attempt: Attempt, account: State<Account>) -> Result<u64, Outcome> {
    if attempt.number == 1 {
        return Err(Outcome::retry_after(60.seconds(), "the bank is closed"));
    }
    Ok(account.balance - job.cents)
}

struct Account {
    balance: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut kit = TestKit::new();
    kit.register(charge).state(Account { balance: 1_000 });

    let receipt = kit.client().enqueue(Charge { cents: 250 }).await?;
    kit.assert_enqueued::<Charge>(|job| job.cents == 250).await;

    assert_eq!(kit.drain("billing").await?, 1, "one try, and the next one is not due");
    kit.advance(60.seconds()).await?;
    assert_eq!(kit.drain("billing").await?, 1);

    let job = kit.control().job(&receipt.id).await?;
    assert_eq!(job.result.ok_or("the job has no result")?.as_str(), "750");
    Ok(())
}
