use longshore_services::{PdfRequest, PdfServiceError};
use serde_json::json;

use crate::support::{Room, letter};

fn as_html(request: PdfRequest) -> PdfRequest {
    PdfRequest { output_format: Some("html".to_owned()), ..request }
}

async fn html(room: &Room, request: PdfRequest) -> String {
    let rendered = room.service.render(&as_html(request)).await.unwrap();
    String::from_utf8(rendered.bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn nothing_from_the_context_is_markup_or_template() {
    let room = Room::new();
    let text = html(&room, letter(json!({"text": "<script>alert('{{ 7 * 7 }}')</script>&\""}))).await;
    assert!(
        !text.contains("<script>") && text.contains("&lt;script&gt;") && text.contains("{{ 7 * 7 }}"),
        "{text}"
    );
    let finished = html(&room, PdfRequest::html("<p>{{ 7 * 7 }}</p>")).await;
    assert!(finished.contains("{{ 7 * 7 }}"));
}

#[tokio::test]
async fn style_sheets_apply_in_order_and_come_from_two_folders() {
    let room = Room::new();
    room.put("templates/letter/own.css", "p{color:red}");
    room.put("assets/shared.css", "p{color:blue}");
    let css_files = vec!["shared.css".to_owned(), "own.css".to_owned()];
    let text = html(&room, PdfRequest { css_files, ..letter(json!({"text": ""})) }).await;
    assert!(text.find("blue").unwrap() < text.find("red").unwrap(), "{text}");
}

#[tokio::test]
async fn templates_include_from_their_own_folder_only() {
    let room = Room::new();
    room.put("templates/letter/part.html", "part of {{ text }}");
    room.put("templates/letter/template.html", "{% include 'part.html' %}");
    assert_eq!(html(&room, letter(json!({"text": "<b>"}))).await, "part of &lt;b&gt;");
    room.put("templates/secret.html", "secret");
    for way_out in ["../secret.html", "/etc/hostname", "..", "template.html/../part.html"] {
        room.put("templates/letter/template.html", &format!("{{% include '{way_out}' %}}"));
        let refused = room.service.render(&as_html(letter(json!({})))).await.unwrap_err();
        assert!(matches!(refused, PdfServiceError::Template(_)), "{refused}");
    }
}

#[tokio::test]
async fn templates_end() {
    let room = Room::with(|config| config.limits.html_bytes = 10_000);
    let far = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    let wide = "{% for a in range(90000) %}{{ a }}{% endfor %}";
    let deep = "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}";
    for (template, code) in [(far, "template_too_long"), (wide, "input_too_large"), (deep, "template_error")]
    {
        room.put("templates/letter/template.html", template);
        let refused = room.service.render(&as_html(letter(json!({})))).await.unwrap_err();
        assert_eq!((refused.code(), refused.is_transient()), (code, false), "{refused}");
    }
}

#[cfg(feature = "pdf")]
#[tokio::test]
async fn images_come_from_known_folders_and_symlinks_lead_nowhere() {
    let room = Room::new();
    room.put(
        "assets/known.svg",
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>",
    );
    room.put("outside.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    std::os::unix::fs::symlink(room.dir.path().join("outside.svg"), room.dir.path().join("assets/link.svg"))
        .unwrap();
    let images =
        ["known.svg", "link.svg", "../outside.svg", "http://127.0.0.1:1/x.svg", "file:///etc/hostname"];
    let body = images.map(|image| format!("<img src='{image}'>")).concat();
    let rendered = room.service.render(&PdfRequest::html(body)).await.unwrap();
    assert!(rendered.bytes.starts_with(b"%PDF-") && rendered.pages == Some(1));
    let warned = |name: &str| rendered.warnings.iter().any(|warning| warning.contains(name));
    assert!(!warned("known.svg"), "{:?}", rendered.warnings);
    for image in &images[1..] {
        assert!(warned(image), "{image}: {:?}", rendered.warnings);
    }
}

#[cfg(not(feature = "pdf"))]
#[test]
fn without_the_renderer_pdf_is_unavailable() {
    let room = Room::new();
    assert_eq!(room.service.check(&PdfRequest::html("<p>")).unwrap_err().code, "renderer_unavailable");
}
