use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use longshore_clock::{Door, ManualClock};
use longshore_core::{Backoff, DurationText};
use longshore_resilience::{
    BatchSink, BatchedWriter, BatchedWriterConfig, BoxError, JsonlWriter, JsonlWriterConfig, OnBatchFailure,
    PipelineConfig, ProducerConsumerPipeline, PutError,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{Bomb, door, millis, runtime, secs, settle};

type Dead = (Vec<u32>, String);
type Batches = Arc<Mutex<Vec<Vec<u32>>>>;

/// Notes batches; fails those with a 13 in them, panics at a 666, and waits at the gate if there is one.
struct Notes {
    batches: Batches,
    gate: Option<Arc<Semaphore>>,
}

impl BatchSink<u32> for Notes {
    async fn write(&mut self, batch: &[u32]) -> Result<(), BoxError> {
        if let Some(gate) = &self.gate {
            gate.acquire().await?.forget();
        }
        assert!(!batch.contains(&666), "on purpose");
        if batch.contains(&13) {
            return Err("thirteen".into());
        }
        self.batches.lock().unwrap().push(batch.to_vec());
        Ok(())
    }
}

fn notes() -> (Notes, Batches) {
    let batches = Batches::default();
    (Notes { batches: batches.clone(), gate: None }, batches)
}

fn config(batch_size: usize) -> PipelineConfig {
    PipelineConfig { batch_size, ..PipelineConfig::default() }
}

fn seen(batches: &Batches) -> Vec<Vec<u32>> {
    batches.lock().unwrap().clone()
}

#[tokio::test]
async fn a_batch_goes_when_it_is_full_or_its_first_item_has_waited() {
    let (door, manual) = door();
    let (sink, batches) = notes();
    let pipeline = ProducerConsumerPipeline::new(config(3), sink, &door).unwrap();
    assert!(matches!(pipeline.put(1).await, Err(PutError::Shutdown { item: 1 })));
    pipeline.start();
    assert_eq!(pipeline.put_many((1..=4).collect()).await.accepted, 4);
    settle().await;
    assert_eq!(seen(&batches), [[1, 2, 3]]);
    // The time counts from the first item of the batch on.
    manual.advance(secs(4));
    pipeline.put(5).await.unwrap();
    settle().await;
    manual.advance(millis(999));
    settle().await;
    assert_eq!(seen(&batches).len(), 1);
    manual.advance(millis(1));
    settle().await;
    assert_eq!(seen(&batches)[1], [4, 5]);
    // What came while a batch was processed has waited already.
    let gate = Arc::new(Semaphore::new(0));
    let (sink, batches) = notes();
    let sink = Notes { gate: Some(gate.clone()), ..sink };
    let pipeline = ProducerConsumerPipeline::new(config(3), sink, &door).unwrap();
    pipeline.start();
    pipeline.put_many(vec![1, 2, 3, 4]).await;
    settle().await;
    manual.advance(secs(4));
    gate.add_permits(2);
    settle().await;
    manual.advance(secs(1));
    settle().await;
    assert_eq!(seen(&batches), [vec![1, 2, 3], vec![4]]);
    // After a long idle time ten items are one batch.
    manual.advance(secs(100));
    let other = ProducerConsumerPipeline::new(config(10), notes().0, &door).unwrap();
    other.start();
    settle().await;
    manual.advance(secs(100));
    other.put_many((0..10).collect()).await;
    settle().await;
    assert_eq!(other.get_metrics().batches_processed, 1);
    // An idle pipeline stops without waiting for anything.
    assert!(other.stop(true).await.returned.is_empty());
    assert!(!other.is_running());
}

#[tokio::test]
async fn a_full_queue_gives_items_back_or_lets_producers_wait() {
    let (door, manual) = door();
    let gate = Arc::new(Semaphore::new(0));
    let sink = Notes { gate: Some(gate.clone()), ..notes().0 };
    let tight = PipelineConfig { max_queue_size: 1, ..config(1) };
    let pipeline = ProducerConsumerPipeline::new(tight.clone(), sink, &door).unwrap();
    pipeline.start();
    pipeline.put(1).await.unwrap();
    settle().await;
    pipeline.put(2).await.unwrap();
    let other = pipeline.clone();
    let late = tokio::spawn(async move { other.put_timeout(3, secs(1)).await });
    let other = pipeline.clone();
    let patient = tokio::spawn(async move { other.put(4).await });
    settle().await;
    manual.advance(secs(1));
    assert!(matches!(late.await.unwrap(), Err(PutError::Full { item: 3, limit: 1 })));
    gate.add_permits(1);
    patient.await.unwrap().unwrap();
    assert_eq!(pipeline.get_metrics().dropped_items, 1);
    // A producer that waits for room is told of a stop.
    let other = pipeline.clone();
    let waits = tokio::spawn(async move { other.put(5).await });
    settle().await;
    let report = pipeline.stop(false).await;
    assert!(matches!(waits.await.unwrap(), Err(PutError::Shutdown { item: 5 })));
    assert_eq!(report.returned, [2, 4]);

    let dropping = PipelineConfig { drop_on_full: true, ..tight };
    let sink = Notes { gate: Some(Arc::new(Semaphore::new(0))), ..notes().0 };
    let pipeline = ProducerConsumerPipeline::new(dropping, sink, &door).unwrap();
    pipeline.start();
    pipeline.put(1).await.unwrap();
    settle().await;
    let report = pipeline.put_many(vec![2, 3, 4]).await;
    assert_eq!((report.accepted, report.rest, report.is_full), (1, vec![3, 4], true));
}

#[tokio::test]
async fn what_fails_is_tried_again_told_of_or_handed_back() {
    let (door, manual) = door();
    // A consumer that fails stops, and the stop hands its items back.
    let (sink, batches) = notes();
    let pipeline = ProducerConsumerPipeline::new(config(1), sink, &door).unwrap();
    pipeline.start();
    pipeline.put_many(vec![1, 13, 2]).await;
    settle().await;
    assert!(!pipeline.is_running());
    assert!(matches!(pipeline.put(3).await, Err(PutError::Shutdown { item: 3 })));
    let report = pipeline.stop(true).await;
    assert_eq!((report.returned, report.error.as_deref()), (vec![13, 2], Some("thirteen")));
    // It may be started again, and goes on with what comes then.
    pipeline.start();
    pipeline.put(4).await.unwrap();
    assert!(pipeline.stop(true).await.returned.is_empty());
    assert_eq!(seen(&batches), [[1], [4]]);
    let metrics = pipeline.get_metrics();
    assert_eq!((metrics.items_accepted, metrics.items_processed, metrics.returned_items), (4, 2, 2));

    // With somebody who takes dead letters it goes on; a panic is a failure.
    let dead: Arc<Mutex<Vec<Dead>>> = Arc::default();
    let told = dead.clone();
    let backoff = Backoff::Fixed { delay: DurationText(secs(1)), jitter: 0.0 };
    let twice = PipelineConfig { retries: 1, retry_backoff: backoff, ..config(1) };
    let (sink, batches) = notes();
    let pipeline = ProducerConsumerPipeline::builder(twice, sink)
        .on_error(move |dead| told.lock().unwrap().push((dead.items, dead.error)))
        .build(&door)
        .unwrap();
    pipeline.start();
    pipeline.put_many(vec![13, 666, 7]).await;
    for _ in 0..3 {
        settle().await;
        manual.advance(secs(1));
    }
    assert!(pipeline.stop(true).await.returned.is_empty());
    let dead = dead.lock().unwrap().clone();
    assert_eq!(dead, [(vec![13], "thirteen".to_owned()), (vec![666], "it panicked: on purpose".to_owned())]);
    assert_eq!(seen(&batches), [[7]]);
    assert_eq!(pipeline.get_metrics().failed_items, 4);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_times_between_tries() {
    let (door, _) = door();
    let backoff = Backoff::Fixed { delay: DurationText(secs(3_600)), jitter: 0.0 };
    let config = PipelineConfig { retries: 3, retry_backoff: backoff, ..config(1) };
    let (sink, batches) = notes();
    let pipeline = ProducerConsumerPipeline::new(config, sink, &door).unwrap();
    pipeline.start();
    pipeline.put(13).await.unwrap();
    settle().await;
    assert_eq!(pipeline.get_metrics().failed_items, 1);
    assert_eq!(pipeline.stop(true).await.returned, [13]);
    assert_eq!((seen(&batches).len(), pipeline.get_metrics().failed_items), (0, 4));
}

#[tokio::test]
async fn a_stop_may_be_given_up_and_repeated_and_told_to_hurry() {
    let (door, _) = door();
    let gate = Arc::new(Semaphore::new(0));
    let (sink, batches) = notes();
    let sink = Notes { gate: Some(gate.clone()), ..sink };
    let pipeline = ProducerConsumerPipeline::new(config(1), sink, &door).unwrap();
    pipeline.start();
    pipeline.put_many(vec![1, 2, 3]).await;
    settle().await;
    let mut given_up = Box::pin(pipeline.stop(true));
    tokio::select! {
        biased;
        _ = &mut given_up => panic!("the sink is stuck"),
        () = settle() => {}
    }
    drop(given_up);
    let metrics = pipeline.get_metrics();
    assert_eq!((metrics.items_in_queue, metrics.items_in_batch), (2, 1), "nothing is forgotten meanwhile");
    assert!(matches!(pipeline.put(4).await, Err(PutError::Shutdown { item: 4 })));
    // One waits for the end, and another one does not want to.
    let other = pipeline.clone();
    let patient = tokio::spawn(async move { other.stop(true).await });
    gate.add_permits(1);
    settle().await;
    assert_eq!(seen(&batches), [[1]]);
    let hasty = pipeline.stop(false).await;
    let patient = patient.await.unwrap();
    assert_eq!([hasty.returned, patient.returned].concat(), [2, 3]);
    assert!(pipeline.get_metrics().items_in_batch == 0 && !pipeline.is_running());
    pipeline.start();
    assert!(pipeline.is_running());
}

#[tokio::test]
async fn a_pipeline_that_nobody_holds_any_more_does_what_it_has_and_ends() {
    let (door, _) = door();
    let (sink, batches) = notes();
    let pipeline = ProducerConsumerPipeline::new(config(10), sink, &door).unwrap();
    pipeline.start();
    pipeline.put_many(vec![1, 2]).await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    drop(pipeline);
    settle().await;
    assert_eq!(seen(&batches), [[1, 2]]);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks - 1);
}

#[tokio::test]
async fn a_flush_waits_for_what_came_before_it() {
    let (door, _) = door();
    let (sink, batches) = notes();
    let dead = |_| {};
    let writer =
        BatchedWriter::with_dead_letters(&BatchedWriterConfig::default(), sink, dead, &door).unwrap();
    assert_eq!(writer.flush().await.written, 0);
    writer.start();
    writer.write_many(vec![1, 2, 3]).await;
    let report = writer.flush().await;
    assert_eq!((report.written, report.failed, report.left), (3, 0, 0));
    assert_eq!(seen(&batches), [[1, 2, 3]]);
    writer.write(13).await.unwrap();
    assert_eq!(writer.flush().await.failed, 1);
    writer.stop().await;
}

#[test]
fn senseless_pipelines_are_refused() {
    let (door, _) = door();
    for (config, field) in [
        (config(0), "batch_size"),
        (PipelineConfig { max_queue_size: 0, ..config(1) }, "max_queue_size"),
        (PipelineConfig { batch_timeout: secs(0), ..config(1) }, "batch_timeout"),
        (PipelineConfig { batch_bytes: Some(7), ..config(1) }, "batch_bytes"),
        (
            PipelineConfig { on_batch_failure: Some(OnBatchFailure::DeadLetter), ..config(1) },
            "on_batch_failure",
        ),
    ] {
        let error = ProducerConsumerPipeline::new(config, notes().0, &door).err().unwrap();
        assert_eq!(error.field, field);
    }
}

#[tokio::test]
async fn batches_end_at_so_many_bytes() {
    let (door, _) = door();
    let (sink, batches) = notes();
    let config = PipelineConfig { batch_bytes: Some(10), ..config(100) };
    let dead = Arc::new(AtomicUsize::new(0));
    let own = dead.clone();
    let pipeline = ProducerConsumerPipeline::builder(config, sink)
        .size(|item| *item as usize)
        .on_error(move |dead| {
            own.fetch_add(dead.items.len(), Ordering::Relaxed);
        })
        .build(&door)
        .unwrap();
    pipeline.start();
    pipeline.put_many(vec![4, 5, 6, 25, 13, 1, 1]).await;
    pipeline.stop(true).await;
    assert_eq!(seen(&batches), [vec![4, 5], vec![6], vec![25], vec![1, 1]]);
    assert_eq!(dead.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn lines_go_to_a_new_file_when_theirs_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.jsonl");
    let config = JsonlWriterConfig::new(&path);
    let writer: JsonlWriter<u32> = JsonlWriter::open(&config, &Door::system()).unwrap();
    writer.start();
    writer.write(1).await.unwrap();
    writer.flush().await;
    std::fs::remove_file(&path).unwrap();
    writer.write(2).await.unwrap();
    assert_eq!(writer.flush().await.written, 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
    writer.stop().await;
    let none = JsonlWriterConfig { buffer_size: 0, ..config };
    let error = JsonlWriter::<u32>::open(&none, &Door::system()).err().unwrap();
    assert_eq!(error.field, "buffer_size");
}

#[tokio::test]
async fn lines_are_appended_whole_and_files_are_turned() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.jsonl");
    std::fs::write(&path, "{\"cut\":").unwrap();
    let door = Door::system();
    let lines = || -> Vec<String> {
        std::fs::read_to_string(&path).unwrap().lines().map(ToOwned::to_owned).collect()
    };
    let config = JsonlWriterConfig { flush_interval: millis(20), ..JsonlWriterConfig::new(&path) };
    for run in 0..2 {
        let writer: JsonlWriter<Value> = JsonlWriter::open(&config, &door).unwrap();
        writer.start();
        writer.write(json!({ "run": run, "latency": 0 })).await.unwrap();
        writer.write(json!({ "run": run, "other": null })).await.unwrap();
        assert_eq!(writer.flush().await.written, 2);
        assert!(writer.stop().await.error.is_none());
    }
    assert_eq!(
        lines(),
        [
            "{\"cut\":",
            r#"{"latency":0,"run":0}"#,
            r#"{"other":null,"run":0}"#,
            r#"{"latency":0,"run":1}"#,
            r#"{"other":null,"run":1}"#
        ]
    );
    let config = JsonlWriterConfig { rotate_bytes: Some(10), overwrite: true, ..config };
    let writer: JsonlWriter<Value> = JsonlWriter::open(&config, &door).unwrap();
    writer.start();
    for number in 0..3 {
        writer.write(json!({ "number": number })).await.unwrap();
        writer.flush().await;
    }
    writer.stop().await;
    assert_eq!(lines(), [r#"{"number":2}"#]);
    assert_eq!(std::fs::read_to_string(dir.path().join("results.jsonl.1")).unwrap(), "{\"number\":1}\n");
    let nowhere = JsonlWriterConfig::new(dir.path().join("none/x.jsonl"));
    let refused = JsonlWriter::<Value>::open(&nowhere, &door).err().unwrap();
    assert_eq!(refused.field, "file_path");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u32),
    Pass(u64),
    Let(usize),
    Stop(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let item = prop_oneof![9 => 0..12_u32, 1 => Just(13), 1 => Just(666)];
    prop_oneof![
        8 => item.prop_map(Step::Put),
        3 => (1..3_000_u64).prop_map(Step::Pass),
        4 => (1..3_usize).prop_map(Step::Let),
        1 => any::<bool>().prop_map(Step::Stop),
    ]
}

async fn history(steps: Vec<Step>, dead_letters: bool, door: Door, manual: ManualClock) {
    let batches = Batches::default();
    let gate = Arc::new(Semaphore::new(0));
    let sink = Notes { batches: batches.clone(), gate: Some(gate.clone()) };
    let config = PipelineConfig { max_queue_size: 6, drop_on_full: true, ..config(3) };
    let dead: Arc<Mutex<Vec<u32>>> = Arc::default();
    let told = dead.clone();
    let pipeline = if dead_letters {
        let on_error =
            move |batch: longshore_resilience::DeadBatch<u32>| told.lock().unwrap().extend(batch.items);
        ProducerConsumerPipeline::builder(config, sink).on_error(on_error).build(&door).unwrap()
    } else {
        ProducerConsumerPipeline::new(config, sink, &door).unwrap()
    };
    let (mut accepted, mut returned) = (Vec::new(), Vec::new());
    pipeline.start();
    for step in steps.into_iter().chain([Step::Stop(true)]) {
        match step {
            Step::Put(item) => {
                if pipeline.put(item).await.is_ok() {
                    accepted.push(item);
                }
            }
            Step::Pass(time) => manual.advance(millis(time)),
            Step::Let(count) => gate.add_permits(count),
            Step::Stop(drain) => {
                gate.add_permits(100);
                returned.extend(pipeline.stop(drain).await.returned);
                gate.forget_permits(100);
                pipeline.start();
            }
        }
        settle().await;
        let metrics = pipeline.get_metrics();
        assert_eq!(
            metrics.items_accepted,
            metrics.items_processed
                + metrics.dead_letters
                + metrics.returned_items
                + metrics.items_in_queue as u64
                + metrics.items_in_batch,
            "{metrics:?}"
        );
    }
    let mut ended: Vec<u32> = batches.lock().unwrap().concat();
    ended.extend(dead.lock().unwrap().iter());
    ended.extend(returned);
    ended.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(ended, accepted, "each item ends once");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn no_item_is_lost_whatever_fails_and_stops(
        steps in prop::collection::vec(step(), 1..60),
        dead_letters in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (door, manual) = door();
        runtime.block_on(history(steps, dead_letters, door, manual));
    }
}

#[tokio::test]
async fn an_item_that_panics_as_it_is_dropped_stops_nothing() {
    let (door, _) = door();
    let pipeline = ProducerConsumerPipeline::new(config(2), |_: &[Bomb]| Ok(()), &door).unwrap();
    pipeline.start();
    for _ in 0..4 {
        assert!(pipeline.put(Bomb).await.is_ok());
    }
    assert_eq!(pipeline.flush().await.written, 4);
    assert!(pipeline.is_running() && pipeline.stop(true).await.error.is_none());
    let metrics = pipeline.get_metrics();
    assert_eq!((metrics.items_processed, metrics.items_in_batch, metrics.returned_items), (4, 0, 0));
}

#[test]
fn a_pipeline_that_never_ran_hands_everything_back() {
    let (door, _) = door();
    let (sink, batches) = notes();
    let pipeline = ProducerConsumerPipeline::new(config(2), sink, &door).unwrap();
    let own = pipeline.clone();
    pipeline.listen(move |_| assert!(!own.is_running())).unwrap();
    // Not polled once before its runtime goes.
    let first = tokio::runtime::Builder::new_current_thread().build().unwrap();
    first.block_on(async {
        pipeline.start();
        for item in 1..=3 {
            pipeline.put(item).await.unwrap();
        }
    });
    drop(first);
    assert!(!pipeline.is_running());
    // And without any.
    let stopped = runtime().block_on(pipeline.stop(true));
    assert_eq!(stopped.returned, [1, 2, 3]);
    let none = std::panic::AssertUnwindSafe(|| pipeline.start());
    assert!(std::panic::catch_unwind(none).is_err());
    let third = runtime();
    third.block_on(async {
        assert!(pipeline.stop(true).await.returned.is_empty());
        pipeline.start();
        pipeline.put(4).await.unwrap();
        assert!(pipeline.stop(true).await.returned.is_empty());
    });
    assert_eq!(seen(&batches), [[4]]);
    assert_eq!(pipeline.callback_panics(), 0);
    let metrics = pipeline.get_metrics();
    assert_eq!((metrics.items_accepted, metrics.items_processed, metrics.returned_items), (4, 1, 3));
}

#[test]
fn a_pipeline_whose_runtime_is_gone_hands_everything_back_and_is_started_again() {
    let (door, _) = door();
    let gate = Arc::new(Semaphore::new(0));
    let (sink, batches) = notes();
    let sink = Notes { gate: Some(gate.clone()), ..sink };
    let pipeline = ProducerConsumerPipeline::new(config(2), sink, &door).unwrap();
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        pipeline.start();
        assert_eq!(pipeline.put_many((1..=5).collect()).await.accepted, 5);
        while pipeline.get_metrics().items_in_batch < 2 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    assert!(!pipeline.is_running());
    second.block_on(async {
        assert!(matches!(pipeline.put(6).await, Err(PutError::Shutdown { item: 6 })));
        let left = pipeline.stop(true).await;
        assert_eq!(left.returned, [1, 2, 3, 4, 5]);
        assert_eq!(left.error.as_deref(), Some("the runtime of the pipeline is gone"));
        gate.add_permits(1);
        pipeline.start();
        pipeline.put_many(left.returned[..2].to_vec()).await;
        assert!(pipeline.stop(true).await.returned.is_empty());
    });
    assert_eq!(seen(&batches), [[1, 2]]);
    let metrics = pipeline.get_metrics();
    assert_eq!((metrics.items_accepted, metrics.items_processed, metrics.returned_items), (7, 2, 5));
    assert_eq!(metrics.items_in_batch, 0);
}
