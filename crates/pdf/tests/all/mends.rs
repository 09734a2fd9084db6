//! What the engine cannot do and this crate makes up for: backgrounds behind parts of lines, colours of
//! borders, and boxes in paragraphs of several lines.

use longshore_pdf::Document;
use lopdf::content::Content;

use crate::support::{PIXEL_DATA, html, read, render, text};

/// The areas of a page that are filled with a colour, given as in a PDF: three numbers up to one.
fn fills(document: Document, colour: [f32; 3]) -> usize {
    let pdf = lopdf::Document::load_mem(&render(document).bytes).expect("the engine wrote a readable PDF");
    let pages = pdf.get_pages();
    let contents = pages.values().map(|page| pdf.get_page_content(*page));
    let operations = contents.flat_map(|bytes| Content::decode(&bytes).expect("it can be read").operations);
    let (mut current, mut found) = ([0.0; 3], 0);
    for operation in operations {
        match operation.operator.as_str() {
            "rg" | "sc" | "scn" if operation.operands.len() == 3 => {
                for (part, operand) in current.iter_mut().zip(&operation.operands) {
                    *part = operand.as_float().unwrap_or_default();
                }
            }
            "f" | "f*" => {
                found +=
                    usize::from(current.iter().zip(colour).all(|(one, other)| (one - other).abs() < 0.01));
            }
            _ => {}
        }
    }
    found
}

const RED: [f32; 3] = [1.0, 0.0, 0.0];

fn red(css: &str, body: &str) -> usize {
    fills(Document::new(body).with_css("a.css", css), RED)
}

#[test]
fn parts_of_lines_have_the_background_of_their_rule() {
    let body = "<p>a <span class='st ok'>b</span> <code title=x>c</code>";
    for (css, expected) in [
        (".ok { background: red }", 1),
        (".st.ok, code { background-color: #f00 }", 2),
        ("p > .st { background: red no-repeat }", 1),
        ("[title] { background: red }", 1),
        ("@media print { .ok { background: red } }", 1),
        ("@media screen { .ok { background: red } }", 0),
        ("@supports (color: red) { .ok { background: red } }", 1),
        ("@layer a { .ok { background: red } }", 1),
        (".no { background: red }", 0),
    ] {
        assert_eq!(red(css, body), expected, "{css}");
    }
    for (body, expected) in [
        ("<style>b { background: red }</style><p>a <b>b</b>", 1),
        ("<style media=print>b { background: red }</style><p>a <b>b</b>", 1),
        ("<style media=screen>b { background: red }</style><p>a <b>b</b>", 0),
        ("<style media='print and (min-width: 1px)'>b { background: red }</style><p>a <b>b</b>", 1),
        ("<p>a <b style='background: red'>b</b>", 1),
        ("<ul><li>a <i><b style='color: #fff; background: red'>b</b></i></ul>", 1),
        ("<table><tr><td><b style='background: red'>b</b></table>", 1),
    ] {
        assert_eq!(red("", body), expected, "{body}");
    }
    assert_eq!(fills(Document::new("<p>a <mark>b</mark>"), [1.0, 1.0, 0.0]), 1);
}

#[test]
fn what_a_document_says_of_display_wins() {
    let lines = |css: &str, attribute: &str| {
        let body = format!("<p>a <span class=x {attribute}>b</span> c");
        let items = read(&render(Document::new(body).with_css("a.css", css))).text_items;
        items.iter().map(|item| item.y.round() as i32).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(lines(".x { background: red }", ""), 1);
    for css in [
        ".x { background: red; display: block }",
        "@layer a { .x { display: block } } p .x { background: red }",
        ":where(span) { display: block } .x { background: red }",
    ] {
        assert_eq!(lines(css, ""), 3, "{css}");
    }
    assert_eq!(lines("span { display: block }", "style='background: red'"), 3);
}

#[test]
fn other_sides_are_drawn_in_the_colour_of_their_rule() {
    let left = |colour: &str| html(&format!("<p style='border-left: 4mm solid {colour}'>x")).bytes;
    let all =
        |colour: &str| html(&format!("<p style='border: 0 solid {colour}; border-left-width: 4mm'>x")).bytes;
    assert!(left("#2f6f9f") == all("#2f6f9f"));
    let rule = |css: &str| render(Document::new("<table><td>x</table>").with_css("a.css", css)).bytes;
    assert!(
        rule("td { border-bottom: .4pt solid #ccc }")
            == rule("td { border: 0 solid #ccc; border-bottom-width: .4pt }")
    );
}

#[test]
fn boxes_in_paragraphs_of_several_lines_are_not_lost() {
    let filler = "word ".repeat(60);
    for (css, inner) in [
        ("code { background: #eee }", "<code>KEPT</code>"),
        (".x { display: inline-block }", "<i><span class=x>KEPT</span></i>"),
        (".x { display: inline-flex }", "<span class=x>KEPT</span>"),
        ("", "<b style='display: inline-block'>KEPT</b>"),
        ("a { background: #eee }", "<a href='https://example.com/'>KEPT</a>"),
    ] {
        for (open, close) in
            [("<p>", "</p>"), ("<ul><li>", "</ul>"), ("<div>", "</div>"), ("<table><td>", "</table>")]
        {
            let body = format!("{open}{filler}{inner} {filler}{close}<p>x");
            let rendered = render(Document::new(body).with_css("a.css", css));
            assert!(text(&rendered).contains("KEPT"), "{css} {open}");
        }
    }
    let nested = html(&("<p>".to_owned() + &"word <mark>".repeat(200)));
    assert_eq!(text(&nested), "word".repeat(200));
    let picture = html(&format!("<p>{filler}<img src='{PIXEL_DATA}'> {filler}</p>"));
    assert_eq!(read(&picture).images.len(), 1);
}

#[test]
fn a_link_with_a_background_still_leads_somewhere() {
    let linked = html("<style>a { background: #eee }</style><p>a <a href='https://example.com/'>b</a>");
    assert!(String::from_utf8_lossy(&linked.bytes).contains("(https://example.com/)"));
}
