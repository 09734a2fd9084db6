//! Cuts a text into fields and list items, and remembers where each stood.

use crate::{CronError, Field};

/// The longest text that is read, in characters.
pub(crate) const CHARS_MAX: usize = 256;
/// The most list items in all fields together.
pub(crate) const ITEMS_MAX: usize = 100;

/// A part of an expression and where it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// In characters from the beginning of the expression.
    pub(crate) at: usize,
    pub(crate) index: usize,
    pub(crate) field: Field,
}

impl Piece<'_> {
    /// What begins `bytes` into this piece.
    pub(crate) fn from(self, bytes: usize) -> Self {
        let (before, text) = self.text.split_at(bytes);
        Self { text, at: self.at + before.chars().count(), ..self }
    }

    /// The first `bytes` of this piece.
    pub(crate) fn until(self, bytes: usize) -> Self {
        Self { text: &self.text[..bytes], ..self }
    }

    /// Both sides of the first `mark`, if there is one.
    pub(crate) fn split_once(self, mark: char) -> Option<(Self, Self)> {
        let place = self.text.find(mark)?;
        Some((self.until(place), self.from(place + mark.len_utf8())))
    }

    /// What stands between the commas.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let piece = rest?;
            let (item, tail) = piece.split_once(',').map_or((piece, None), |(item, tail)| (item, Some(tail)));
            rest = tail;
            Some(item)
        })
    }

    pub(crate) fn error(self, expected: impl Into<String>, hint: impl Into<String>) -> CronError {
        const SHOWN: usize = 40;
        let shown: String = self.text.chars().take(SHOWN).collect();
        let more = if shown.len() < self.text.len() { "..." } else { "" };
        CronError {
            index: self.index,
            field: self.field,
            position: self.at,
            expected: expected.into(),
            got: if self.text.is_empty() {
                "nothing".to_owned()
            } else {
                format!("\"{}{more}\"", shown.escape_debug())
            },
            hint: hint.into(),
        }
    }
}

/// The fields of an expression, always six: the seconds of one with five are `0`.
pub(crate) fn fields(text: &str) -> Result<[Piece<'_>; 6], CronError> {
    let chars = text.chars().count();
    // However long a text is, no more of it is taken apart than may be read.
    let head = text.char_indices().nth(CHARS_MAX + 1).map_or(text, |(end, _)| &text[..end]);
    let words = words(head);
    let first = usize::from(words.len() < 6);
    let piece = |index: usize, at: usize, text| {
        let field = Field::WRITTEN[(index + first).min(6)];
        Piece { text, at, index, field }
    };
    if chars > CHARS_MAX {
        let index = words.iter().rposition(|(at, _)| *at <= CHARS_MAX).unwrap_or(0);
        let mut error = piece(index, CHARS_MAX, "").error(
            format!("at most {CHARS_MAX} characters"),
            "shorten it: ranges and steps say more than lists",
        );
        error.got = format!("{chars} characters");
        return Err(error);
    }
    let hint = "write minute, hour, day of month, month and day of week, with seconds before them if needed";
    match words.as_slice() {
        [] => Err(piece(0, chars, "").error("a cron expression", hint)),
        few if few.len() < 5 => {
            let mut error = piece(few.len(), chars, "").error("5 fields, or 6 with leading seconds", hint);
            error.got = format!("{} fields", few.len());
            Err(error)
        }
        [_, _, _, _, _, _, (at, surplus), ..] => Err(piece(6, *at, surplus).error(
            "5 fields, or 6 with leading seconds",
            "leave the year out; give schedules an end instead",
        )),
        _ => {
            let mut fields = [Piece { text: "0", at: 0, index: 0, field: Field::Second }; 6];
            for (index, (at, word)) in words.iter().enumerate() {
                fields[index + first] = piece(index, *at, word);
            }
            count_items(&fields[first..])?;
            Ok(fields)
        }
    }
}

fn count_items(fields: &[Piece<'_>]) -> Result<(), CronError> {
    match fields.iter().flat_map(|field| field.items()).nth(ITEMS_MAX) {
        None => Ok(()),
        Some(item) => Err(item.error(
            format!("at most {ITEMS_MAX} list items in all fields together"),
            "write ranges and steps instead of lists",
        )),
    }
}

/// What stands between blanks, with the number of characters before it.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, (byte, c)) in text.char_indices().enumerate() {
        match (c == ' ' || c == '\t', start) {
            (false, None) => start = Some((at, byte)),
            (true, Some((from, begin))) => {
                words.push((from, &text[begin..byte]));
                start = None;
            }
            _ => {}
        }
    }
    if let Some((from, begin)) = start {
        words.push((from, &text[begin..]));
    }
    words
}
