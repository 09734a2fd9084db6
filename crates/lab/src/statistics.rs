use serde::Serialize;

/// How measured times spread, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them are at most this.
    pub p50: f64,
    /// 95 of 100 are at most this.
    pub p95: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// Of times in milliseconds; none of an empty list.
    pub fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            times
                .get(((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1)
                .copied()
        };
        let round = |ms: f64| (ms * 1_000.0).round() / 1_000.0;
        Some(Self {
            p50: round(at(0.5)?),
            p95: round(at(0.95)?),
            p99: round(at(0.99)?),
            max: round(at(1.0)?),
        })
    }
}

/// How the rates of several rounds spread, in jobs per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Their sum, divided by their number.
    pub mean: f64,
    /// The middle one.
    pub median: f64,
    /// 95 of 100 rounds were at most as fast.
    pub p95: f64,
    /// 99 of 100 rounds were at most as fast.
    pub p99: f64,
    /// The slowest round.
    pub min: f64,
    /// The fastest round.
    pub max: f64,
}

impl Rates {
    /// Of rates; none of an empty list.
    pub fn of(rates: &[f64]) -> Option<Self> {
        let spread = Spread::of(rates.to_vec())?;
        let min = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let [mean, median, p95, p99, min, max] =
            [mean, median(rates)?, spread.p95, spread.p99, min, spread.max].map(f64::round);
        Some(Self { mean, median, p95, p99, min, max })
    }
}

/// The middle of a list, or the mean of the two in the middle; none of an empty one.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let spread = Spread::of((1..=100).rev().map(f64::from).collect()).unwrap();
        assert_eq!(spread, Spread { p50: 50.0, p95: 95.0, p99: 99.0, max: 100.0 });
        assert_eq!(Spread::of(vec![3.0]).map(|spread| spread.p99), Some(3.0));
        assert!(Spread::of(Vec::new()).is_none());
    }

    #[test]
    fn rates_are_summed_up() {
        let rates = Rates::of(&[100.0, 400.0, 100.0, 200.0]).unwrap();
        let expected = Rates { mean: 200.0, median: 150.0, p95: 400.0, p99: 400.0, min: 100.0, max: 400.0 };
        assert_eq!(rates, expected);
        assert!(Rates::of(&[]).is_none());
    }

    #[test]
    fn the_median_of_an_even_list_lies_between() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
