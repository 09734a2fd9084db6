use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use longshore_core::{EventName, State};
use longshore_services::{PdfRequest, PdfResult};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::jobs::percents;
use crate::support::{Plant, Room, letter};

/// The templates of the product.
pub(crate) fn sample_templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates")
}

pub(crate) fn sample() -> PdfRequest {
    let data = std::fs::read_to_string(sample_templates().join("monthly_report/data.json")).unwrap();
    PdfRequest::template("monthly_report", serde_json::from_str(&data).unwrap())
}

#[tokio::test]
async fn the_sample_becomes_three_pages_and_tells_its_steps() {
    let plant = Plant::start(Room::with(|config| config.templates = sample_templates()));
    let request = PdfRequest { filename: Some("../Monthly report".to_owned()), ..sample() };
    let (job, events) = plant.run(request).await;
    assert_eq!((job.state, job.attempt), (State::Completed, 1), "{:?}", job.errors);
    assert_eq!(percents(&events), [0, 10, 30, 50, 70, 90]);
    assert_eq!(job.progress.percent, 100);

    let result: PdfResult = job.result.as_ref().unwrap().to().unwrap();
    assert_eq!((result.pages, result.renderer.as_str()), (Some(3), "embedded"));
    assert_eq!(
        (result.filename.as_str(), result.content_type.as_str()),
        ("Monthly_report.pdf", "application/pdf")
    );
    let parts: Vec<&str> = result.path.split('/').collect();
    assert_eq!(
        (parts[0], parts[4], parts[5]),
        ("generated_pdfs", job.id().to_string().as_str(), "Monthly_report.pdf")
    );

    let (meta, stream) = plant.room.files.read(&result.path, None).await.unwrap();
    let bytes = stream.try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(bytes.starts_with(b"%PDF-"));
    assert_eq!((meta.size, result.size), (bytes.len() as u64, bytes.len() as u64));
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(result.sha256, sha256);
    // The style sheet beside the template was found without being asked for.
    assert!(!result.warnings.iter().any(|warning| warning.contains("report.css")), "{:?}", result.warnings);
    plant.end().await;
}

#[tokio::test]
async fn what_the_renderer_refuses_is_not_tried_again() {
    let plant = Plant::start(Room::with(|config| config.limits.output_bytes = 600));
    for (request, told) in [
        (letter(json!({"text": "a"})), "output_too_large: "),
        (PdfRequest::html("<b>".repeat(400)), "nested_too_deep: "),
    ] {
        let (job, _) = plant.run(request).await;
        assert_eq!((job.state, job.errors.len()), (State::Failed, 1));
        let message = &job.errors[0].message;
        assert!(message.starts_with(told), "{message}");
        assert!(!message.contains(plant.room.dir.path().to_str().unwrap()), "{message}");
    }
    assert!(plant.room.produced().is_empty());
    plant.end().await;
}

/// Long enough to be still at work when somebody who was told so has answered.
fn long() -> PdfRequest {
    PdfRequest::html("<p style='float:left'>word <b>word</b> word</p>".repeat(6_000))
}

#[tokio::test]
async fn a_cancel_while_rendering_ends_the_job_and_leaves_no_file() {
    let plant = Plant::start(Room::new());
    let (id, _) = plant.hear(long(), |event| event.progress == Some(70)).await;
    let mut heard = plant.engine.hub().watch(&id);
    plant.engine.control().cancel(&id).await.unwrap();
    while !heard.next().await.unwrap().event.event.is_end() {}
    assert_eq!(plant.job(&id).await.state, State::Cancelled);
    // The only thread is free again once the late document was thrown away.
    plant.room.service.render(&letter(json!({"text": "next"}))).await.unwrap();
    assert_eq!(plant.room.service.overdue(), 0);
    assert!(plant.room.produced().is_empty());
    plant.end().await;
}

#[tokio::test]
async fn a_document_that_takes_too_long_is_tried_once_more() {
    let plant = Plant::start(Room::with(|config| config.time_max = std::time::Duration::from_millis(100)));
    let (id, events) = plant.hear(long(), |event| event.event == EventName::Retrying).await;
    assert_eq!(events.last().unwrap().event, EventName::Retrying);
    let job = plant.job(&id).await;
    assert!(job.errors[0].message.starts_with("timeout: "), "{}", job.errors[0].message);
    assert!(plant.room.produced().is_empty());
    plant.end().await;
}
