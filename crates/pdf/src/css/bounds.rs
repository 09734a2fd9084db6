use super::scan::scan;
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;

/// Checks what makes the engine recurse: brackets inside one another, and properties that refer to others.
///
/// Without this a megabyte of `calc(` ends the process, because a stack that overflows cannot be caught.
/// Answers the number of references, so that the caller can add up several sheets.
pub(crate) fn check(css: &str, limits: &Limits) -> Result<usize, PdfError> {
    let mut open = Vec::new();
    let mut references = 0;
    for token in scan(css) {
        match token.text {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            // As in the engine's parser, only the fitting bracket closes one.
            closing if open.last() == Some(&closing) => drop(open.pop()),
            _ if token.is_word("var") => references += 1,
            _ => {}
        }
        if open.len() > limits.nesting {
            return Err(PdfError::limit(LimitName::Nesting, limits.nesting, open.len()));
        }
    }
    check_references(references, limits)?;
    Ok(references)
}

/// Refuses more references than a chain of them may have.
pub(crate) fn check_references(references: usize, limits: &Limits) -> Result<(), PdfError> {
    if references > limits.css_references {
        return Err(PdfError::limit(LimitName::CssReferences, limits.css_references, references));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth_is_refused(css: &str) -> bool {
        matches!(check(css, &Limits::default()), Err(PdfError::Limit { limit: LimitName::Nesting, .. }))
    }

    #[test]
    fn brackets_are_counted_wherever_the_engine_sees_them() {
        let many = "(".repeat(300);
        assert!(!depth_is_refused(&format!("a{{content:'{many}'}}/*{many}*/b{{c:url({many})}}")));
        for hidden in [
            format!("a{{b:{many}"),
            format!("a{{b:'\r{many}'"),
            format!("a{{b:'\x0c{many}'"),
            format!("a{{b:u\\72 l(x' ){many}'"),
            format!("a{{b:url(\\)' ){many}'"),
            format!("a{{b:url('x' {many})"),
            format!("a{{b:{}", "'))'(".repeat(300)),
            format!("a{{b:{}", "}(".repeat(300)),
            "@media all{".repeat(300),
        ] {
            assert!(depth_is_refused(&hidden), "{hidden}");
        }
    }

    #[test]
    fn references_are_counted() {
        assert_eq!(check("p{--a:var(--b);c:var( --a );content:'var(--x)'}", &Limits::default()), Ok(2));
        let limits = Limits { css_references: 1, ..Limits::default() };
        let error = PdfError::Limit { limit: LimitName::CssReferences, allowed: 1, found: 2 };
        assert_eq!(check("p{a:var(--b)var(--c)}", &limits), Err(error));
    }
}
