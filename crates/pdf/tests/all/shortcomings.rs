//! What the engine cannot do, so that an upgrade which can do it fails here and the documents get corrected.
//!
//! Most of these compare two documents that should differ and do not.

use longshore_pdf::Document;

use crate::support::{html, read, render, text};

#[track_caller]
fn no_difference(one: &str, other: &str) {
    assert_eq!(html(one).bytes, html(other).bytes, "the engine has learnt something");
}

#[track_caller]
fn a_difference(one: &str, other: &str) {
    assert_ne!(html(one).bytes, html(other).bytes, "the engine has forgotten something");
}

#[test]
fn inline_boxes_have_no_background_but_inline_blocks_do() {
    no_difference("<p>a <span style='background: red'>b</span>", "<p>a <span>b</span>");
    let block = |style| format!("<p>a <span style='display: inline-block; {style}'>b</span>");
    a_difference(&block("background: red"), &block(""));
}

#[test]
fn all_borders_have_the_colour_of_the_top_border() {
    let left = |colour| format!("<p style='border-left: 4px solid {colour}'>x");
    no_difference(&left("red"), &left("blue"));
    let all = |colour| format!("<p style='border: 0 solid {colour}; border-left-width: 4px'>x");
    a_difference(&all("red"), &all("blue"));
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
