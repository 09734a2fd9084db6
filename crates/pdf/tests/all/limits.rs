use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use longshore_pdf::{Assets, Document, LimitName, Limits, PdfError, Stop};

use crate::support::{PIXEL, broken, render, try_render};

#[test]
fn the_deepest_allowed_document_fits_the_stack() {
    for tag in ["div", "span", "b", "section", "blockquote", "ul><li"] {
        let levels = if tag == "ul><li" { 127 } else { 254 };
        let document = Document::new(format!("<{tag}>").repeat(levels) + "deep");
        assert!(render(document).pages >= 1, "{tag}");
    }
    for display in ["flex", "grid", "inline-block"] {
        let css = format!("div {{ display: {display} }}");
        let document = Document::new("<div>".repeat(254) + "deep").with_css("a.css", css);
        assert!(render(document).pages >= 1, "{display}");
    }
    let tables = Document::new("<table><tr><td>".repeat(63) + "deep");
    assert!(render(tables).pages >= 1);
}

#[test]
fn the_deepest_allowed_sheet_fits_the_stack() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        open.repeat(depth) + inner + &close.repeat(depth)
    };
    let chain: String = (0..49_999).fold(String::new(), |css, n| css + &format!("--n{n}:var(--n{});", n + 1));
    for css in [
        nested(":not(", "a", ")", 256) + "{}",
        format!("p{{width:{}}}", nested("calc(", "1px", ")", 255)),
        nested("@media all{", "p{}", "}", 255),
        nested("p{", "color:red", "}", 256),
    ] {
        assert_eq!(render(Document::new("<p>x").with_css("a.css", css)).pages, 1);
    }
    let document = Document::new(format!("<p style='width:var(--n0);{chain}'>x"));
    assert_eq!(render(document.with_css("a.css", format!("p{{{chain}}}"))).pages, 1);
}

#[test]
fn a_sheet_cannot_end_the_process() {
    let deep = "calc(".repeat(200_000);
    let attribute = Document::new(format!("<p style='width:{deep}'>x"));
    let element = Document::new(format!("<style>p{{width:{deep}</style>x"));
    let media = Document::new(format!("<style media='{deep}'>p{{}}</style>x"));
    let given = Document::new("x").with_css("a.css", format!("p{{width:{deep}"));
    let link =
        Document::new(format!("<link rel=stylesheet href=a.css media='{deep}'>")).with_css("a.css", "p{}");
    for document in [attribute, element, media, given, link] {
        assert_eq!(broken(try_render(document, Limits::default())), (LimitName::Nesting, 256, 257));
    }
    let chain = "p{--a:var(--b)}".repeat(50_001);
    let long = Document::new("x").with_css("a.css", chain);
    assert_eq!(broken(try_render(long, Limits::default())), (LimitName::CssReferences, 50_000, 50_001));
}

#[test]
fn selectors_inside_selectors_cannot_go_on_for_ever() {
    for open in ["a,b{", "& &{", ":is(&,&){"] {
        let css = open.repeat(100) + "color:red" + &"}".repeat(100);
        let (limit, ..) = broken(try_render(Document::new("<p>x").with_css("a.css", css), Limits::default()));
        assert_eq!(limit, LimitName::CssReferences, "{open}");
    }
    let usual = "ul, ol { li, p { &:hover, & > a { color: red } @media print { b, i { color: blue } } } }";
    assert_eq!(render(Document::new("<p>x").with_css("a.css", usual)).pages, 1);
}

#[test]
fn a_rule_for_all_elements_cannot_take_the_memory() {
    let document = |css: String| {
        let body = format!("<a title='{}' href=x>", "t".repeat(10_000)) + &"<p>x".repeat(2000);
        try_render(Document::new(body).with_css("a.css", css), Limits::default())
    };
    let long = "y".repeat(50_000);
    for css in [
        format!("p::before {{ content: '{long}' }}"),
        format!("*::before {{ c\\6fntent: '{long}'"),
        "p::before { content: attr(title) }".to_owned(),
        format!("p {{ --a: '{long}' }} p::before {{ content: var(--a) }}"),
        format!("p::before {{ content: var(--a) }} p {{ --a: '{long}' }}"),
        "p { --a: 'yyyy'; --b: var(--a) var(--a) var(--a); --c: var(--b) var(--b) } p::after { content: "
            .to_owned()
            + &"var(--c) ".repeat(200),
    ] {
        assert_eq!(broken(document(css)).0, LimitName::InputBytes);
    }
    for (property, layer) in [("background", "linear-gradient(red, blue)"), ("box-shadow", "1px 1px red")] {
        let css = format!("p {{ {property}: {} }}", [layer; 1000].join(","));
        assert_eq!(broken(document(css)).0, LimitName::Elements, "{property}");
    }
    let usual = "p::before { content: '\\2022  ' attr(class) ' ' var(--label) } :root { --label: 'Label'; --s: var(--a) var(--b) }
                 p { background: linear-gradient(red, blue), white; box-shadow: 0 0 1px red, 0 0 2px red } a::after { content: attr(href) }";
    assert!(document(usual.to_owned()).is_ok());
}

#[test]
fn sheets_that_only_the_engine_sees_are_checked_too() {
    let deep = "calc(".repeat(200_000);
    for html in [
        format!("<svg><style>p{{width:{deep}</style></svg><p>x"),
        format!("<math><style>p{{width:{deep}</style></math><p>x"),
        format!("<svg><desc><style>p{{width:{deep}</style></desc></svg><p>x"),
    ] {
        let result = try_render(Document::new(html), Limits::default());
        assert!(matches!(result, Ok(_) | Err(PdfError::Limit { .. })), "{result:?}");
    }
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
    let limits = Limits { stop: Stop::flag(Arc::new(AtomicBool::new(true))), ..Limits::default() };
    assert_eq!(try_render(Document::new("x"), limits), Err(PdfError::Stopped));
}

#[test]
fn a_caller_is_asked_while_the_document_is_read() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stop = Stop::when(move || count.fetch_add(1, Ordering::Relaxed) == 10);
    let limits = Limits { stop, ..Limits::default() };
    assert_eq!(try_render(Document::new("x".repeat(1_000_000)), limits), Err(PdfError::Stopped));
    assert_eq!(asked.load(Ordering::Relaxed), 11);
}
