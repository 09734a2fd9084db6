use std::fmt::{Display, Write};
use std::time::Duration;

use crate::Snapshot;

/// Upper ends of the buckets that are shown, in seconds.
const SHOWN: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// Builds a scrape in the text format of Prometheus, version 0.0.4. Samples of one name have to come together.
#[derive(Default)]
pub struct Exposition {
    text: String,
    current: String,
}

impl Exposition {
    /// The content type of the text.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    fn head(&mut self, name: &str, sort: &str, help: &str) {
        if self.current != name {
            name.clone_into(&mut self.current);
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {sort}");
        }
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if index == 0 { "{" } else { "," }, escape(value));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A number that only rises.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.head(name, "counter", help);
        self.line(name, labels, value);
    }

    /// A number that only rises and has parts of a whole, such as seconds.
    pub fn counter_f64(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, "counter", help);
        self.line(name, labels, value);
    }

    /// A number that rises and falls.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, "gauge", help);
        self.line(name, labels, value);
    }

    /// A histogram in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, labels: &[(&str, &str)], snapshot: &Snapshot) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let with = |bound: &str| {
            labels
                .iter()
                .copied()
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .chain([("le".to_owned(), bound.to_owned())])
                .collect::<Vec<_>>()
        };
        for bound in SHOWN {
            let labels = with(&bound.to_string());
            let labels: Vec<(&str, &str)> = labels.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            self.line(&bucket, &labels, snapshot.up_to(Duration::from_secs_f64(bound)));
        }
        let labels_inf = with("+Inf");
        let labels_inf: Vec<(&str, &str)> =
            labels_inf.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        self.line(&bucket, &labels_inf, snapshot.count());
        self.line(&format!("{name}_sum"), labels, snapshot.total().as_secs_f64());
        self.line(&format!("{name}_count"), labels, snapshot.count());
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Histogram;

    #[test]
    fn a_scrape_reads_as_prometheus_expects() {
        let mut exposition = Exposition::default();
        exposition.counter("a_total", "Things.", &[("queue", "a\"b")], 3);
        exposition.counter("a_total", "Things.", &[("queue", "c")], 4);
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(3));
        exposition.histogram("b_seconds", "Time.", &[], &histogram.snapshot());
        let text = exposition.finish();
        assert!(text.starts_with("# HELP a_total Things.\n# TYPE a_total counter\na_total{queue=\"a\\\"b\"} 3\na_total{queue=\"c\"} 4\n"));
        assert!(text.contains("b_seconds_bucket{le=\"0.001\"} 0\n"));
        assert!(text.contains("b_seconds_bucket{le=\"0.005\"} 1\n"));
        assert!(text.contains("b_seconds_bucket{le=\"+Inf\"} 1\nb_seconds_sum 0.003\nb_seconds_count 1\n"));
    }
}
