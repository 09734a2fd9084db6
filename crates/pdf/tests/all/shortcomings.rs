//! What the engine cannot do, so that an upgrade which can do it fails here and the documents get corrected.
//!
//! Most of these compare two documents that should differ and do not.

use longshore_pdf::Document;

use crate::support::{html, read, render, text};

#[track_caller]
fn no_difference(one: &str, other: &str) {
    // Not `assert_eq`: nobody wants to read the bytes.
    assert!(html(one).bytes == html(other).bytes, "the engine has learnt something");
}

#[track_caller]
fn a_difference(one: &str, other: &str) {
    assert!(html(one).bytes != html(other).bytes, "the engine has forgotten something");
}

/// Filler of several lines.
fn lines(letters: usize) -> String {
    "word ".repeat(letters / 5)
}

#[test]
fn backgrounds_behind_parts_of_lines_need_a_block_of_modest_length() {
    let marked = |tag: &str, filler: &str, style: &str| format!("<{tag}>{filler}<b style='{style}'>b</b>");
    for (tag, filler) in [("p", lines(2000)), ("table><td", lines(500)), ("body", lines(20))] {
        no_difference(&marked(tag, &filler, "background: red"), &marked(tag, &filler, ""));
    }
    let nested = |colour| format!("<style>p {{ b {{ background: {colour} }} }}</style><p>a <b>b</b>");
    no_difference(&nested("red"), &nested("transparent"));
    let before = |colour| format!("<style>p::before {{ content: 'a'; background: {colour} }}</style><p>b");
    no_difference(&before("red"), &before("transparent"));
    let deep = |style| format!("<p>a <mark>b <mark>c <i style='{style}'>d</i></mark></mark>");
    no_difference(&deep("background: red"), &deep(""));
}

#[test]
fn boxes_in_bare_or_very_long_paragraphs_of_several_lines_are_lost() {
    let boxed = |tag: &str, filler: &str| {
        format!("<{tag}>{filler}<b style='display: inline-block'>LOST</b> {filler}<p>x")
    };
    for (tag, filler) in [("body", lines(400)), ("p", lines(1200))] {
        assert!(!text(&html(&boxed(tag, &filler))).contains("LOST"), "the engine has learnt something");
    }
    let block = |style: &str| {
        let filler = lines(400);
        format!("<div style='{style}'>{filler}<div style='display: inline-block'>LOST</div> {filler}</div>")
    };
    assert!(!text(&html(&block(""))).contains("LOST"), "the engine has learnt something");
    assert!(text(&html(&block("break-inside: avoid"))).contains("LOST"), "the documented way out is closed");
}

#[test]
fn a_long_passage_with_a_background_is_one_box() {
    // In a browser the last word would stand right of where the passage ends.
    let passage = |style: &str| html(&format!("<p>a <b style='{style}'>{}</b> <i>end</i>", lines(90)));
    let end = |style: &str| {
        read(&passage(style)).text_items.last().map(|item| item.x.round()).expect("there is text")
    };
    assert!(end("background: red") < end(""));
}

#[test]
fn two_colours_on_the_borders_of_one_box_are_one() {
    let both = |left| format!("<p style='border: 1px solid red; border-left: 4px solid {left}'>x");
    no_difference(&both("red"), &both("blue"));
    let sides = |left| format!("<p style='border-left: 4px solid {left}; border-right: 4px solid red'>x");
    no_difference(&sides("red"), &sides("blue"));
}

#[test]
fn text_in_svg_is_drawn_as_shapes_and_cannot_be_searched() {
    let svg = |inner| format!("<svg width=90 height=20>{inner}</svg>");
    let drawn = svg("<text y=12>Axis</text>");
    a_difference(&drawn, &svg(""));
    assert_eq!(text(&html(&drawn)), "");
}

#[test]
fn margin_boxes_at_the_sides_begin_at_the_edge_of_the_page() {
    let x = |place: &str| {
        let css = format!("@page {{ {place} {{ content: 'margin' }} }}");
        let items = read(&render(Document::new("").with_css("a.css", css))).text_items;
        items.first().map(|item| item.x).expect("the margin box has text")
    };
    assert!(x("@left-middle") < 1.0);
}

#[test]
fn letter_case_and_one_sided_tables_are_as_written() {
    no_difference("<p style='text-transform: uppercase'>abc", "<p>abc");
    no_difference("<p style='font-variant-numeric: tabular-nums'>123", "<p>123");
}
