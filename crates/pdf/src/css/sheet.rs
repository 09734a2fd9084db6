use super::family::Families;
use super::margin;
use super::scan::{Kind, Token, scan};
use crate::error::PdfError;

/// What a style sheet may ask of the document around it.
pub(crate) trait Sheet {
    /// The name under which the engine knows the picture, or nothing if there is none to show.
    fn picture(&mut self, address: &str) -> Result<Option<String>, PdfError>;
    /// Takes the font of an `@font-face` rule, if it is among the assets.
    fn font(&mut self, address: &str) -> Result<(), PdfError>;
    /// The finished text of an imported sheet, or nothing if it is not there or already used.
    fn import(&mut self, address: &str) -> Result<Option<String>, PdfError>;
}

/// Rewrites a sheet, or the declarations of a `style` attribute.
pub(crate) fn rewrite(css: &str, families: &Families, sheet: &mut dyn Sheet) -> Result<String, PdfError> {
    let out = String::with_capacity(css.len());
    let mut rewriter = Rewriter { tokens: scan(css), at: 0, out, in_margin_box: false, families, sheet };
    rewriter.run()?;
    // Inside a `style` element the engine's parser ends at the first `</style`, even in a quoted text.
    Ok(rewriter.out.replace("</", "<\\/"))
}

struct Rewriter<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    out: String,
    in_margin_box: bool,
    families: &'a Families,
    sheet: &'a mut dyn Sheet,
}

impl<'a> Rewriter<'a> {
    fn run(&mut self) -> Result<(), PdfError> {
        let mut declares = true;
        while let Some(&token) = self.tokens.get(self.at) {
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
            if !token.is_blank() {
                declares = ['{', '}', ';'].iter().any(|&mark| token.is_mark(mark)) || token.kind == Kind::At;
            }
        }
        Ok(())
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

    /// A PDF is printed matter, but the engine answers to `screen`.
    fn media_prelude(&mut self) {
        while let Some(&token) = self.tokens.get(self.at) {
            if token.is_mark('{') || token.is_mark(';') {
                return;
            }
            self.at += 1;
            self.out.push_str(match token {
                _ if token.is_word("print") => "screen",
                _ if token.is_word("screen") => "print",
                _ if token.kind == Kind::Comment => " ",
                _ => token.text,
            });
        }
    }

    fn address(&mut self, address: &str) -> Result<(), PdfError> {
        let name = self.sheet.picture(address)?;
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
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fonts::Fonts;

    struct Named;

    impl Sheet for Named {
        fn picture(&mut self, address: &str) -> Result<Option<String>, PdfError> {
            Ok((address == "a.png").then(|| "picture-0".into()))
        }
        fn font(&mut self, _: &str) -> Result<(), PdfError> {
            Ok(())
        }
        fn import(&mut self, address: &str) -> Result<Option<String>, PdfError> {
            Ok((address == "b.css").then(|| "b{}".into()))
        }
    }

    fn rewritten(css: &str) -> String {
        rewrite(css, &Families::new(&Fonts::bundled()), &mut Named).expect("nothing is limited here")
    }

    #[test]
    fn addresses_are_answered_and_never_left() {
        assert_eq!(rewritten("a{background:url(a.png)}"), "a{background:url(\"picture-0\")}");
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
    fn a_sheet_cannot_end_its_element() {
        assert_eq!(rewritten("a{content:'</style><script>'}"), "a{content:'<\\/style><script>'}");
    }
}
