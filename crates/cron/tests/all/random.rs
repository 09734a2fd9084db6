//! Random expressions.

use proptest::prelude::*;

use crate::naive::{Expression, Field, Item, Kind};

fn item(kind: Kind) -> BoxedStrategy<Item> {
    let (low, high) = kind.bounds();
    let value = low..=high;
    let step = 1..=high;
    let plain = prop_oneof![
        3 => value.clone().prop_map(Item::One),
        1 => step.clone().prop_map(Item::StarStep),
        1 => (value.clone(), step.clone()).prop_map(|(from, step)| Item::From(from, step)),
        2 => (value.clone(), value.clone()).prop_map(|(from, to)| Item::Range(from, to)),
        1 => (value.clone(), value, step).prop_map(|(from, to, step)| Item::RangeStep(from, to, step)),
    ];
    match kind {
        Kind::Date => prop_oneof![
            6 => plain,
            1 => (0..=30u32).prop_map(Item::Last),
            1 => (1..=31u32).prop_map(Item::Nearest),
            1 => (0..=30u32).prop_map(Item::NearestLast),
        ]
        .boxed(),
        Kind::Weekday => prop_oneof![
            4 => plain,
            1 => (0..=6u32).prop_map(Item::LastWeekday),
            1 => (0..=6u32, 1..=5u32).prop_map(|(day, which)| Item::Nth(day, which)),
        ]
        .boxed(),
        _ => plain.boxed(),
    }
}

fn field(kind: Kind, stars: u32) -> impl Strategy<Value = Field> {
    let listed = proptest::collection::vec(item(kind), 1..=3);
    let items = prop_oneof![
        stars => Just(vec![Item::Star]),
        1 => (1..=kind.bounds().1).prop_map(|step| vec![Item::StarStep(step)]),
        4 => listed,
        1 => item(kind).prop_map(|item| vec![item, Item::Star]),
    ];
    items.prop_map(move |items| Field(kind, items))
}

/// Any expression of five fields, or of six.
pub(crate) fn expressions(seconds: bool) -> impl Strategy<Value = Expression> {
    let second = if seconds { field(Kind::Sixty, 1).prop_map(Some).boxed() } else { Just(None).boxed() };
    let clock = (second, field(Kind::Sixty, 2), field(Kind::Hour, 2));
    let days = (field(Kind::Date, 12), field(Kind::Month, 12), field(Kind::Weekday, 12));
    (clock, days).prop_map(|((second, minute, hour), (date, month, weekday))| Expression {
        second,
        minute,
        hour,
        date,
        month,
        weekday,
    })
}
