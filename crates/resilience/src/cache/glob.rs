use std::fmt::{self, Write};

use longshore_core::Invalid;

/// Longest pattern, in bytes.
const PATTERN_MAX: usize = 1024;

/// A pattern of keys: `*` stands for any text, `?` for one character, and `\` takes the meaning of what follows.
#[derive(Clone, Debug)]
pub(super) struct Glob(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Any,
    One,
    Just(char),
}

impl Glob {
    /// Refuses an empty pattern, one that is too long, and a `\` before nothing.
    pub(super) fn parse(pattern: &str) -> Result<Self, Invalid> {
        let expected = format!("1 to {PATTERN_MAX} bytes of text with '*', '?' and '\\'");
        if pattern.is_empty() || pattern.len() > PATTERN_MAX {
            return Err(Invalid::new("pattern", expected, format!("{} bytes", pattern.len())));
        }
        let mut pieces = Vec::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            let piece = match character {
                '*' if pieces.last() == Some(&Piece::Any) => continue,
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => Piece::Just(characters.next().ok_or_else(|| {
                    Invalid::new("pattern", "a character after '\\'", format!("{pattern:?}"))
                })?),
                plain => Piece::Just(plain),
            };
            pieces.push(piece);
        }
        Ok(Self(pieces))
    }

    /// What every key begins with that fits.
    pub(super) fn beginning(&self) -> String {
        let plain = |piece: &Piece| if let Piece::Just(character) = piece { Some(*character) } else { None };
        self.0.iter().map_while(plain).collect()
    }

    pub(super) fn fits(&self, key: &str) -> bool {
        let key: Vec<char> = key.chars().collect();
        let (mut at, mut piece) = (0, 0);
        // Where the last `*` stands, and how far into the key it has been stretched.
        let mut star: Option<(usize, usize)> = None;
        while at < key.len() {
            match self.0.get(piece) {
                Some(Piece::Any) => {
                    star = Some((piece, at));
                    piece += 1;
                }
                Some(Piece::One) => (at, piece) = (at + 1, piece + 1),
                Some(Piece::Just(character)) if *character == key[at] => (at, piece) = (at + 1, piece + 1),
                _ => match star {
                    Some((any, from)) => {
                        star = Some((any, from + 1));
                        (at, piece) = (from + 1, any + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[piece..].iter().all(|piece| *piece == Piece::Any)
    }
}

impl Glob {
    /// What Redis is asked for: all that fits and maybe more, because there `?` is one byte.
    #[cfg(feature = "redis")]
    pub(super) fn for_redis(&self) -> String {
        let mut pattern = String::new();
        for piece in &self.0 {
            let _ = match piece {
                Piece::Any | Piece::One => pattern.write_char('*'),
                Piece::Just(character) => escape(*character, &mut pattern),
            };
        }
        pattern
    }
}

/// As it is read.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Any => f.write_char('*')?,
                Piece::One => f.write_char('?')?,
                Piece::Just(character) => escape(*character, f)?,
            }
        }
        Ok(())
    }
}

/// A text in which nothing has a meaning of its own in a pattern.
pub fn escape_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        // A text takes all that is written to it.
        let _ = escape(character, &mut pattern);
    }
    pattern
}

fn escape(character: char, into: &mut impl Write) -> fmt::Result {
    if matches!(character, '*' | '?' | '[' | ']' | '^' | '\\') {
        into.write_char('\\')?;
    }
    into.write_char(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stretch_and_signs_can_be_plain() {
        let fits = |pattern, key| Glob::parse(pattern).map(|glob| glob.fits(key));
        for (pattern, key, expected) in [
            ("reports_17*", "reports_17_a", true),
            ("reports_17*", "reports_17", true),
            ("reports_17*", "reports_18", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("?", "ä", true),
            ("?", "", false),
            ("*", "", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[ab]", "a", false),
            ("**x", "x", true),
        ] {
            assert_eq!(fits(pattern, key), Ok(expected), "{pattern} {key}");
        }
        assert_eq!(Glob::parse("ab?c*").map(|glob| glob.beginning()), Ok("ab".to_owned()));
        assert!(Glob::parse("").is_err());
        assert!(Glob::parse("a\\").is_err());
        assert_eq!(Glob::parse(&escape_pattern("a*[x]?\\")).map(|glob| glob.fits("a*[x]?\\")), Ok(true));
    }
}
