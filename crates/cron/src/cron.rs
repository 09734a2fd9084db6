use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use longshore_core::Invalid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::days::{Days, MonthDays, Weekdays};
use crate::item::Item;
use crate::scan::{Piece, fields};
use crate::times::Times;
use crate::{CronError, Field};

const MACROS: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A parsed cron expression.
///
/// Five fields (minute, hour, day of month, month, day of week), or six with **leading** seconds. Each takes `*`,
/// values, ranges that may wrap (`22-2`, `FRI-MON`), steps (`*/5`, `10-30/5`, `5/15` from 5 on) and lists of these;
/// months and weekdays have English names of three letters; Sunday is 0 or 7. Days of the month also take `L` (the
/// last), `L-3` (three days before it), `15W` (the weekday nearest the 15th, inside the month), `LW` and `L-3W`; days
/// of the week take `5L` (the last Friday) and `MON#2` (the second Monday). `?` is `*` in the two day fields, and a
/// list with a plain `*` in it is `*`. Years, random times (`R`, `H`, `~`) and `@reboot` are refused.
///
/// **Which days.** A day field that begins with `*` or `?` is unrestricted. If both day fields are restricted, a day
/// that matches either is right; otherwise it has to match both. So `1 * MON` means the first and every Monday, and
/// `*/2 * MON` means Mondays with an odd date.
///
/// **Daylight saving.** An expression whose minute or hour field is exactly `*` or `*/n` is an *interval* schedule:
/// it is due at every instant whose local time matches, in both passes of a repeated hour. Every other one is *fixed*:
/// it follows a local clock that never goes back. A time that the clock skips is due once, at the first instant after
/// the gap; a time that comes twice is due at its first coming.
///
/// Two expressions are equal if they mean the same; [`Display`](fmt::Display) writes a normal form with numbers for
/// names, which parses to an equal expression.
#[derive(Clone, Debug)]
pub struct Cron {
    pub(crate) times: Times,
    pub(crate) days: Days,
    interval: bool,
    text: Arc<str>,
}

impl Cron {
    /// Reads an expression of at most 256 characters with at most 100 list items, or one of `@yearly`, `@annually`,
    /// `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly`.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let pieces = fields(expand(text)?)?;
        let mut items = Vec::with_capacity(pieces.len());
        for piece in pieces {
            items.push(list(piece)?);
        }
        let bits = |index: usize| {
            let items: &[Item] = &items[index];
            items.iter().fold(0, |bits, item| bits | item.bits(pieces[index].field))
        };
        let times = Times { seconds: bits(0), minutes: bits(1), hours: bits(2) };
        let either = !begins_with_star(&items[3]) && !begins_with_star(&items[5]);
        let days = Days::new(bits(4) as u16, MonthDays::new(&items[3]), Weekdays::new(&items[5]), either);
        let interval = is_interval(&items[1]) || is_interval(&items[2]);
        // Seconds that say nothing are not written, so that both forms of one expression look alike.
        let skipped = usize::from(times.seconds == 1);
        let words: Vec<_> = items[skipped..].iter().map(|items| write(items)).collect();
        Ok(Self { times, days, interval, text: words.join(" ").into() })
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it repeats by the minute or the hour, rather than at fixed times of the day.
    pub fn is_interval(&self) -> bool {
        self.interval
    }

    /// Whether no date of the calendar matches, such as 30 February. Exact for all years; it does not ask whether a
    /// zone happens to skip every matching time.
    pub fn never_fires(&self) -> bool {
        self.days.never()
    }
}

fn expand(text: &str) -> Result<&str, CronError> {
    let word = text.trim_matches([' ', '\t']);
    if !word.starts_with('@') {
        return Ok(text);
    }
    if let Some((_, fields)) = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Ok(fields);
    }
    let at = text.chars().take_while(|c| *c != '@').count();
    let hint = if word.eq_ignore_ascii_case("@reboot") {
        "a start of the program is no time; run the job when the program starts instead"
    } else if word.to_ascii_lowercase().starts_with("@every") {
        "give the schedule an interval instead of a cron expression"
    } else {
        "write the five fields instead"
    };
    let expected = "one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly";
    Err(Piece { text: word, at, index: 0, field: Field::Expression }.error(expected, hint))
}

/// The items of one field in their normal form.
fn list(piece: Piece<'_>) -> Result<Vec<Item>, CronError> {
    let mut items = piece.items().map(Item::parse).collect::<Result<Vec<_>, _>>()?;
    if items.contains(&Item::Every(1)) {
        return Ok(vec![Item::Every(1)]);
    }
    if items.iter().all(|item| matches!(item, Item::One(_))) {
        items.sort_unstable();
        items.dedup();
    }
    Ok(items)
}

fn write(items: &[Item]) -> String {
    let words: Vec<_> = items.iter().map(Item::to_string).collect();
    words.join(",")
}

fn begins_with_star(items: &[Item]) -> bool {
    matches!(items, [Item::Every(_), ..])
}

fn is_interval(items: &[Item]) -> bool {
    matches!(items, [Item::Every(_)])
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.times == other.times && self.days == other.days && self.interval == other.interval
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Cron {
    type Err = CronError;
    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        // In the words of a refusal, so that whoever tells it can take expected and got apart.
        Self::parse(&text).map_err(|error| {
            let Invalid { expected, got, .. } = error.into();
            serde::de::Error::custom(format!("expected {expected}, got {got}"))
        })
    }
}
