use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_clock::{Door, ManualClock};
use longshore_core::{DurationText, JobId, JobSpec, Options, State};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, Attempt, IntoSeconds, Job, Outcome, Stop};
use longshore_services::{
    FileRecord, Files, FilesError, GENERATED_HTML, GENERATED_PDFS, PdfRequest, Swept, sweep_every,
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Saves a file and then ends as it is told.
#[derive(Serialize, Deserialize)]
struct Produce {
    fails: bool,
}

impl Job for Produce {
    type Output = longshore_core::Json;
    const KIND: &'static str = "test.produce";
}

struct Yard {
    dir: TempDir,
    kit: TestKit,
    files: Files,
    manual: ManualClock,
}

impl Yard {
    /// Stands at the present, because files have the time of their file system.
    fn new() -> Self {
        let (door, manual) = Door::manual(Door::system().clock.now(), 7);
        let dir = TempDir::new().unwrap();
        let files = Files::open(dir.path().to_str().unwrap(), door.clone()).unwrap();
        let store = Arc::new(MemoryStore::new(&door));
        let mut kit = TestKit::on(store, door, manual.clone());
        kit.state(files.clone());
        kit.register(
            async |Args(job): Args<Produce>, files: longshore_runtime::State<Files>, attempt: Attempt| {
                let saved = files.save(
                    GENERATED_PDFS,
                    &attempt.job_id,
                    "a.pdf",
                    "application/pdf",
                    Bytes::from_static(b"%PDF-"),
                    || true,
                );
                let record: FileRecord = saved.await?;
                if job.fails { Err(Outcome::fail("on purpose")) } else { Ok(record) }
            },
        );
        Self { dir, kit, files, manual }
    }

    async fn produce(&self, id: &str, fails: bool) {
        let args = longshore_core::Json::from_value(&Produce { fails }).unwrap();
        let mut spec = JobSpec::new(
            JobId::parse(id).unwrap(),
            "default".parse().unwrap(),
            Produce::KIND.parse().unwrap(),
            args,
        );
        let result_retention = Some(DurationText(24.hours()));
        spec.options = Arc::new(Options {
            result_retention,
            retention: Some(DurationText(192.hours())),
            ..Options::default()
        });
        self.kit.client().insert(vec![Arc::new(spec)]).await.unwrap();
        self.kit.run_one("default").await.unwrap().unwrap();
    }

    /// A file that no job knows, of this age.
    fn orphan(&self, id: &str, age: Duration) {
        let folder = self.dir.path().join("generated_pdfs/2020/01/02").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        let file = std::fs::File::create(folder.join("a.pdf")).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() - age).unwrap();
    }

    async fn sweep(&self) -> Swept {
        self.files.sweep(&self.kit.control()).await.unwrap()
    }

    fn jobs_with_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in [GENERATED_PDFS, GENERATED_HTML] {
            let mut level = vec![self.dir.path().join(top)];
            for _ in 0..4 {
                level = level
                    .iter()
                    .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten())
                    .map(|e| e.unwrap().path())
                    .collect();
            }
            found.extend(level.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()));
        }
        found.sort();
        found
    }
}

#[tokio::test]
async fn files_go_when_nobody_can_ask_for_them() {
    let yard = Yard::new();
    yard.produce("kept", false).await;
    yard.produce("failed", true).await;
    yard.files
        .save(GENERATED_HTML, "unknown", "a.html", "text/html", Bytes::from_static(b"four"), || true)
        .await
        .unwrap();
    std::fs::create_dir_all(yard.dir.path().join("generated_pdfs/2020/01/02/empty")).unwrap();
    assert_eq!(yard.sweep().await, Swept::default());
    assert_eq!(yard.jobs_with_files(), ["failed", "kept", "unknown"]);

    yard.kit.advance(2.hours()).await.unwrap();
    assert_eq!(yard.sweep().await, Swept { files: 2, bytes: 9, orphans: 1 });
    assert_eq!(yard.sweep().await, Swept::default());
    assert_eq!(yard.jobs_with_files(), ["kept"]);

    yard.kit.advance(23.hours()).await.unwrap();
    let job = yard.kit.control().job(&JobId::parse("kept").unwrap()).await.unwrap();
    assert_eq!((job.state, job.result), (State::Completed, None));
    assert_eq!(yard.sweep().await, Swept { files: 1, bytes: 5, orphans: 0 });
    assert!(yard.jobs_with_files().is_empty());
    let left: Vec<_> = std::fs::read_dir(yard.dir.path().join(GENERATED_PDFS)).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn leftovers_beside_the_result_go_and_links_are_left_alone() {
    let yard = Yard::new();
    yard.produce("kept", false).await;
    yard.files
        .save(GENERATED_PDFS, "kept", "earlier.pdf", "application/pdf", Bytes::from_static(b"x"), || true)
        .await
        .unwrap();
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("precious"), "").unwrap();
    std::os::unix::fs::symlink(outside.path(), yard.dir.path().join("generated_pdfs/link")).unwrap();
    yard.kit.advance(2.hours()).await.unwrap();
    assert_eq!(yard.sweep().await, Swept { files: 1, bytes: 1, orphans: 1 });
    assert!(outside.path().join("precious").exists());
}

#[tokio::test]
async fn many_files_go_in_steps() {
    let yard = Yard::new();
    for number in 0..1_100 {
        let folder = yard.dir.path().join(format!("generated_pdfs/2020/01/0{}/job-{number}", number % 7 + 1));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.pdf"), "x").unwrap();
    }
    yard.manual.advance(2.hours());
    assert_eq!(yard.sweep().await, Swept { files: 1_100, bytes: 1_100, orphans: 1_100 });
}

#[tokio::test]
async fn sweeps_come_again_until_they_are_stopped() {
    let yard = Yard::new();
    let stop = Stop::new();
    yard.orphan("first", 2.hours());
    let sweeps =
        tokio::spawn(sweep_every(yard.files.clone(), yard.kit.control(), 600.seconds(), stop.clone()));
    while !yard.jobs_with_files().is_empty() {
        tokio::task::yield_now().await;
    }
    yard.orphan("second", 2.hours());
    while !yard.jobs_with_files().is_empty() {
        yard.manual.advance(600.seconds());
        tokio::task::yield_now().await;
    }
    stop.drain();
    sweeps.await.unwrap();
}

#[test]
fn a_request_is_a_job_of_the_service() {
    assert_eq!((PdfRequest::KIND, PdfRequest::QUEUE), ("pdf.render", "pdf"));
}

#[tokio::test]
async fn the_files_of_another_store_are_left_alone() {
    let yard = Yard::new();
    yard.produce("kept", false).await;
    yard.files.sweep(&yard.kit.control()).await.unwrap();
    let other = Yard::new();
    let refused = yard.files.sweep(&other.kit.control()).await;
    assert!(matches!(refused, Err(FilesError::AnotherStore)), "{refused:?}");
}
