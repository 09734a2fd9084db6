//! Rules that find a limit out of how long calls take.

use std::ops::RangeInclusive;
use std::time::Duration;

use longshore_clock::Chance;
use longshore_core::Invalid;

/// What one window of calls showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitSample {
    /// How long they took, on average. One that was dropped counts as no shorter than others were before.
    pub rtt: Duration,
    /// The most that were out at once.
    pub in_flight: usize,
    /// Whether any of them was dropped: it timed out, or was refused for load.
    pub dropped: bool,
}

/// A rule: the limit that follows from a sample.
pub trait Limit: Send {
    /// The limit now.
    fn limit(&self) -> usize;
    /// Takes note of a window.
    fn update(&mut self, sample: LimitSample);
}

/// The same limit for ever.
#[derive(Clone, Copy, Debug)]
pub struct FixedLimit(
    /// The limit, at least 1.
    pub usize,
);

impl Limit for FixedLimit {
    fn limit(&self) -> usize {
        self.0
    }

    fn update(&mut self, _: LimitSample) {}
}

/// Where a rule begins if that lies within its bounds.
const FIRST: f64 = 20.0;

/// Between what a rule stays.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    least: f64,
    most: f64,
}

impl Bounds {
    fn new(limits: &RangeInclusive<usize>) -> Result<Self, Invalid> {
        let (least, most) = (*limits.start(), *limits.end());
        if least == 0 || least > most {
            let expected = "a range of whole numbers above 0, the smaller one first";
            return Err(Invalid::new("limits", expected, format!("{least} to {most}")));
        }
        Ok(Self { least: least as f64, most: most as f64 })
    }

    fn hold(self, limit: f64) -> f64 {
        limit.clamp(self.least, self.most)
    }
}

/// One more while all goes well, a tenth less when a call is dropped or takes more than five seconds. From 20 to 200, unless
/// it is told otherwise.
#[derive(Clone, Copy, Debug)]
pub struct AimdLimit {
    limit: f64,
    bounds: Bounds,
}

impl Default for AimdLimit {
    fn default() -> Self {
        Self { limit: FIRST, bounds: Bounds { least: 20.0, most: 200.0 } }
    }
}

impl AimdLimit {
    /// Between other limits. Refuses none at all.
    pub fn within(self, limits: RangeInclusive<usize>) -> Result<Self, Invalid> {
        let bounds = Bounds::new(&limits)?;
        Ok(Self { limit: bounds.hold(self.limit), bounds })
    }
}

impl Limit for AimdLimit {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn update(&mut self, sample: LimitSample) {
        if sample.dropped || sample.rtt > Duration::from_secs(5) {
            self.limit *= 0.9;
        } else if sample.in_flight * 2 >= self.limit() {
            self.limit += 1.0;
        }
        self.limit = self.bounds.hold(self.limit);
    }
}

/// Keeps the queue in front of the other side short, by the time that calls take without one. Starts at 20; from 1 to
/// 1000, unless it is told otherwise.
#[derive(Clone, Debug)]
pub struct VegasLimit {
    limit: f64,
    bounds: Bounds,
    /// The shortest time seen: without a queue.
    unloaded: Option<f64>,
    samples: f64,
    /// After so many samples it is measured anew.
    probe_at: f64,
    chance: Chance,
}

impl VegasLimit {
    /// Chance spreads the moments at which it measures anew.
    pub fn new(chance: Chance) -> Self {
        let bounds = Bounds { least: 1.0, most: 1_000.0 };
        let mut new = Self { limit: FIRST, bounds, unloaded: None, samples: 0.0, probe_at: 0.0, chance };
        new.plan();
        new
    }

    /// Between other limits. Refuses none at all.
    pub fn within(mut self, limits: RangeInclusive<usize>) -> Result<Self, Invalid> {
        self.bounds = Bounds::new(&limits)?;
        self.limit = self.bounds.hold(self.limit);
        self.plan();
        Ok(self)
    }

    fn plan(&mut self) {
        self.samples = 0.0;
        self.probe_at = (0.5 + self.chance.unit() / 2.0) * 30.0 * self.limit;
    }
}

impl Limit for VegasLimit {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn update(&mut self, sample: LimitSample) {
        let rtt = sample.rtt.as_secs_f64();
        self.samples += 1.0;
        // What was dropped says nothing about calls without a queue.
        if !sample.dropped {
            if self.samples >= self.probe_at {
                self.plan();
                self.unloaded = None;
            }
            if self.unloaded.is_none_or(|unloaded| rtt < unloaded) {
                self.unloaded = Some(rtt);
                return;
            }
        }
        // At low limits a step of less than one would change nothing.
        let step = self.limit.log10().max(1.0);
        let queue = (self.limit * (1.0 - self.unloaded.unwrap_or(rtt) / rtt)).ceil();
        let (alpha, beta) = (3.0 * step, 6.0 * step);
        if sample.dropped || queue > beta {
            self.limit -= step;
        } else if (sample.in_flight as f64) * 2.0 < self.limit {
            return;
        } else if queue <= step {
            self.limit += beta;
        } else if queue < alpha {
            self.limit += step;
        }
        self.limit = self.bounds.hold(self.limit);
    }
}

/// Compares how long calls take now with how long they took before, and leaves room for a short queue. From 20 to 200,
/// unless it is told otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Gradient2Limit {
    limit: f64,
    bounds: Bounds,
    long: Option<f64>,
    samples: u32,
}

/// Samples over which the long average goes.
const LONG: u32 = 600;

impl Default for Gradient2Limit {
    fn default() -> Self {
        Self { limit: FIRST, bounds: Bounds { least: 20.0, most: 200.0 }, long: None, samples: 0 }
    }
}

impl Gradient2Limit {
    /// Between other limits. Refuses none at all.
    pub fn within(self, limits: RangeInclusive<usize>) -> Result<Self, Invalid> {
        let bounds = Bounds::new(&limits)?;
        Ok(Self { limit: bounds.hold(self.limit), bounds, ..self })
    }
}

impl Limit for Gradient2Limit {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn update(&mut self, sample: LimitSample) {
        let short = sample.rtt.as_secs_f64();
        self.samples = (self.samples + 1).min(LONG);
        let long = self.long.map_or(short, |long| long + (short - long) / f64::from(self.samples));
        // After a long time of load, the average has to find its way back.
        let long = if long > 2.0 * short { long * 0.95 } else { long };
        self.long = Some(long);
        if (sample.in_flight as f64) < self.limit / 2.0 {
            return;
        }
        let gradient = (1.5 * long / short.max(1e-9)).clamp(0.5, 1.0);
        let wanted = self.limit * gradient + 4.0;
        self.limit = self.bounds.hold(self.limit * 0.8 + wanted * 0.2);
    }
}
