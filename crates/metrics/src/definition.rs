//! What a metric is called, and what it means.

/// How a metric behaves, in Prometheus' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process runs. The name ends with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many observations lie below each bound.
    Histogram,
}

impl Kind {
    /// Prometheus' word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric: all series of one name.
#[derive(Debug)]
pub struct Definition {
    /// The name, in Prometheus' style: the unit last, `_total` at the end of a counter.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// Makes a table of metrics: a constant and an entry of `ALL` for each.
///
/// ```
/// klamm_metrics::definitions! {
///     REQUESTS Counter "example_requests_total" ["api"] "Requests handled.";
/// }
/// assert_eq!((REQUESTS.name, ALL.len()), ("example_requests_total", 1));
/// ```
#[macro_export]
macro_rules! definitions {
    ($($constant:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(crate) static $constant: $crate::Definition = $crate::Definition {
                name: $name,
                kind: $crate::Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// All of this table.
        pub(crate) static ALL: &[&$crate::Definition] = &[$(&$constant),*];
    };
}
