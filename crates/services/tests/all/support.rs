use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_clock::Door;
use longshore_core::{Event, EventName, Job, JobId};
use longshore_memory::MemoryStore;
use longshore_runtime::{Engine, Handlers, Queue, Stop, Worker};
use longshore_services::{Files, PdfConfig, PdfRequest, PdfService};
use serde_json::Value;
use tempfile::TempDir;

/// A folder of templates, files and assets, and the service over them.
pub(crate) struct Room {
    pub(crate) dir: TempDir,
    pub(crate) door: Door,
    pub(crate) files: Files,
    pub(crate) service: PdfService,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With templates and assets of its own, in `templates/` and `assets/`.
    pub(crate) fn with(configure: impl FnOnce(&mut PdfConfig)) -> Self {
        let (dir, door) = (TempDir::new().unwrap(), Door::system());
        for folder in ["templates/letter", "assets"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let mut config = PdfConfig {
            templates: dir.path().join("templates"),
            assets: Some(dir.path().join("assets")),
            threads: 1,
            ..PdfConfig::default()
        };
        configure(&mut config);
        let files = Files::open(dir.path().join("files").to_str().unwrap(), door.clone()).unwrap();
        let service = PdfService::open(config, files.clone(), door.clone()).unwrap();
        let room = Self { dir, door, files, service };
        room.put(
            "templates/letter/template.html",
            "<html><head></head><body><p>{{ text }}</p></body></html>",
        );
        room
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        std::fs::write(self.dir.path().join(path), text).unwrap();
    }

    /// Every file that was produced, whole or not.
    pub(crate) fn produced(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), into)
                } else {
                    into.push(entry.path())
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.dir.path().join("files"), &mut files);
        files
    }
}

/// A request for the template that every room has.
pub(crate) fn letter(context: Value) -> PdfRequest {
    PdfRequest::template("letter", context)
}

/// A worker over a room.
pub(crate) struct Plant {
    pub(crate) room: Room,
    pub(crate) engine: Engine,
    stop: Stop,
    worker: tokio::task::JoinHandle<()>,
}

impl Plant {
    pub(crate) fn start(room: Room) -> Self {
        let engine = Engine::start(Arc::new(MemoryStore::new(&room.door)), room.door.clone());
        let mut handlers = Handlers::new();
        room.service.register(&mut handlers);
        let slots = Queue::new(PdfService::QUEUE).concurrency(room.service.threads());
        let stop = Stop::new();
        let running = Worker::new(engine.clone()).handlers(handlers).queue(slots).run_until(stop.clone());
        let worker = tokio::spawn(async move { running.await.unwrap() });
        Self { room, engine, stop, worker }
    }

    /// Inserts a request and hears what happens to it, until `is_last`.
    pub(crate) async fn hear(
        &self,
        request: PdfRequest,
        is_last: impl Fn(&Event) -> bool,
    ) -> (JobId, Vec<Event>) {
        let id = self.engine.client().new_id();
        let mut heard = self.engine.hub().watch(&id);
        let spec = self.room.service.spec(id.clone(), request).unwrap();
        self.engine.client().insert(vec![Arc::new(spec)]).await.unwrap();
        let mut events = Vec::new();
        loop {
            let event = heard.next().await.unwrap().event;
            assert_ne!(event.event, EventName::Gap);
            let done = is_last(&event) || event.event.is_end();
            events.push(event);
            if done {
                return (id, events);
            }
        }
    }

    /// Runs a request to its end.
    pub(crate) async fn run(&self, request: PdfRequest) -> (Job, Vec<Event>) {
        let (id, events) = self.hear(request, |_| false).await;
        (self.job(&id).await, events)
    }

    pub(crate) async fn job(&self, id: &JobId) -> Job {
        self.engine.control().job(id).await.unwrap()
    }

    pub(crate) async fn end(self) -> Room {
        self.stop.drain();
        self.worker.await.unwrap();
        self.room
    }
}
