//! The times of a day that an expression names.

/// Sets of hours, minutes and seconds, each a bit; none is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) hours: u64,
    pub(crate) minutes: u64,
    pub(crate) seconds: u64,
}

impl Times {
    /// The first time of the day, in seconds.
    pub(crate) fn first(&self) -> i64 {
        join(first(self.hours), first(self.minutes), first(self.seconds))
    }

    /// The last time of the day, in seconds.
    pub(crate) fn last(&self) -> i64 {
        join(last(self.hours), last(self.minutes), last(self.seconds))
    }

    /// The first time that is not before `second` of the day.
    pub(crate) fn at_or_after(&self, second: i64) -> Option<i64> {
        let (h, m, s) = ((second / 3_600) as u32, (second / 60 % 60) as u32, (second % 60) as u32);
        if has(self.hours, h) {
            if has(self.minutes, m)
                && let Some(s) = from(self.seconds, s)
            {
                return Some(join(h, m, s));
            }
            if let Some(m) = from(self.minutes, m + 1) {
                return Some(join(h, m, first(self.seconds)));
            }
        }
        from(self.hours, h + 1).map(|h| join(h, first(self.minutes), first(self.seconds)))
    }

    /// How many times a day has.
    pub(crate) fn count(&self) -> i64 {
        [self.hours, self.minutes, self.seconds].iter().map(|bits| i64::from(bits.count_ones())).product()
    }

    /// The shortest and the longest time between two neighbours of one day, in seconds.
    pub(crate) fn gaps(&self) -> Option<(i64, i64)> {
        let span = |bits: u64| i64::from(last(bits) - first(bits));
        let seconds = gaps(self.seconds);
        let minutes = gaps(self.minutes).map(|gap| gap * 60 - span(self.seconds));
        let hours = gaps(self.hours).map(|gap| gap * 3_600 - span(self.minutes) * 60 - span(self.seconds));
        seconds.chain(minutes).chain(hours).fold(None, |known, gap| {
            let (low, high) = known.unwrap_or((gap, gap));
            Some((gap.min(low), gap.max(high)))
        })
    }
}

fn join(h: u32, m: u32, s: u32) -> i64 {
    i64::from(h * 3_600 + m * 60 + s)
}

fn gaps(bits: u64) -> impl Iterator<Item = i64> {
    let pair = move |value: u32| from(bits, value + 1).map(|next| i64::from(next - value));
    values(bits).filter_map(pair)
}

/// The members of a set, in order.
pub(crate) fn values(bits: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |value| has(bits, *value))
}

pub(crate) fn has(bits: u64, value: u32) -> bool {
    bits >> value & 1 == 1
}

/// The first member that is not below `value`.
pub(crate) fn from(bits: u64, value: u32) -> Option<u32> {
    let rest = bits.checked_shr(value).unwrap_or(0);
    (rest != 0).then(|| value + rest.trailing_zeros())
}

fn first(bits: u64) -> u32 {
    bits.trailing_zeros()
}

fn last(bits: u64) -> u32 {
    bits.ilog2()
}
