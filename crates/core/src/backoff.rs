use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::DurationText;

/// How long a failed job waits before its next attempt.
///
/// In JSON: `{"type": "exponential", "base": "1.5s", "factor": 2, "max": "1h", "jitter": 0.1}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    deny_unknown_fields,
    expecting = "an object with a type: fixed, linear or exponential"
)]
pub enum Backoff {
    /// The same wait every time.
    Fixed {
        /// The wait.
        delay: DurationText,
        /// Fraction of the wait that chance may add or take away, 0 to 1.
        #[serde(default = "default_jitter")]
        jitter: f64,
    },
    /// `base`, twice `base`, three times `base`, ...
    Linear {
        /// The first wait, and what each later one adds.
        base: DurationText,
        /// No wait is longer.
        #[serde(default = "default_max")]
        max: DurationText,
        /// As in `fixed`.
        #[serde(default = "default_jitter")]
        jitter: f64,
    },
    /// `base`, `base * factor`, `base * factor^2`, ...
    Exponential {
        /// The first wait.
        base: DurationText,
        /// What each wait is multiplied by, at least 1.
        #[serde(default = "default_factor")]
        factor: f64,
        /// No wait is longer.
        #[serde(default = "default_max")]
        max: DurationText,
        /// As in `fixed`.
        #[serde(default = "default_jitter")]
        jitter: f64,
    },
}

/// A backoff as callers may write it: an object, or a number of seconds b for waits of b, b², b³ …; 0 is none.
#[derive(Clone, Debug, PartialEq)]
pub struct BackoffForm(pub Backoff);

impl<'de> Deserialize<'de> for BackoffForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Backoff;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "0, a number from 1 to 100, or an object with a type: fixed, linear or exponential",
                )
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Backoff, E> {
                self.visit_f64(number as f64)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Backoff, E> {
                self.visit_f64(number as f64)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Backoff, E> {
                Backoff::power(number).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Backoff, A::Error> {
                Backoff::deserialize(de::value::MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Form).map(Self)
    }
}

impl Backoff {
    /// Tried again at once.
    pub const fn none() -> Self {
        Self::Fixed { delay: DurationText(Duration::ZERO), jitter: 0.0 }
    }

    /// Waits of `base` to the power of 1, 2, 3 … seconds, at most an hour each; none for 0.
    pub fn power(base: f64) -> Option<Self> {
        if base == 0.0 {
            return Some(Self::none());
        }
        let seconds = Some(base).filter(|base| (1.0..=100.0).contains(base)).map(Duration::from_secs_f64)?;
        Some(Self::Exponential { base: DurationText(seconds), factor: base, max: default_max(), jitter: 0.0 })
    }
}

fn default_jitter() -> f64 {
    0.1
}

fn default_factor() -> f64 {
    1.5
}

fn default_max() -> DurationText {
    DurationText(Duration::from_secs(3_600))
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(1_500))
    }
}

impl Backoff {
    /// The same wait every time, without jitter.
    pub const fn fixed(delay: Duration) -> Self {
        Self::Fixed { delay: DurationText(delay), jitter: 0.0 }
    }

    /// Grows by half with every failure, up to an hour, with a tenth of jitter.
    pub fn exponential(base: Duration) -> Self {
        Self::Exponential {
            base: DurationText(base),
            factor: default_factor(),
            max: default_max(),
            jitter: default_jitter(),
        }
    }

    /// The wait after the failure of attempt number `attempt` (1 is the first).
    ///
    /// `chance` is a draw at or above 0 and below 1 that spreads the wait evenly over
    /// `wait * (1 - jitter) ..= wait * (1 + jitter)`; 0.5 gives the exact wait. The cap holds after jitter too.
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let earlier = f64::from(attempt.saturating_sub(1));
        let (wait, max, jitter) = match self {
            Self::Fixed { delay, jitter } => (delay.0.as_secs_f64(), f64::MAX, *jitter),
            Self::Linear { base, max, jitter } => {
                (base.0.as_secs_f64() * (earlier + 1.0), max.0.as_secs_f64(), *jitter)
            }
            Self::Exponential { base, factor, max, jitter } => {
                (base.0.as_secs_f64() * factor.powf(earlier), max.0.as_secs_f64(), *jitter)
            }
        };
        let spread = 1.0 + jitter * (2.0 * chance - 1.0);
        let seconds = (wait.min(max) * spread).min(max).clamp(0.0, crate::limits::DURATION_MAX.as_secs_f64());
        Duration::from_millis((seconds * 1000.0).round() as u64)
    }

    /// Checks the numbers: jitter 0 to 1, factor 1 to 100, no wait above ten years.
    pub fn check(&self) -> Result<(), crate::Invalid> {
        match self {
            Self::Fixed { delay, .. } => crate::check_duration("backoff.delay", delay.0)?,
            Self::Linear { base, max, .. } | Self::Exponential { base, max, .. } => {
                crate::check_duration("backoff.base", base.0)?;
                crate::check_duration("backoff.max", max.0)?;
            }
        }
        let (jitter, factor) = match self {
            Self::Fixed { jitter, .. } | Self::Linear { jitter, .. } => (*jitter, 1.0),
            Self::Exponential { jitter, factor, .. } => (*jitter, *factor),
        };
        if !(0.0..=1.0).contains(&jitter) {
            return Err(crate::Invalid::new("backoff.jitter", "a number from 0 to 1", jitter));
        }
        if !(1.0..=100.0).contains(&factor) {
            return Err(crate::Invalid::new("backoff.factor", "a number from 1 to 100", factor));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bare_number_is_waits_to_its_powers() {
        let read = |text: &str| serde_json::from_str::<BackoffForm>(text).map(|form| form.0);
        let millis = |text: &str| [1, 2, 3].map(|n| read(text).unwrap().delay(n, 0.9).as_millis());
        assert_eq!(millis("2"), [2_000, 4_000, 8_000]);
        assert_eq!(millis("1.5"), [1_500, 2_250, 3_375]);
        assert_eq!(millis("0"), [0; 3]);
        assert_eq!(millis("100"), [100_000, 3_600_000, 3_600_000]);
        assert_eq!(
            read(r#"{"type":"fixed","delay":2}"#).unwrap(),
            serde_json::from_str(r#"{"type":"fixed","delay":2}"#).unwrap()
        );
        for wrong in ["0.5", "101", "-1", "true", "[]", r#"{"type":"never"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("101").unwrap_err().to_string().contains("expected 0, a number from 1 to 100"));
    }

    #[test]
    fn each_form_grows_as_its_name_says() {
        let seconds =
            |backoff: &Backoff| (1..=4).map(|n| backoff.delay(n, 0.5).as_millis()).collect::<Vec<_>>();
        let parse = |text: &str| serde_json::from_str::<Backoff>(text).unwrap();
        assert_eq!(seconds(&parse(r#"{"type":"fixed","delay":2}"#)), [2_000, 2_000, 2_000, 2_000]);
        assert_eq!(seconds(&parse(r#"{"type":"linear","base":"1s","max":3}"#)), [1_000, 2_000, 3_000, 3_000]);
        assert_eq!(
            seconds(&parse(r#"{"type":"exponential","base":1,"factor":2,"max":5}"#)),
            [1_000, 2_000, 4_000, 5_000]
        );
        assert!(serde_json::from_str::<Backoff>(r#"{"type":"fixed","delay":2,"dealy":1}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_wait_passes_its_cap(attempt in 1u32..2_000, chance in 0.0..1.0f64, base in 0u64..100_000, factor in 1.0..100.0f64) {
            let backoff = Backoff::Exponential {
                base: DurationText(Duration::from_millis(base)), factor, max: default_max(), jitter: 0.3,
            };
            prop_assert!(backoff.delay(attempt, chance) <= default_max().0);
        }
    }
}
