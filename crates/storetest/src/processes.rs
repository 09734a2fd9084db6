//! Many processes at once on one store.
//!
//! A question asks itself again in processes of its own: it starts the running test program anew for the same test,
//! and tells it where the data are. There only the work is done, at the place of the question that asked.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use longshore_core::{JobFilter, State, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::desk::{Desk, every};
use crate::draft::{START, job};
use crate::races;

const PROCESSES: usize = 4;
/// Tell a process that it was started by a question: where the data are, and which one it is.
const PLACE: &str = "STORETEST_PLACE";
const NUMBER: &str = "STORETEST_NUMBER";
/// Stands before the answer of a process, among all that a test prints.
const ANSWER: &str = "the answer of this process: ";
/// The log in which processes wait for each other.
const MEETING: &str = "meeting";

/// Prepares the store, does the work in several processes at once, and gives what each answered. None if there is
/// nothing to judge here: because this is one of those processes, or because the store lives in one process alone.
async fn across<T, F>(
    desk: &Desk,
    prepare: impl Future,
    work: impl Fn(usize, Arc<dyn Store>) -> F,
) -> Option<Vec<T>>
where
    T: Serialize + DeserializeOwned,
    F: Future<Output = T>,
{
    if !desk.store.can().shared {
        return None;
    }
    if let Ok(place) = std::env::var(PLACE) {
        let store = desk.open(&place).await;
        meet(&*store, 1).await;
        let answer = work(std::env::var(NUMBER).unwrap().parse().unwrap(), store.clone()).await;
        store.close().await.unwrap();
        // A line of its own, whatever stands on the one before.
        let line = format!("\n{ANSWER}{}\n", serde_json::to_string(&answer).unwrap());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        return None;
    }
    prepare.await;
    let started: Vec<_> = (0..PROCESSES).map(|number| start(desk, number)).collect();
    let ended = tokio::task::block_in_place(|| {
        started.into_iter().map(|child| child.wait_with_output().unwrap()).collect::<Vec<_>>()
    });
    let answers = ended.into_iter().map(|output| {
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = told.lines().find_map(|line| line.strip_prefix(ANSWER));
        let answer = answer.unwrap_or_else(|| {
            panic!("a process gave no answer:\n{told}{}", String::from_utf8_lossy(&output.stderr))
        });
        serde_json::from_str(answer).unwrap()
    });
    Some(answers.collect())
}

fn start(desk: &Desk, number: usize) -> std::process::Child {
    let (_, module) = desk.exam.module.split_once("::").unwrap_or_default();
    let test =
        if module.is_empty() { desk.question.to_owned() } else { format!("{module}::{}", desk.question) };
    Command::new(std::env::current_exe().unwrap())
        .args([&*test, "--exact", "--nocapture"])
        .env(PLACE, desk.place())
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until all processes are here for the so manieth time, so that none has done everything before the next one comes.
async fn meet(store: &dyn Store, time: usize) {
    let mut bell = store.wakeups();
    store.log_append(MEETING, vec![Bytes::from_static(b"here")], 2 * PROCESSES).await.unwrap();
    while store.log_end(MEETING).await.unwrap() < (time * PROCESSES) as u64 {
        if store.can().push {
            bell.next().await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn processes_lease_every_job_once(desk: &Desk) {
    const JOBS: usize = 1_000;
    let jobs = desk.insert((0..JOBS).map(|index| job(&format!("j{index}"))), START);
    let lease = async |_, store: Arc<dyn Store>| {
        let mut ids = races::lease_some(&*store).await;
        // Each has some, and then they race.
        meet(&*store, 2).await;
        ids.extend(races::lease_all(0, store).await);
        ids
    };
    let Some(given) = across(desk, jobs, lease).await else { return };
    assert!(given.iter().all(|ids| !ids.is_empty()), "one of them did not race");
    let ids: Vec<_> = given.into_iter().flatten().collect();
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (JOBS, JOBS));
    assert_eq!(desk.count("default", State::Running).await, JOBS as u64);
}

pub(crate) async fn processes_that_insert_one_id_at_once_make_one_job(desk: &Desk) {
    let Some(created) = across(desk, async {}, races::insert_shared).await else { return };
    let created: Vec<_> = created.into_iter().flatten().collect();
    assert_eq!(created.len(), races::INSERTED * (1 + PROCESSES));
    assert_eq!(created.iter().collect::<HashSet<_>>().len(), created.len());
    assert_eq!(desk.count("default", State::Ready).await, created.len() as u64);
}

pub(crate) async fn processes_leave_counts_that_are_right(desk: &Desk) {
    let Some(steps) = across(desk, async {}, races::live).await else { return };
    assert_eq!(steps, [races::LIVED; PROCESSES]);
    // The audit at the end of each question counts.
    assert_eq!(
        every(&*desk.store, &JobFilter::default(), 7).await.unwrap().len(),
        desk.whole().await.1.len()
    );
}

pub(crate) async fn processes_lose_no_write_to_a_document(desk: &Desk) {
    let Some(written) = across(desk, async {}, races::count_up).await else { return };
    let value = desk.store.doc_get("count", START).await.unwrap().unwrap().value;
    assert_eq!(value[..], written.iter().sum::<u64>().to_be_bytes());
}

pub(crate) async fn processes_share_the_count_of_a_limiter(desk: &Desk) {
    let Some(allowed) = across(desk, async {}, races::ask_limiter).await else { return };
    assert_eq!(allowed.iter().sum::<u32>(), races::ALLOWED);
}
