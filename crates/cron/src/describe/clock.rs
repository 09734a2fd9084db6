//! The time of day in words.

use super::shape::{Shape, parts};
use super::words::{and, counted, noun};
use crate::times::{Times, values};

/// So many times are named one by one, if their hours and minutes are single values.
const NAMED: i64 = 6;
/// So few are always named one by one.
const FEW: i64 = 2;
/// More stretches of hours than this are listed as hours.
const SPANS_MAX: usize = 4;

pub(super) struct Clock {
    pub(super) text: String,
    /// Whether it names times of the day, so that "every day" can stand behind it.
    pub(super) names_times: bool,
}

/// Nothing if it would take too many words.
pub(super) fn phrase(times: &Times) -> Option<Clock> {
    let seconds = Shape::of(times.seconds, 0, 59)?;
    let minutes = Shape::of(times.minutes, 0, 59)?;
    let hours = Shape::of(times.hours, 0, 23)?;
    let names_times = !matches!(hours, Shape::Every | Shape::Step(_));
    let on_the_minute = times.seconds == 1;
    let day = Day { times, seconds, minutes, hours, on_the_minute };
    if let Some(text) = day.named_times() {
        return Some(Clock { text, names_times: true });
    }
    let text = if on_the_minute { day.by_the_minute() } else { day.by_the_second() };
    Some(Clock { text, names_times })
}

struct Day<'a> {
    times: &'a Times,
    seconds: Shape,
    minutes: Shape,
    hours: Shape,
    on_the_minute: bool,
}

impl Day<'_> {
    /// `at 09:00`, `at 09:00, 09:30 and 17:00`
    fn named_times(&self) -> Option<String> {
        let plain = [&self.seconds, &self.minutes, &self.hours].into_iter().all(is_points);
        let count = self.times.count();
        if count > FEW && !(count <= NAMED && plain) {
            return None;
        }
        let mut named = Vec::new();
        for h in values(self.times.hours) {
            for m in values(self.times.minutes) {
                named.extend(values(self.times.seconds).map(|s| self.time(h, m, s)));
            }
        }
        Some(format!("at {}", and(&named)))
    }

    fn time(&self, h: u32, m: u32, s: u32) -> String {
        if self.on_the_minute { format!("{h:02}:{m:02}") } else { format!("{h:02}:{m:02}:{s:02}") }
    }

    fn by_the_minute(&self) -> String {
        if let Some(every) = every(&self.minutes, "minute") {
            return self.through(&every, &self.minutes);
        }
        match self.minutes.single() {
            Some(minute) => self.by_the_hour(minute),
            None => placed(&self.minutes, "minute") + &self.of_hours(),
        }
    }

    /// One minute, several hours.
    fn by_the_hour(&self, minute: u32) -> String {
        let at = |h| self.time(h, minute, 0);
        match &self.hours {
            Shape::Every if minute == 0 => "every hour".to_owned(),
            Shape::Every => format!("at minute {minute} of every hour"),
            Shape::Step(step) if minute == 0 => format!("every {step} hours"),
            Shape::Step(step) => format!("every {step} hours from {}", at(0)),
            Shape::Progress { from, to, step } => {
                format!("every {step} hours from {} through {}", at(*from), at(*to))
            }
            Shape::Runs(runs) => {
                let span = |&(from, to): &(u32, u32)| {
                    if from == to {
                        format!("at {}", at(from))
                    } else {
                        format!("every hour from {} through {}", at(from), at(to))
                    }
                };
                and(&runs.iter().map(span).collect::<Vec<_>>())
            }
        }
    }

    fn by_the_second(&self) -> String {
        let every_second = every(&self.seconds, "second");
        let seconds = match &every_second {
            Some(every) => every.clone(),
            None => placed(&self.seconds, "second"),
        };
        match (&self.minutes, every_second) {
            (Shape::Every, Some(every)) => self.through(&every, &self.seconds),
            (Shape::Every, None) if self.hours == Shape::Every => format!("{seconds} of every minute"),
            (Shape::Every, None) => format!("{seconds} of every minute{}", self.of_hours()),
            (minutes, _) => format!("{seconds} of {}{}", told(minutes, "minute"), self.of_hours()),
        }
    }

    /// Something that goes on and on: the whole day, or from the first to the last time of each stretch of hours.
    fn through(&self, every: &str, finest: &Shape) -> String {
        let spans = match &self.hours {
            Shape::Every => return every.to_owned(),
            Shape::Runs(runs) => Some(joined(runs)),
            Shape::Step(_) | Shape::Progress { .. } => None,
        };
        let Some(spans) = spans.filter(|spans| spans.len() <= SPANS_MAX) else {
            return format!("{every} during {}", self.hours_told());
        };
        let last = |shape: &Shape| match shape {
            Shape::Step(step) => 60 - step,
            _ => 59,
        };
        let (last_minute, last_second) =
            if self.on_the_minute { (last(finest), 0) } else { (59, last(finest)) };
        let span = |&(from, to): &(u32, u32)| {
            format!("from {} through {}", self.time(from, 0, 0), self.time(to, last_minute, last_second))
        };
        format!("{every} {}", and(&spans.iter().map(span).collect::<Vec<_>>()))
    }

    /// ` of every hour`, ` of hours 09 through 17`
    fn of_hours(&self) -> String {
        if self.hours == Shape::Every {
            return " of every hour".to_owned();
        }
        format!(" of {}", self.hours_told())
    }

    /// `hours 09 through 17`, `hours 00, 02 and 04`
    fn hours_told(&self) -> String {
        let one_by_one: Vec<_> = values(self.times.hours).map(|h| (h, h)).collect();
        let runs = if let Shape::Runs(runs) = &self.hours { runs } else { &one_by_one };
        listed(runs, "hour", |h| format!("{h:02}"))
    }
}

/// Values one by one, no stretches.
fn is_points(shape: &Shape) -> bool {
    match shape {
        Shape::Every | Shape::Progress { .. } => false,
        // Two or three a day are read faster as times than as a step.
        Shape::Step(step) => *step >= 8,
        Shape::Runs(runs) => runs.iter().all(|(from, to)| from == to),
    }
}

/// Neighbouring stretches as one, for what goes on from hour to hour.
fn joined(runs: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for &(from, to) in runs {
        match joined.last_mut() {
            Some((_, end)) if *end + 1 == from => *end = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// `every minute`, `every 5 minutes`; nothing if it does not go on evenly.
fn every(shape: &Shape, unit: &str) -> Option<String> {
    match shape {
        Shape::Every => Some(format!("every {unit}")),
        Shape::Step(step) => Some(format!("every {step} {unit}s")),
        _ => None,
    }
}

/// `at minute 5`, `every 5th minute from 10 through 40`
fn placed(shape: &Shape, unit: &str) -> String {
    let at = if matches!(shape, Shape::Runs(_)) { "at " } else { "" };
    format!("{at}{}", told(shape, unit))
}

/// `minute 5`, `minutes 0 and 10 through 20`, `every 5th minute from 10 through 40`
fn told(shape: &Shape, unit: &str) -> String {
    let stepped = |from, to, step| format!("every {} {unit} from {from} through {to}", counted(step));
    match *shape {
        Shape::Every => format!("every {unit}"),
        Shape::Step(step) => stepped(0, 60 - step, step),
        Shape::Progress { from, to, step } => stepped(from, to, step),
        Shape::Runs(ref runs) => listed(runs, unit, |n| n.to_string()),
    }
}

fn listed(runs: &[(u32, u32)], unit: &str, word: impl Fn(u32) -> String) -> String {
    let one = matches!(runs, [(from, to)] if from == to);
    noun(unit, &parts(runs, word), one)
}
