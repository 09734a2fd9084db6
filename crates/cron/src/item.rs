//! One item of a list: what may stand between two commas.

use std::fmt;

use crate::scan::Piece;
use crate::value::{number, step, value};
use crate::{CronError, Field};

/// What an item says, in numbers; Sunday is 0, except as the end of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// `5`
    One(u8),
    /// `*` and `?` (step 1), `*/5`
    Every(u16),
    /// `5/15`: from a value to the end of the field
    From(u8, u16),
    /// `22-2/2`: may wrap
    Range(u8, u8, u16),
    /// `L`, `L-3`: so many days before the last of the month
    Last(u8),
    /// `15W`
    Nearest(u8),
    /// `LW`, `L-3W`
    NearestLast(u8),
    /// `5L`: the last of a weekday in the month
    LastWeekday(u8),
    /// `MON#2`: a weekday and which of the month
    Nth(u8, u8),
}

impl Item {
    pub(crate) fn parse(piece: Piece<'_>) -> Result<Self, CronError> {
        if piece.text.is_empty() {
            return Err(
                piece.error(piece.field.value_expected(), "take the comma away, or write a value there")
            );
        }
        if piece.text == "?" && piece.field.is_day() {
            return Ok(Self::Every(1));
        }
        match piece.field {
            Field::DayOfMonth => {
                if let Some(item) = month_day(piece) {
                    return item;
                }
            }
            Field::DayOfWeek => {
                if let Some(item) = weekday(piece) {
                    return item;
                }
            }
            _ => {}
        }
        let (base, step) = match piece.split_once('/') {
            Some((base, tail)) => (base, Some(tail)),
            None => (piece, None),
        };
        // The value is judged before the step, so that errors come from left to right.
        let item = match base.split_once('-') {
            _ if base.text == "*" => Self::Every(1),
            Some((from, to)) => range(value(from)?, value(to)?, base.field),
            None => Self::One(sunday(value(base)?, base.field)),
        };
        let Some(step) = step.map(self::step).transpose()? else { return Ok(item) };
        Ok(match item {
            Self::Every(_) => Self::Every(step),
            Self::One(from) => Self::From(from, step),
            Self::Range(from, to, _) => Self::Range(from, to, step),
            other => other,
        })
    }

    /// The values that this item names outright, as bits.
    pub(crate) fn bits(self, field: Field) -> u64 {
        let (low, high) = field.bounds();
        let (from, to, step) = match self {
            Self::One(value) => (value, value, 1),
            Self::Every(step) => (low, high, step),
            Self::From(from, step) => (from, high, step),
            Self::Range(from, to, step) => (from, to, step),
            _ => return 0,
        };
        let size = high - low + 1;
        let length = if from <= to { to - from } else { size - (from - to) };
        let values = (0..=length).step_by(usize::from(step)).map(|ahead| low + (from - low + ahead) % size);
        values.fold(0, |bits, value| bits | 1 << value)
    }
}

fn sunday(value: u8, field: Field) -> u8 {
    if field == Field::DayOfWeek { value % 7 } else { value }
}

/// A range of values. `0-7` and `1-7` end on Sunday, once.
fn range(from: u8, to: u8, field: Field) -> Item {
    let start = sunday(from, field);
    if field == Field::DayOfWeek && to == 7 && from == 0 {
        return Item::Range(0, 6, 1);
    }
    Item::Range(start, sunday(to, field), 1)
}

/// `L`, `L-3`, `LW`, `L-3W` and `15W`; nothing if the item is of another form.
fn month_day(piece: Piece<'_>) -> Option<Result<Item, CronError>> {
    let text = piece.text;
    let nearest = text.ends_with(['W', 'w']);
    let base = piece.until(text.len() - usize::from(nearest));
    if !base.text.starts_with(['L', 'l']) {
        return nearest.then(|| value(base).map(Item::Nearest).map_err(|error| whole(error, piece)));
    }
    let rest = base.from(1);
    let before = match rest.text.strip_prefix('-') {
        None if rest.text.is_empty() => 0,
        Some(digits) => match number(digits) {
            Some(before @ 1..=30) => before as u8,
            _ => {
                return Some(Err(rest
                    .from(1)
                    .error("a number of days from 1 to 30", "write L-3 for three days before the last")));
            }
        },
        None => return Some(Err(piece.error(piece.field.value_expected(), piece.field.hint()))),
    };
    Some(Ok(if nearest { Item::NearestLast(before) } else { Item::Last(before) }))
}

/// `5L`, `FRIL` and `MON#2`; nothing if the item is of another form.
fn weekday(piece: Piece<'_>) -> Option<Result<Item, CronError>> {
    if let Some((day, which)) = piece.split_once('#') {
        return Some(value(day).and_then(|day| match number(which.text) {
            Some(which @ 1..=5) => Ok(Item::Nth(day % 7, which as u8)),
            _ => Err(which.error("a number from 1 to 5", "write MON#2 for the second Monday of the month")),
        }));
    }
    let day = piece.text.strip_suffix(['L', 'l']).filter(|day| !day.is_empty())?;
    Some(value(piece.until(day.len())).map(|day| Item::LastWeekday(day % 7)))
}

/// A day before `W` that is none is shown with its letter, so that `HW` and `W` make sense to the reader.
fn whole(error: CronError, piece: Piece<'_>) -> CronError {
    piece.error(error.expected, "write 15W for the weekday nearest the 15th, LW for the last one")
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::One(value) => write!(f, "{value}"),
            Self::Every(1) => f.write_str("*"),
            Self::Every(step) => write!(f, "*/{step}"),
            Self::From(from, step) => write!(f, "{from}/{step}"),
            Self::Range(from, to, 1) => write!(f, "{from}-{to}"),
            Self::Range(from, to, step) => write!(f, "{from}-{to}/{step}"),
            Self::Last(0) => f.write_str("L"),
            Self::Last(before) => write!(f, "L-{before}"),
            Self::Nearest(day) => write!(f, "{day}W"),
            Self::NearestLast(0) => f.write_str("LW"),
            Self::NearestLast(before) => write!(f, "L-{before}W"),
            Self::LastWeekday(day) => write!(f, "{day}L"),
            Self::Nth(day, which) => write!(f, "{day}#{which}"),
        }
    }
}
