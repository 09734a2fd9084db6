//! The parts of a process that can tell of themselves, by name, and one page of metrics out of all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use longshore_core::Invalid;

use crate::{Exposition, Snapshot};

/// Parts that are shown.
const PARTS_MAX: usize = 1_000;
/// Longest name of a part, in bytes.
const NAME_MAX: usize = 256;

/// Something that can be measured: a breaker, a limiter, a cache, a pool.
pub trait Metered: Send + Sync {
    /// Adds what it has seen so far.
    fn meter(&self, samples: &mut Samples<'_>);
}

impl<T: Metered + ?Sized> Metered for Arc<T> {
    fn meter(&self, samples: &mut Samples<'_>) {
        (**self).meter(samples);
    }
}

/// Takes the figures of one part.
pub struct Samples<'a> {
    part: &'a str,
    all: &'a mut BTreeMap<&'static str, Family>,
}

/// All figures of one name.
struct Family {
    help: &'static str,
    figures: Vec<(String, Option<Label>, Figure)>,
}

/// What tells figures of one part apart, and which one it is.
type Label = (&'static str, &'static str);

enum Figure {
    Counter(u64),
    Gauge(f64),
    Histogram(Box<Snapshot>),
}

impl Samples<'_> {
    /// A number that only rises.
    pub fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, help, None, Figure::Counter(value));
    }

    /// Several such numbers, told apart by a label.
    pub fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: [(&'static str, u64); N],
    ) {
        for (which, value) in values {
            self.add(name, help, Some((label, which)), Figure::Counter(value));
        }
    }

    /// A number that rises and falls.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.add(name, help, None, Figure::Gauge(value));
    }

    /// How long things took.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, value: Snapshot) {
        self.add(name, help, None, Figure::Histogram(Box::new(value)));
    }

    /// The figures of a part of this part, under its name behind that of the whole.
    pub fn part(&mut self, name: &str, part: &dyn Metered) {
        let name = format!("{}/{name}", self.part);
        part.meter(&mut Samples { part: &name, all: &mut *self.all });
    }

    fn add(&mut self, name: &'static str, help: &'static str, label: Option<Label>, figure: Figure) {
        let family = self.all.entry(name).or_insert_with(|| Family { help, figures: Vec::new() });
        family.figures.push((self.part.to_owned(), label, figure));
    }
}

/// Parts by name. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Registry(Arc<RwLock<BTreeMap<String, Arc<dyn Metered>>>>);

impl Registry {
    /// Shows a part under a name, in the place of one that had it. Refuses an empty or overlong name, and more than a
    /// thousand parts.
    pub fn register(&self, name: &str, part: impl Metered + 'static) -> Result<(), Invalid> {
        if name.is_empty() || name.len() > NAME_MAX || name.contains(char::is_control) {
            let expected = format!("1 to {NAME_MAX} bytes without control characters");
            return Err(Invalid::new("name", expected, format!("{name:?}")));
        }
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= PARTS_MAX && !parts.contains_key(name) {
            return Err(Invalid::new("parts", format!("at most {PARTS_MAX}"), parts.len() + 1));
        }
        parts.insert(name.to_owned(), Arc::new(part));
        Ok(())
    }

    /// Shows a part no longer.
    pub fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Adds the figures of all parts to a scrape; the label `name` says whose they are.
    pub fn expose(&self, out: &mut Exposition) {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = BTreeMap::new();
        for (name, part) in &parts {
            part.meter(&mut Samples { part: name, all: &mut all });
        }
        for (name, family) in all {
            for (part, label, figure) in family.figures {
                let labels = [Some(("name", part.as_str())), label];
                let labels: Vec<(&str, &str)> = labels.into_iter().flatten().collect();
                match figure {
                    Figure::Counter(value) => out.counter(name, family.help, &labels, value),
                    Figure::Gauge(value) => out.gauge(name, family.help, &labels, value),
                    Figure::Histogram(value) => out.histogram(name, family.help, &labels, &value),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Metered for Fixed {
        fn meter(&self, samples: &mut Samples<'_>) {
            samples.counter("b_total", "Of b.", self.0);
            samples.counters("a_total", "Of a.", "sort", [("x", self.0)]);
            samples.gauge("c", "Of c.", 0.5);
        }
    }

    #[test]
    fn figures_of_one_name_stand_together() {
        let registry = Registry::default();
        registry.register("one", Fixed(1)).unwrap();
        registry.register("two", Fixed(2)).unwrap();
        registry.register("two", Fixed(3)).unwrap();
        let mut out = Exposition::default();
        registry.expose(&mut out);
        let expected = "# HELP a_total Of a.\n# TYPE a_total counter\n\
            a_total{name=\"one\",sort=\"x\"} 1\na_total{name=\"two\",sort=\"x\"} 3\n\
            # HELP b_total Of b.\n# TYPE b_total counter\nb_total{name=\"one\"} 1\nb_total{name=\"two\"} 3\n\
            # HELP c Of c.\n# TYPE c gauge\nc{name=\"one\"} 0.5\nc{name=\"two\"} 0.5\n";
        assert_eq!(out.finish(), expected);
        registry.remove("one");
        let mut out = Exposition::default();
        registry.expose(&mut out);
        assert!(!out.finish().contains("one"));
    }

    #[test]
    fn a_name_is_checked_and_the_number_of_parts_bounded() {
        let registry = Registry::default();
        assert_eq!(registry.register("", Fixed(1)).unwrap_err().field, "name");
        assert_eq!(registry.register("a\nb", Fixed(1)).unwrap_err().field, "name");
        for part in 0..PARTS_MAX {
            registry.register(&part.to_string(), Fixed(1)).unwrap();
        }
        assert_eq!(registry.register("more", Fixed(1)).unwrap_err().field, "parts");
        registry.register("0", Fixed(2)).unwrap();
    }
}
