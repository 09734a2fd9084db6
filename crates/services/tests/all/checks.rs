use longshore_core::{Backoff, JobId};
use longshore_services::{PdfRequest, safe_name};
use serde_json::{Value, json};

use crate::support::{Room, letter};

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!({}), |inside, _| json!({ "a": inside }))
}

fn request(value: Value) -> Result<PdfRequest, longshore_core::Invalid> {
    PdfRequest::from_value(value)
}

#[test]
fn each_mistake_is_told_by_its_field() {
    let room = Room::with(|config| {
        config.limits.html_bytes = 1_000;
        config.limits.context_bytes = 2_000;
        config.limits.css_bytes = 100;
    });
    room.put("templates/letter/a.css", "");
    room.put("templates/letter/big.css", &" ".repeat(101));
    room.put("outside.css", "");
    room.put("outside.html", "");
    let link = |to: &str, at: &str| {
        std::os::unix::fs::symlink(room.dir.path().join(to), room.dir.path().join(at)).unwrap();
    };
    link("outside.css", "templates/letter/link.css");
    link("outside.html", "templates/linked.html");
    let with = |field: &str, value: Value| {
        let mut body =
            json!({"template_name": "letter", "context_data": {"text": "x"}, "output_format": "html"});
        body[field] = value;
        body
    };
    for (body, field, code) in [
        (json!([]), "", "invalid"),
        (json!({}), "template_name", "missing_field"),
        (with("html", json!("<p>")), "html", "invalid"),
        (with("template", json!("x")), "template", "unknown_field"),
        (with("template_name", json!(7)), "template_name", "invalid"),
        (with("template_name", json!("unknown")), "template_name", "unknown_template"),
        (with("template_name", json!("../outside")), "template_name", "unknown_template"),
        (with("template_name", json!("letter/template")), "template_name", "unknown_template"),
        (with("template_name", json!("/etc/passwd")), "template_name", "unknown_template"),
        (with("template_name", json!("..")), "template_name", "unknown_template"),
        (with("template_name", json!("")), "template_name", "unknown_template"),
        (with("template_name", json!("linked")), "template_name", "unknown_template"),
        (with("context_data", Value::Null), "context_data", "missing_field"),
        (with("context_data", json!([1])), "context_data", "invalid"),
        (with("context_data", json!("text")), "context_data", "invalid"),
        (with("context_data", nested(33)), "context_data", "nested_too_deep"),
        (with("context_data", json!({"text": "x".repeat(2_000)})), "context_data", "payload_too_large"),
        (with("css_files", json!("a.css")), "css_files", "invalid"),
        (with("css_files", json!([1])), "css_files[0]", "invalid"),
        (with("css_files", json!(["a.css", "b.css"])), "css_files[1]", "unknown_css_file"),
        (with("css_files", json!(["../letter/a.css"])), "css_files[0]", "unknown_css_file"),
        (with("css_files", json!(["template.html"])), "css_files[0]", "unknown_css_file"),
        (with("css_files", json!(["link.css"])), "css_files[0]", "unknown_css_file"),
        (with("css_files", json!(["big.css"])), "css_files[0]", "unknown_css_file"),
        (with("css_files", json!(vec!["a.css"; 17])), "css_files", "too_many"),
        (with("filename", json!("x".repeat(1_025))), "filename", "invalid"),
        (with("output_format", json!("docx")), "output_format", "invalid"),
        (with("renderer", json!("wkhtmltopdf")), "renderer", "invalid"),
        (with("renderer", json!("weasyprint")), "renderer", "renderer_unavailable"),
        (with("renderer", json!("chromium")), "renderer", "renderer_unavailable"),
        (json!({"html": "x".repeat(1_001)}), "html", "payload_too_large"),
        (json!({"html": " "}), "html", "invalid"),
        (json!({"html": "<p>", "context_data": {}}), "context_data", "invalid"),
    ] {
        let shown: String = body.to_string().chars().take(120).collect();
        let refused = request(body).and_then(|request| room.service.check(&request)).expect_err(&shown);
        assert_eq!((refused.field.as_str(), refused.code), (field, code), "{shown}: {refused}");
        assert!(!refused.to_string().contains(room.dir.path().to_str().unwrap()), "{refused}");
    }
    assert!(room.service.check(&request(with("css_files", json!(["a.css"]))).unwrap()).is_ok());
    assert!(room.service.check(&request(with("context_data", nested(32))).unwrap()).is_ok());
}

#[test]
fn an_unknown_template_is_answered_with_the_known_ones() {
    let room = Room::new();
    room.put("templates/invoice.html", "");
    assert_eq!(room.service.templates(), ["invoice", "letter"]);
    let refused = room.service.check(&PdfRequest::template("lettre", json!({}))).unwrap_err();
    assert_eq!(refused.to_string(), "template_name: expected one of invoice, letter, got \"lettre\"");
}

#[test]
fn a_job_has_the_options_of_the_service() {
    let room = Room::new();
    let html = PdfRequest { output_format: Some("html".to_owned()), ..letter(json!({"text": "x"})) };
    let spec = room.service.spec(JobId::from_u128(7), html.clone()).unwrap();
    assert_eq!((spec.queue.as_str(), spec.kind.as_str()), ("pdf", "pdf.render"));
    assert_eq!(spec.args.to::<PdfRequest>().unwrap(), html);
    let options = &spec.options;
    let seconds = |duration: Option<longshore_core::DurationText>| duration.unwrap().0.as_secs();
    assert_eq!((options.max_attempts, seconds(options.timeout)), (4, 305));
    assert_eq!((seconds(options.result_retention), seconds(options.retention)), (86_400, 8 * 86_400));
    assert!(matches!(options.backoff, Backoff::Linear { .. }));
    let waits = [1, 2, 3].map(|attempt| options.backoff.delay(attempt, 0.5).as_secs());
    assert_eq!(waits, [60, 120, 180]);
    let large =
        PdfRequest { output_format: html.output_format.clone(), ..PdfRequest::html("x".repeat(6 << 20)) };
    let refused = room.service.spec(JobId::from_u128(7), large).unwrap_err();
    assert_eq!((refused.field.as_str(), refused.code), ("html", "payload_too_large"));
    let long = JobId::parse(&"é".repeat(100)).unwrap();
    assert_eq!(room.service.spec(long, html).unwrap_err().field, "id");
}

#[test]
fn names_are_made_safe() {
    assert_eq!(safe_name("../../etc/passwd", "pdf").as_deref(), Some("passwd.pdf"));
    assert_eq!(safe_name("  ", "pdf"), None);
}
