use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use longshore_pdf::{Assets, Document, LimitName, Limits, PdfError, Rendered, Stop};

use crate::support::{PIXEL, render, try_render};

fn broken(result: Result<Rendered, PdfError>) -> (LimitName, u64, u64) {
    match result {
        Err(PdfError::Limit { limit, allowed, found }) => (limit, allowed, found),
        other => panic!("expected a limit, got {other:?}"),
    }
}

#[test]
fn the_deepest_allowed_document_fits_the_stack() {
    for tag in ["div", "span", "b", "section", "blockquote", "ul><li"] {
        let levels = if tag == "ul><li" { 127 } else { 254 };
        let document = Document::new(format!("<{tag}>").repeat(levels) + "deep");
        assert!(render(document).pages >= 1, "{tag}");
    }
    let flex = Document::new("<div>".repeat(254) + "deep").with_css("a.css", "div { display: flex }");
    assert!(render(flex).pages >= 1);
    let tables = Document::new("<table><tr><td>".repeat(63) + "deep");
    assert!(render(tables).pages >= 1);
}

#[test]
fn each_limit_has_its_name_and_tells_the_figures() {
    let small = Limits { input_bytes: 10, ..Limits::default() };
    let error = broken(try_render(Document::new("<p>eleven</p>"), small));
    assert_eq!(error, (LimitName::InputBytes, 10, 13));

    let css = Limits { css_bytes: 3, ..Limits::default() };
    let error = broken(try_render(Document::new("").with_css("a.css", "p{}").with_css("b.css", "q{}"), css));
    assert_eq!(error, (LimitName::CssBytes, 3, 6));

    let deep = Document::new("<div>".repeat(255));
    assert_eq!(broken(try_render(deep, Limits::default())), (LimitName::Nesting, 256, 257));

    let many = Limits { elements: 5, ..Limits::default() };
    assert_eq!(broken(try_render(Document::new("<p>a<p>b<p>c"), many)), (LimitName::Elements, 5, 6));

    let assets: Assets = [("a.png", PIXEL.to_vec())].into_iter().collect();
    let heavy = Limits { asset_bytes: 10, ..Limits::default() };
    let image = Document::new("<img src=a.png>").with_assets(assets);
    assert_eq!(broken(try_render(image, heavy)), (LimitName::AssetBytes, 10, PIXEL.len() as u64));

    let pages = Limits { pages: 2, ..Limits::default() };
    let long = Document::new("<p style='break-after: page'>x</p>".repeat(3) + "end");
    assert_eq!(broken(try_render(long, pages)), (LimitName::Pages, 2, 4));

    let output = Limits { output_bytes: 100, ..Limits::default() };
    assert!(matches!(broken(try_render(Document::new("x"), output)), (LimitName::OutputBytes, 100, 101..)));
}

#[test]
fn the_message_names_the_limit() {
    let error = PdfError::Limit { limit: LimitName::Nesting, allowed: 256, found: 300 };
    assert_eq!(error.to_string(), "the document exceeds the limit `nesting`: allowed 256, found 300");
}

#[test]
fn a_caller_can_stop_before_layout() {
    let cancelled = Stop::flag(Arc::new(AtomicBool::new(true)));
    for stop in [cancelled, Stop::at(Instant::now())] {
        let limits = Limits { stop, ..Limits::default() };
        assert_eq!(try_render(Document::new("x"), limits), Err(PdfError::Stopped));
    }
}
