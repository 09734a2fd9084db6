//! A job goes on with the trace of whoever enqueued it.

use std::sync::Arc;

use longshore_runtime::{Args, Client, Outcome, blocking};
use longshore_telemetry::traces;

use crate::kit::kit;
use crate::support::Task;

#[tokio::test]
async fn what_a_handler_enqueues_and_calls_belongs_to_the_trace_of_its_job() {
    let mut kit = kit();
    kit.register(async |Args(task): Args<Task>, client: Client| {
        if task.number > 0 {
            client.enqueue(Task { number: task.number - 1 }).await?;
        }
        Ok::<_, Outcome>(traces::current().map(|trace| trace.to_string()).unwrap_or_default())
    });
    let caller: Arc<str> = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
    let enqueue = async { kit.client().enqueue(Task { number: 1 }).await.unwrap() };
    traces::within(Some(&caller), tracing::Span::none, enqueue).await;
    kit.client().enqueue(Task { number: 0 }).await.unwrap();
    let mut seen = Vec::new();
    while let Some(job) = kit.run_one("default").await.unwrap() {
        seen.push((job.spec.options.traceparent.clone(), job.result.unwrap().as_str().to_owned()));
    }
    let ours = (Some(caller.clone()), format!("\"{caller}\""));
    assert_eq!(seen, [ours.clone(), (None, "\"\"".to_owned()), ours]);
}

#[tokio::test]
async fn a_handler_that_blocks_goes_on_with_it_too() {
    let mut kit = kit();
    kit.register(blocking(|_: Args<Task>| {
        Ok::<_, Outcome>(traces::current().map(|trace| trace.to_string()).unwrap_or_default())
    }));
    let caller: Arc<str> = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
    let enqueue = async { kit.client().enqueue(Task { number: 1 }).await.unwrap() };
    traces::within(Some(&caller), tracing::Span::none, enqueue).await;
    let job = kit.run_one("default").await.unwrap().unwrap();
    assert_eq!(job.result.unwrap().as_str(), format!("\"{caller}\""));
}
