use std::iter::Peekable;
use std::vec::IntoIter;

use super::borders;
use super::boxes::{self, Boxed};
use super::family::Families;
use super::generated::{Generated, weigh};
use super::margin;
use super::repeat::is_repeated;
use super::scan::{Kind, Token, scan};
use crate::error::PdfError;

/// What a style sheet may ask of the document around it.
pub(crate) trait Sheet {
    /// The name under which the engine knows the picture, or nothing if there is none to show.
    fn picture(&mut self, address: &str, shown: Shown) -> Result<Option<String>, PdfError>;
    /// How many elements the selectors of a rule fit at most.
    fn fitting(&self, selectors: &str) -> usize;
    /// Counts what a declaration adds to each of so many elements.
    fn generate(&mut self, generated: &Generated, elements: usize) -> Result<(), PdfError>;
    /// Takes the font of an `@font-face` rule, if it is among the assets.
    fn font(&mut self, address: &str) -> Result<(), PdfError>;
    /// The finished text of an imported sheet, or nothing if it is not there or already used.
    fn import(&mut self, address: &str) -> Result<Option<String>, PdfError>;
    /// Takes notice of a rule that makes boxes of parts of a line.
    fn boxed(&mut self, boxed: Boxed);
}

/// How often a picture of a sheet may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// By how many elements at most.
    pub(crate) elements: usize,
    /// Whether it may be repeated within one element.
    pub(crate) repeated: bool,
}

/// What is to be rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// A style sheet, or a part of one: the rules of all sheets follow one another in one text.
    Sheet,
    /// The declarations of a `style` attribute.
    Attribute,
}

/// Rewrites a sheet or an attribute.
pub(crate) fn rewrite(
    css: &str,
    whole: Whole,
    families: &Families,
    sheet: &mut dyn Sheet,
) -> Result<String, PdfError> {
    let tokens = scan(css);
    let nested = is_well_nested(&tokens);
    let mut borders = Vec::new();
    if nested {
        borders = borders::mends(&tokens, whole);
        boxes::rules(&tokens, &mut |selector, boxed| {
            if sheet.fitting(selector) > 0 {
                sheet.boxed(boxed);
            }
        });
    }
    let mut rewriter = Rewriter {
        at: 0,
        begun: 0,
        uses: Vec::new(),
        outside: if whole == Whole::Attribute { 1 } else { sheet.fitting("*") },
        nested,
        borders: borders.into_iter().peekable(),
        tokens,
        out: String::with_capacity(css.len()),
        in_margin_box: false,
        families,
        sheet,
    };
    rewriter.run()?;
    // Inside a `style` element the engine's parser ends at the first `</style`, even in a quoted text.
    Ok(rewriter.out.replace("</", "<\\/"))
}

/// Whether each bracket is closed by its own kind, so that a block ends where it seems to end.
fn is_well_nested(tokens: &[Token<'_>]) -> bool {
    let mut open = Vec::new();
    for token in tokens.iter().filter(|token| token.kind == Kind::Mark) {
        match token.text {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" if open.pop() != Some(token.text) => return false,
            _ => {}
        }
    }
    open.is_empty()
}

/// A part of the condition of `@media`. A PDF is printed matter, but the engine answers to `screen`.
pub(super) fn medium(token: Token<'_>) -> &str {
    match token {
        _ if token.is_word("print") => "screen",
        _ if token.is_word("screen") => "print",
        _ if token.kind == Kind::Comment => " ",
        _ => token.text,
    }
}

struct Rewriter<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// Where the rule or declaration begins that is being read.
    begun: usize,
    /// For each open block the number of elements that its rule may fit.
    uses: Vec<usize>,
    /// The same for what stands outside of all blocks.
    outside: usize,
    nested: bool,
    /// What the colours of borders need, by the place of the token that it stands before.
    borders: Peekable<IntoIter<(usize, String)>>,
    out: String,
    in_margin_box: bool,
    families: &'a Families,
    sheet: &'a mut dyn Sheet,
}

impl<'a> Rewriter<'a> {
    fn run(&mut self) -> Result<(), PdfError> {
        let mut declares = true;
        while let Some(&token) = self.tokens.get(self.at) {
            self.mend_borders();
            self.at += 1;
            match token.kind {
                Kind::Comment => self.out.push(' '),
                Kind::Url => self.address(&token.content())?,
                Kind::At => self.at_rule(token)?,
                Kind::Word if declares && self.is_font_property(token) => self.font_value(token),
                Kind::Word if declares && self.in_margin_box => self.margin_declaration(token),
                _ => self.out.push_str(token.text),
            }
            self.in_margin_box &= !token.is_mark('}');
            self.note_blocks(token)?;
            if !token.is_blank() {
                declares = ['{', '}', ';'].iter().any(|&mark| token.is_mark(mark)) || token.kind == Kind::At;
            }
        }
        self.mend_borders();
        self.note_declaration(self.tokens.len())
    }

    fn mend_borders(&mut self) {
        let at = self.at;
        while let Some((place, declaration)) = self.borders.next_if(|(place, _)| *place <= at) {
            // What ended in a part that was left out is left out too.
            if place == at {
                self.out.push_str(&declaration);
            }
        }
    }

    fn note_blocks(&mut self, token: Token<'a>) -> Result<(), PdfError> {
        if token.is_mark(';') || token.is_mark('}') {
            self.note_declaration(self.at - 1)?;
        }
        if token.is_mark('{') {
            let prelude = &self.tokens[self.begun..self.at - 1];
            let is_at_rule =
                prelude.iter().find(|token| !token.is_blank()).is_some_and(|token| token.kind == Kind::At);
            let uses = if is_at_rule {
                self.uses.last().copied().unwrap_or(1)
            } else {
                let selectors =
                    prelude.iter().filter(|token| token.kind != Kind::Comment).map(|token| token.text);
                self.sheet.fitting(&selectors.collect::<String>())
            };
            self.uses.push(uses);
        } else if token.is_mark('}') {
            self.uses.pop();
        }
        if ['{', '}', ';'].iter().any(|&mark| token.is_mark(mark)) {
            self.begun = self.at;
        }
        Ok(())
    }

    fn note_declaration(&mut self, end: usize) -> Result<(), PdfError> {
        let generated = weigh(&self.tokens[self.begun.min(end)..end]);
        if generated == Generated::default() {
            return Ok(());
        }
        let elements = self.elements(generated.custom);
        self.sheet.generate(&generated, elements)
    }

    /// How many elements the rule around this place fits at most.
    fn elements(&self, custom: bool) -> usize {
        match self.uses.last() {
            // What a custom property holds may be used by any rule.
            _ if custom || !self.nested => self.sheet.fitting("*"),
            Some(&uses) => uses,
            None => self.outside,
        }
    }

    fn at_rule(&mut self, token: Token<'a>) -> Result<(), PdfError> {
        match token.text.to_ascii_lowercase().as_str() {
            "@import" => {
                let rule = self.take_until(&[';']);
                let address = rule.iter().find(|token| matches!(token.kind, Kind::Url | Kind::Text));
                if let Some(text) =
                    address.map(|token| self.sheet.import(&token.content())).transpose()?.flatten()
                {
                    self.out.push_str(&text);
                }
            }
            "@font-face" => {
                for token in self.take_until(&['}']) {
                    if token.kind == Kind::Url {
                        self.sheet.font(&token.content())?;
                    }
                }
            }
            "@charset" => drop(self.take_until(&[';'])),
            "@media" => {
                self.out.push_str(token.text);
                self.media_prelude();
            }
            name => {
                self.out.push_str(token.text);
                if let Some(placement) = margin::placement(name) {
                    self.take_until(&['{']);
                    self.out.extend([" { ", placement]);
                    self.in_margin_box = true;
                    self.uses.push(1);
                }
            }
        }
        Ok(())
    }

    fn margin_declaration(&mut self, property: Token<'a>) {
        let rest = &self.tokens[self.at..];
        let length =
            rest.iter().position(|token| token.is_mark(';') || token.is_mark('}')).unwrap_or(rest.len());
        let text: String =
            rest[..length].iter().filter(|token| !token.is_blank()).map(|token| token.text).collect();
        let value = text.trim_start_matches(':').to_ascii_lowercase();
        if let Some(instead) = margin::replacement(&property.text.to_ascii_lowercase(), &value) {
            self.out.push_str(instead);
            self.at += length;
        } else {
            self.out.push_str(property.text);
        }
    }

    fn media_prelude(&mut self) {
        while let Some(&token) = self.tokens.get(self.at) {
            if token.is_mark('{') || token.is_mark(';') {
                return;
            }
            self.at += 1;
            self.out.push_str(medium(token));
        }
    }

    fn address(&mut self, address: &str) -> Result<(), PdfError> {
        // Paint of the same document, as in the `fill` of an SVG shape.
        if let Some(id) = address.strip_prefix('#').filter(|id| !id.contains(['"', '\\', '\n'])) {
            self.out.extend(["url(\"#", id, "\")"]);
            return Ok(());
        }
        let declaration = &self.tokens[self.begun..];
        let property = declaration.iter().find(|token| !token.is_blank());
        let custom = property.is_some_and(|token| token.text.starts_with("--"));
        let elements = self.elements(custom);
        let shown = Shown { elements, repeated: is_repeated(declaration) };
        let name = self.sheet.picture(address, shown)?;
        self.out.extend(["url(\"", name.as_deref().unwrap_or("about:blank"), "\")"]);
        Ok(())
    }

    fn is_font_property(&self, token: Token<'_>) -> bool {
        let colon = self.tokens[self.at..].iter().find(|token| !token.is_blank());
        (token.is_word("font-family") || token.is_word("font"))
            && colon.is_some_and(|token| token.is_mark(':'))
    }

    fn font_value(&mut self, property: Token<'_>) {
        let from = self.at;
        let length = self.tokens[from..]
            .iter()
            .position(|token| [';', '}', '{'].iter().any(|&end| token.is_mark(end)));
        let end = length.map_or(self.tokens.len(), |length| from + length);
        let value: String = self.tokens[from..end]
            .iter()
            .filter(|token| token.kind != Kind::Comment)
            .map(|token| token.text)
            .collect();
        // `font:hover {` is a selector and not a declaration.
        let selector = self.tokens.get(end).is_some_and(|token| token.is_mark('{'));
        self.out.push_str(property.text);
        match value.split_once(':') {
            Some((_, list)) if !selector => self.out.extend([": ", &self.families.complete(list)]),
            _ => self.out.push_str(&value),
        }
        self.at = end;
    }

    /// The tokens up to the first of these marks, which is taken too.
    fn take_until(&mut self, ends: &[char]) -> Vec<Token<'a>> {
        let rest = &self.tokens[self.at..];
        let length = rest.iter().position(|token| ends.iter().any(|&end| token.is_mark(end)));
        let taken = rest[..length.map_or(rest.len(), |length| length + 1)].to_vec();
        self.at += taken.len();
        self.begun = self.at;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fonts::Fonts;

    struct Named;

    impl Sheet for Named {
        fn picture(&mut self, address: &str, shown: Shown) -> Result<Option<String>, PdfError> {
            Ok((address == "a.png").then(|| format!("picture-{}", shown.elements)))
        }
        fn fitting(&self, selectors: &str) -> usize {
            selectors.trim().len()
        }
        fn generate(&mut self, _: &Generated, _: usize) -> Result<(), PdfError> {
            Ok(())
        }
        fn font(&mut self, _: &str) -> Result<(), PdfError> {
            Ok(())
        }
        fn import(&mut self, address: &str) -> Result<Option<String>, PdfError> {
            Ok((address == "b.css").then(|| "b{}".into()))
        }
        fn boxed(&mut self, _: Boxed) {}
    }

    fn rewritten(css: &str) -> String {
        rewrite(css, Whole::Sheet, &Families::new(&Fonts::bundled()), &mut Named)
            .expect("nothing is limited here")
    }

    #[test]
    fn addresses_are_answered_and_never_left() {
        assert_eq!(rewritten("a{background:url(a.png)}"), "a{background:url(\"picture-1\")}");
        assert_eq!(rewritten("a{fill:url(#b)}"), "a{fill:url(\"#b\")}");
        assert_eq!(rewritten("a{background:url('http://x/')}"), "a{background:url(\"about:blank\")}");
        assert_eq!(rewritten("@import 'b.css' print;@import url(file:///etc/passwd);p{}"), "b{}p{}");
        assert_eq!(rewritten("@font-face{font-family:X;src:url(http://x/)}p{}"), "p{}");
    }

    #[test]
    fn print_is_what_applies() {
        assert_eq!(rewritten("@media print{p{}}@media screen{}"), "@media screen{p{}}@media print{}");
    }

    #[test]
    fn families_are_completed_in_rules_attributes_and_margin_boxes() {
        assert_eq!(rewritten("font-family: serif"), "font-family: \"DejaVu Serif\", \"DejaVu Sans\"");
        assert_eq!(
            rewritten("@page{@left-top{font:8pt serif;color:red}}"),
            "@page{@left-top{font: 8pt \"DejaVu Serif\", \"DejaVu Sans\";color:red}}"
        );
        assert_eq!(rewritten("font:hover{color:red}"), "font:hover{color:red}");
    }

    #[test]
    fn margin_boxes_fill_their_margin() {
        let placed =
            rewritten("@page { @top-right { content: 'a'; width: 50%; vertical-align: top } margin: 1cm }");
        assert!(
            placed.contains("height: 100vh; text-align: right; content: 'a'; ; justify-content: flex-start}")
        );
        assert!(placed.ends_with("margin: 1cm }"));
    }

    #[test]
    fn a_picture_knows_the_rule_that_uses_it() {
        for (css, uses) in [
            ("background:url(a.png)", 1),
            ("ab{x:(});background:url(a.png)}", 1),
            ("@import 'x';@font-face{a:b}abc{x:y;background:url(a.png)}", 3),
            ("@media print{ab /* x */ {color:red}abcd{background:url(a.png)}}", 4),
            ("ab{abc{x:y}background:url(a.png)}", 2),
            ("@page{@top-left{content:url(a.png)}}", 1),
            ("@page{@top-left{x:y}margin:0}abc{background:url(a.png)}", 3),
            ("abcd{--x:url(a.png)}", 1),
        ] {
            assert!(rewritten(css).contains(&format!("\"picture-{uses}\"")), "{css}");
        }
    }

    #[test]
    fn the_top_border_is_coloured_where_the_rule_ends() {
        assert_eq!(
            rewritten("@font-face{border-left:red}@page{@top-left{border-bottom:1px solid red}}a{b:c}")
                .matches("border-top-color: red}")
                .count(),
            1
        );
        assert_eq!(
            rewrite("border-left: 1px red", Whole::Attribute, &Families::new(&Fonts::bundled()), &mut Named),
            Ok("border-left: 1px red; border-top-color: red".into())
        );
    }

    #[test]
    fn a_sheet_cannot_end_its_element() {
        assert_eq!(rewritten("a{content:'</style><script>'}"), "a{content:'<\\/style><script>'}");
    }
}
