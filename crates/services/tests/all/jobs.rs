use longshore_core::{Event, EventName, State};
use longshore_services::{PdfRequest, PdfResult};
use serde_json::json;

use crate::support::{Plant, Room, letter};

pub(crate) fn percents(events: &[Event]) -> Vec<u8> {
    let told = events.iter().filter(|event| event.event == EventName::Progress);
    told.filter_map(|event| event.progress).collect()
}

#[tokio::test]
async fn html_skips_the_renderer() {
    let plant = Plant::start(Room::new());
    let request =
        PdfRequest { output_format: Some("html".to_owned()), ..letter(json!({"text": "<script>"})) };
    let (job, events) = plant.run(request).await;
    assert_eq!(percents(&events), [0, 10, 30, 90]);
    let result: PdfResult = job.result.unwrap().to().unwrap();
    assert!(result.path.starts_with("generated_html/") && result.pages.is_none());
    assert!(
        result.filename.starts_with("report_20") && result.filename.split('.').nth(1) == Some("html"),
        "{}",
        result.filename
    );
    let text = std::fs::read_to_string(&plant.room.produced()[0]).unwrap();
    assert!(text.contains("<p>&lt;script&gt;</p>"), "{text}");
    plant.end().await;
}

#[tokio::test]
async fn what_cannot_get_better_is_not_tried_again() {
    let plant = Plant::start(Room::with(|config| config.limits.output_bytes = 60));
    plant.room.put("templates/two.html", "<p>\n{{ text }}{{ missing.inner }}");
    for (request, told) in [
        (letter(json!({})), "template_error: template letter, line 1: undefined value"),
        (
            PdfRequest::template("two", json!({"text": 1})),
            "template_error: template two, line 2: undefined value",
        ),
        (letter(json!({"text": "a".repeat(60)})), "output_too_large: "),
    ] {
        let (job, _) = plant.run(PdfRequest { output_format: Some("html".to_owned()), ..request }).await;
        assert_eq!((job.state, job.errors.len()), (State::Failed, 1));
        let message = &job.errors[0].message;
        assert!(message.starts_with(told), "{message}");
        assert!(!message.contains(plant.room.dir.path().to_str().unwrap()), "{message}");
    }
    assert!(plant.room.produced().is_empty());
    plant.end().await;
}
