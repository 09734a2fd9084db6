/// A piece of a style sheet. Together the texts of all tokens are the sheet, comments included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    Comment,
    /// A quoted text, quotes included.
    Text,
    /// A name, number or anything else that is made of name characters.
    Word,
    /// `@name`.
    At,
    /// `url(` up to `)`, the content quoted or not.
    Url,
    /// A single other character.
    Mark,
}

impl Token<'_> {
    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark && self.text.starts_with(mark)
    }

    pub(super) fn is_blank(&self) -> bool {
        matches!(self.kind, Kind::Space | Kind::Comment)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// The content of a text or of an address: without quotes, escapes of single characters resolved.
    pub(super) fn content(&self) -> String {
        let inner = match self.kind {
            Kind::Url => self.text[4..].trim_end_matches(')').trim(),
            _ => self.text,
        };
        let quote = inner.chars().next().filter(|first| matches!(first, '"' | '\''));
        let inner = quote.map_or(inner, |quote| {
            let inner = &inner[1..];
            inner.strip_suffix(quote).unwrap_or(inner)
        });
        let mut plain = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' => plain.extend(chars.next().filter(|next| *next != '\n')),
                _ => plain.push(char),
            }
        }
        plain
    }
}

/// Cuts a sheet into tokens. Never fails: what is not understood is a mark.
pub(super) fn scan(css: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = css;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first);
        let (text, after) = rest.split_at(length);
        tokens.push(Token { kind, text });
        rest = after;
    }
    tokens
}

fn next(rest: &str, first: char) -> (Kind, usize) {
    if first.is_ascii_whitespace() {
        let length = rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(rest.len());
        return (Kind::Space, length);
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, rest[2..].find("*/").map_or(rest.len(), |end| end + 4));
    }
    if matches!(first, '"' | '\'') {
        return (Kind::Text, quoted(rest, first));
    }
    if rest.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("url(")) {
        return (Kind::Url, address(rest));
    }
    if first == '@' {
        return (Kind::At, 1 + word(&rest[1..]));
    }
    match word(rest) {
        0 => (Kind::Mark, first.len_utf8()),
        length => (Kind::Word, length),
    }
}

fn word(rest: &str) -> usize {
    let mut escaped = false;
    rest.char_indices()
        .find(|&(_, char)| {
            let part = escaped || char.is_alphanumeric() || matches!(char, '-' | '_' | '\\') || !char.is_ascii();
            escaped = !escaped && char == '\\';
            !part
        })
        .map_or(rest.len(), |(place, _)| place)
}

/// Length of a quoted text. It ends at its quote, before a line break, or with the sheet.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, char) in rest.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return place,
            _ if char == quote => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

fn address(rest: &str) -> usize {
    let inner = &rest[4..];
    let blank = inner.len() - inner.trim_start().len();
    let start = 4 + blank;
    let quote = rest[start..].chars().next().filter(|first| matches!(first, '"' | '\''));
    let from = quote.map_or(start, |quote| start + quoted(&rest[start..], quote));
    rest[from..].find(')').map_or(rest.len(), |end| from + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_together_are_the_sheet() {
        for css in [
            "@import url( 'a)b.css' ) print; a:hover{color:#fff!important}/* x } */",
            "a{content:'it\\'s';background:url(data:image/png;base64,AA==)}",
            "p{font:9.5pt/1.4 \"DejaVu Sans\",serif", "\"unterminated", "url(", "/*", "@", "\\", "é{ünï:1}",
        ] {
            assert_eq!(scan(css).iter().map(|token| token.text).collect::<String>(), css);
        }
    }

    #[test]
    fn addresses_and_texts_give_their_content() {
        let content = |css| scan(css)[0].content();
        assert_eq!(content("url( 'a)b.css' )"), "a)b.css");
        assert_eq!(content("URL(logo.png)"), "logo.png");
        assert_eq!(content("'it\\'s'"), "it's");
    }
}
