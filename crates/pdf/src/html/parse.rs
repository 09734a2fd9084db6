use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{ParseOpts, parse_document};

use super::sink::Sink;
use super::tree::Tree;
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;

/// Small enough that a hostile document cannot do much between two checks.
const STEP_BYTES: usize = 4096;

/// Parses `html` by the rules of browsers, and gives up as soon as a limit is passed.
pub(crate) fn parse(html: &str, limits: &Limits) -> Result<Tree, PdfError> {
    if html.len() > limits.input_bytes {
        return Err(PdfError::limit(LimitName::InputBytes, limits.input_bytes, html.len()));
    }
    let mut options = ParseOpts::default();
    options.tree_builder.scripting_enabled = false;
    let mut parser = parse_document(Sink::new(), options);
    let mut rest = html;
    while !rest.is_empty() {
        let (step, after) = rest.split_at(rest.floor_char_boundary(STEP_BYTES));
        parser.process(StrTendril::from_slice(step));
        check(&parser.tokenizer.sink.sink, limits)?;
        limits.stop.check()?;
        rest = after;
    }
    let tree = parser.finish();
    within(LimitName::Nesting, limits.nesting, tree.nesting())?;
    Ok(tree)
}

fn check(sink: &Sink, limits: &Limits) -> Result<(), PdfError> {
    within(LimitName::Nesting, limits.nesting, sink.nesting.get())?;
    within(LimitName::Elements, limits.elements, sink.elements.get())?;
    within(LimitName::ExpandedBytes, limits.expanded_bytes, sink.attribute_bytes.get())
}

fn within(limit: LimitName, allowed: usize, found: usize) -> Result<(), PdfError> {
    if found > allowed { Err(PdfError::limit(limit, allowed, found)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(html: &str) -> PdfError {
        parse(html, &Limits::default()).expect_err("the document is over a limit")
    }

    #[test]
    fn nesting_counts_the_tree_and_not_the_tags() {
        let unclosed = "<p>x".repeat(1000);
        assert_eq!(parse(&unclosed, &Limits::default()).map(|tree| tree.nesting()), Ok(3));
        // html and body are the two outermost.
        let deepest = "<div>".repeat(254);
        assert_eq!(parse(&deepest, &Limits::default()).map(|tree| tree.nesting()), Ok(256));
        let limit = LimitName::Nesting;
        assert_eq!(refused(&"<div>".repeat(255)), PdfError::Limit { limit, allowed: 256, found: 257 });
    }

    #[test]
    fn a_million_levels_are_refused_early() {
        assert!(matches!(
            refused(&"<div>".repeat(1_000_000)),
            PdfError::Limit { limit: LimitName::Nesting, found: ..2000, .. }
        ));
    }

    #[test]
    fn elements_that_the_parser_repeats_are_counted() {
        let open = (0..100).fold(String::new(), |open, n| open + &format!("<b id={n}>"));
        let html = format!("<p>{open}{}", "<p>x".repeat(50_000));
        assert!(matches!(refused(&html), PdfError::Limit { limit: LimitName::Elements, .. }));
    }

    #[test]
    fn attributes_that_the_parser_repeats_are_counted() {
        let html = format!("<p><b class={}>{}", "x".repeat(1_000_000), "<p>x".repeat(1000));
        assert!(matches!(refused(&html), PdfError::Limit { limit: LimitName::ExpandedBytes, .. }));
    }
}
