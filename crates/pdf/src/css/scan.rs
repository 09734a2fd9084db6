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

    /// The content of a text or of an address: without quotes, escapes resolved.
    pub(super) fn content(&self) -> String {
        let inner = match self.kind {
            Kind::Url => {
                let inner = self.text.split_once('(').map_or("", |(_, inner)| inner);
                inner.strip_suffix(')').unwrap_or(inner).trim()
            }
            _ => self.text,
        };
        let quote = inner.chars().next().filter(|first| matches!(first, '"' | '\''));
        let inner = quote.map_or(inner, |quote| {
            let inner = &inner[1..];
            inner.strip_suffix(quote).unwrap_or(inner)
        });
        unescaped(inner)
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
    if let Some(comment) = rest.strip_prefix("/*") {
        return (Kind::Comment, comment.find("*/").map_or(rest.len(), |end| end + 4));
    }
    if matches!(first, '"' | '\'') {
        return (Kind::Text, quoted(rest, first));
    }
    if first == '@' {
        return (Kind::At, 1 + word(&rest[1..]));
    }
    match word(rest) {
        0 => (Kind::Mark, first.len_utf8()),
        length => address(rest, length).map_or((Kind::Word, length), |length| (Kind::Url, length)),
    }
}

/// Length of the name at the start, escapes included.
fn word(rest: &str) -> usize {
    let mut at = 0;
    while let Some(char) = rest[at..].chars().next() {
        if char == '\\' {
            match escape(&rest[at..]) {
                0 => return at,
                length => at += length,
            }
        } else if char.is_ascii_alphanumeric() || matches!(char, '-' | '_') || !char.is_ascii() {
            at += char.len_utf8();
        } else {
            return at;
        }
    }
    at
}

/// Length of the escape at the start: a backslash with up to six hexadecimal digits and a blank, or with any
/// other character. A line break cannot be escaped.
fn escape(rest: &str) -> usize {
    let after = &rest[1..];
    let digits = after.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    if digits > 0 {
        let blank = after[digits..].starts_with(|next: char| next.is_ascii_whitespace());
        return 1 + digits + usize::from(blank);
    }
    match after.chars().next() {
        Some('\n' | '\r' | '\x0c') | None => 0,
        Some(char) => 1 + char.len_utf8(),
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let length = if char == '\\' { escape(&text[at..]) } else { 0 };
        let code = text.get(at + 1..at + length).unwrap_or_default();
        match u32::from_str_radix(code.trim_end(), 16).ok() {
            Some(code) => plain.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
            None if length > 0 => plain.push_str(code),
            None if char == '\\' => {}
            None => plain.push(char),
        }
        at += length.max(char.len_utf8());
    }
    plain
}

/// Length of a quoted text. It ends at its quote, before a line break, or with the sheet.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, char) in rest.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' | '\r' | '\x0c' => return place,
            _ if char == quote => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the address at the start, if the name of `name` bytes there is `url` and a bracket follows.
///
/// With a quoted text and more than that inside the brackets it is a function like any other.
fn address(rest: &str, name: usize) -> Option<usize> {
    let inner =
        rest[name..].strip_prefix('(').filter(|_| unescaped(&rest[..name]).eq_ignore_ascii_case("url"))?;
    let content = inner.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let start = rest.len() - content.len();
    let quote = content.chars().next().filter(|first| matches!(first, '"' | '\''));
    if let Some(quote) = quote {
        let end = start + quoted(content, quote);
        let after = rest[end..].trim_start_matches(|c: char| c.is_ascii_whitespace());
        return after.starts_with(')').then(|| rest.len() - after.len() + 1);
    }
    let mut at = start;
    while let Some(char) = rest[at..].chars().next() {
        match char {
            ')' => return Some(at + 1),
            '\\' => at += escape(&rest[at..]).max(1),
            _ => at += char.len_utf8(),
        }
    }
    Some(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_together_are_the_sheet() {
        for css in [
            "@import url( 'a)b.css' ) print; a:hover{color:#fff!important}/* x } */",
            "a{content:'it\\'s';background:url(data:image/png;base64,AA==)}",
            "p{font:9.5pt/1.4 \"DejaVu Sans\",serif",
            "\"unterminated",
            "url(",
            "/*",
            "@",
            "\\",
            "é{ünï:1}",
        ] {
            assert_eq!(scan(css).iter().map(|token| token.text).collect::<String>(), css);
        }
    }

    #[test]
    fn addresses_and_texts_give_their_content() {
        let content = |css| scan(css)[0].content();
        assert_eq!(content("url( 'a)b.css' )"), "a)b.css");
        assert_eq!(content("URL(logo.png)"), "logo.png");
        assert_eq!(content("'it\\'s \\41 b'"), "it's Ab");
        assert_eq!(content("u\\72 l(a\\)b)"), "a)b");
        assert_eq!(scan("url('a' b)")[0].kind, Kind::Word);
    }
}
