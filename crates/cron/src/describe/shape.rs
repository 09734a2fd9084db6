//! How a set of values is best told.

use crate::times::values;

/// More parts than this in one list read like a puzzle.
const PARTS_MAX: usize = 12;
/// So few values are listed rather than told as a step.
const LISTED: usize = 4;

/// A set of values of one field, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All of them.
    Every,
    /// From the first on, each `n`th, and the distance holds across the end as well.
    Step(u32),
    /// Each `step`th from one value through another.
    Progress { from: u32, to: u32, step: u32 },
    /// Stretches of neighbours, both ends inside, in order.
    Runs(Vec<(u32, u32)>),
}

impl Shape {
    /// `low` and `high` are the bounds of the field. Nothing if it would take too many words.
    pub(super) fn of(bits: u64, low: u32, high: u32) -> Option<Self> {
        let members: Vec<_> = values(bits).collect();
        let (&first, &last) = (members.first()?, members.last()?);
        if members.len() as u32 == high - low + 1 {
            return Some(Self::Every);
        }
        if let Some(step) = distance(&members).filter(|step| *step > 1) {
            if first == low && last + step == high + 1 {
                return Some(Self::Step(step));
            }
            if members.len() > LISTED {
                return Some(Self::Progress { from: first, to: last, step });
            }
        }
        let runs = runs(&members);
        (runs.len() <= PARTS_MAX).then_some(Self::Runs(runs))
    }

    /// The only value, if there is one.
    pub(super) fn single(&self) -> Option<u32> {
        match self {
            Self::Runs(runs) => match runs.as_slice() {
                [(one, other)] if one == other => Some(*one),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The one distance between all neighbours.
fn distance(members: &[u32]) -> Option<u32> {
    let mut distances = members.windows(2).map(|pair| pair[1] - pair[0]);
    let first = distances.next()?;
    distances.all(|distance| distance == first).then_some(first)
}

/// Stretches of at least three neighbours; two neighbours are two stretches of one.
fn runs(members: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &value in members {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == value => *end = value,
            _ => runs.push((value, value)),
        }
    }
    let split =
        |(from, to): (u32, u32)| if to == from + 1 { vec![(from, from), (to, to)] } else { vec![(from, to)] };
    runs.into_iter().flat_map(split).collect()
}

/// Each part of a list in words: `5` or `5 through 9`.
pub(super) fn parts(runs: &[(u32, u32)], word: impl Fn(u32) -> String) -> Vec<String> {
    let part = |&(from, to): &(u32, u32)| {
        if from == to { word(from) } else { format!("{} through {}", word(from), word(to)) }
    };
    runs.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(shape: &Shape, low: u32, high: u32) -> u64 {
        let all: Vec<u32> = match shape {
            Shape::Every => (low..=high).collect(),
            Shape::Step(step) => (low..=high).step_by(*step as usize).collect(),
            Shape::Progress { from, to, step } => (*from..=*to).step_by(*step as usize).collect(),
            Shape::Runs(runs) => runs.iter().flat_map(|(from, to)| *from..=*to).collect(),
        };
        all.into_iter().fold(0, |bits, value| bits | 1 << value)
    }

    proptest! {
        #[test]
        fn a_shape_holds_exactly_its_set(bits in 1u64..(1 << 24)) {
            if let Some(shape) = Shape::of(bits, 0, 23) {
                prop_assert_eq!(members(&shape, 0, 23), bits, "{:?}", shape);
            }
        }

        #[test]
        fn steps_and_ranges_do_too(from in 0u32..60, to in 0u32..60, step in 1usize..61) {
            let bits = (from..=to.max(from)).step_by(step).fold(0u64, |bits, value| bits | 1 << value);
            let shape = Shape::of(bits, 0, 59).unwrap();
            prop_assert_eq!(members(&shape, 0, 59), bits);
            if let Shape::Step(step) = shape {
                prop_assert_eq!(60 % step, 0);
            }
        }
    }
}
