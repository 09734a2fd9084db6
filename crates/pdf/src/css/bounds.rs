use super::scan::{Kind, Token, scan};
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;

/// Checks what makes the engine recurse: brackets inside one another, and properties that refer to others.
/// And what makes it repeat: selectors inside selectors.
///
/// Without this a megabyte of `calc(` ends the process, because a stack that overflows cannot be caught.
/// Answers the number of references, so that the caller can add up several sheets.
pub(crate) fn check(css: &str, limits: &Limits) -> Result<usize, PdfError> {
    let mut open = Vec::new();
    let mut references = 0_usize;
    let mut rules = Rules::default();
    for token in scan(css) {
        references = references.saturating_add(rules.repeats(&token));
        match token.text {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            // As in the engine's parser, only the fitting bracket closes one.
            closing if open.last() == Some(&closing) => drop(open.pop()),
            _ if token.is_word("var") => references = references.saturating_add(1),
            _ => {}
        }
        if open.len() > limits.nesting {
            return Err(PdfError::limit(LimitName::Nesting, limits.nesting, open.len()));
        }
    }
    check_references(references, limits)?;
    Ok(references)
}

/// The rules that are open, to tell how often the engine repeats the selectors of a rule inside others.
#[derive(Debug, Default)]
struct Rules {
    /// For each open block the repeats of its selectors; one for at-rules of their own.
    open: Vec<usize>,
    at_rule: bool,
    /// Selectors of the rule that begins, and those that name the rule around it.
    parts: usize,
    nestings: usize,
    begun: bool,
}

impl Rules {
    /// What this token adds: for a rule inside another one, each further copy of the outer selectors.
    fn repeats(&mut self, token: &Token<'_>) -> usize {
        match token.text {
            "{" => {
                let outer = self.open.last().copied().unwrap_or(1);
                let own = if self.at_rule { 1 } else { (self.parts + 1).max(self.nestings) };
                let repeats = outer.saturating_mul(own);
                let inside = !self.open.is_empty() && repeats > outer;
                self.open.push(repeats);
                self.begin();
                return if inside { repeats - 1 } else { 0 };
            }
            "}" => {
                self.open.pop();
                self.begin();
            }
            ";" => self.begin(),
            "," => self.parts += 1,
            "&" => self.nestings += 1,
            _ if token.is_blank() => {}
            _ => {
                self.at_rule |= !self.begun && token.kind == Kind::At;
                self.begun = true;
            }
        }
        0
    }

    fn begin(&mut self) {
        (self.at_rule, self.parts, self.nestings, self.begun) = (false, 0, 0, false);
    }
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
    fn selectors_that_nesting_repeats_are_counted() {
        let found = |css: &str| check(css, &Limits::default());
        assert_eq!(found("a,b,c{d{x:y}@media print{e{}}}a,b{}"), Ok(0));
        assert_eq!(found("a,b{c,d{x:y,z}e,f{}}"), Ok(3 + 3));
        assert_eq!(found("p{& & &{}& & &{}}"), Ok(2 + 2));
        for many in ["a,b{", "& &{", ":is(&,&){", "@media all{a,b{"] {
            let refused = found(&many.repeat(60));
            let limit = LimitName::CssReferences;
            assert!(matches!(refused, Err(PdfError::Limit { limit: found, .. }) if found == limit), "{many}");
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
