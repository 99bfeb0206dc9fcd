//! The form of every crate's table of metrics, their registration, and the figures of the process itself; never knows
//! what a crate measures.
//!
//! A crate has one table (`METERS`) with a row for each metric that it uses. What the rows say is registered when a
//! process starts, before anything happens: a counter that is missing until it first counts hides its first count from
//! every rule that looks for an increase.

mod process;

use metrics::{Label as Pair, describe_counter, describe_gauge, describe_histogram};

pub use process::sample as sample_process;

/// What is measured of the process itself.
pub use process::METERS as PROCESS;

/// One metric.
#[derive(Debug)]
pub struct Meter {
    /// As it is exported, with the prefix `quittance_`.
    pub name: &'static str,
    /// What it counts, for the exported help.
    pub help: &'static str,
    /// How it is exported.
    pub kind: Kind,
    /// Its labels, in the order in which they are exported.
    pub labels: &'static [Label],
}

/// How a metric is exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls, and nothing is what it is at the start.
    Gauge,
    /// A gauge of which nothing can be said before it was first measured: 0 would be a wrong answer.
    Sampled,
    /// How often a value was at most each of these bounds.
    Histogram(&'static [f64]),
}

/// A label's name and the values that it takes.
pub type Label = (&'static str, Values);

/// What is known beforehand of a label's values.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// These and no others.
    Known(&'static [&'static str]),
    /// Known to the caller that starts the process, see [`register`].
    Given,
    /// They turn up while the process runs, and their series are registered when they do.
    Later,
}

/// Bounds of durations from a millisecond to the minute after which a job counts as failed, in seconds.
pub const SECONDS: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

impl Meter {
    /// A counter.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, labels: &'static [Label]) -> Self {
        Self { name, help, kind: Kind::Counter, labels }
    }

    /// A gauge that is 0 until something else is measured.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, labels: &'static [Label]) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// A gauge that is absent until it is measured.
    #[must_use]
    pub const fn sampled(name: &'static str, help: &'static str, labels: &'static [Label]) -> Self {
        Self { name, help, kind: Kind::Sampled, labels }
    }

    /// A histogram with these bounds.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        labels: &'static [Label],
    ) -> Self {
        Self { name, help, kind: Kind::Histogram(bounds), labels }
    }

    /// Every combination of values that is known beforehand; none where a label's values are not.
    fn series(&self, given: &[(&'static str, &'static [&'static str])]) -> Vec<Vec<Pair>> {
        let mut series = vec![Vec::new()];
        for (name, values) in self.labels {
            let values = match values {
                Values::Known(values) => *values,
                Values::Given => given.iter().find(|(of, _)| of == name).map_or(&[][..], |(_, values)| *values),
                Values::Later => &[],
            };
            let with = |before: &Vec<Pair>| {
                let before = before.clone();
                values.iter().map(move |value| [before.clone(), vec![Pair::new(*name, *value)]].concat())
            };
            series = series.iter().flat_map(with).collect();
        }
        series
    }

    fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.help),
            Kind::Gauge | Kind::Sampled => describe_gauge!(self.name, self.help),
            Kind::Histogram(_) => describe_histogram!(self.name, self.help),
        }
    }
}

/// Describes what the table has to the installed recorder, and brings every series into being that is known beforehand.
/// `given` are values of labels that only the caller knows, by the labels' names.
pub fn register(table: &[Meter], given: &[(&'static str, &'static [&'static str])]) {
    for meter in table {
        meter.describe();
        for labels in meter.series(given) {
            match meter.kind {
                Kind::Counter => metrics::counter!(meter.name, labels).increment(0),
                Kind::Gauge => metrics::gauge!(meter.name, labels).increment(0),
                Kind::Sampled => {}
                Kind::Histogram(_) => drop(metrics::histogram!(meter.name, labels)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &'static [Label]) -> Vec<String> {
        let meter = Meter::counter("quittance_test_total", "A test", labels);
        let found = meter.series(&[("queue", &["one.v1", "two.v1"])]);
        let text = |pairs: &Vec<Pair>| {
            pairs.iter().map(|pair| format!("{}={}", pair.key(), pair.value())).collect::<Vec<_>>().join(",")
        };
        found.iter().map(text).collect()
    }

    #[test]
    fn every_combination_that_is_known_beforehand_is_there_from_the_start() {
        assert_eq!(series(&[]), [""]);
        let both = series(&[("queue", Values::Given), ("outcome", Values::Known(&["done", "dead"]))]);
        let expected = ["one.v1,done", "one.v1,dead", "two.v1,done", "two.v1,dead"];
        assert_eq!(both, expected.map(|pair| format!("queue={}", pair.replace(',', ",outcome="))));
    }

    #[test]
    fn what_is_only_known_later_is_not_made_up() {
        assert_eq!(series(&[("network", Values::Later)]), [""; 0]);
        assert_eq!(series(&[("outcome", Values::Known(&["done"])), ("network", Values::Later)]), [""; 0]);
    }
}
