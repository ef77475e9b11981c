//! What the management plane may ask of a running broker.
//!
//! Cost: what a scrape reads it reads on the disk's threads, one scrape at a time; it takes each of
//! the locks of the data path for a moment.

pub(crate) mod definitions;
mod groups;
mod names;
mod node;
mod requests;
mod topics;

use std::{fmt::Debug, sync::Arc};

use klamm_env::{disk, net::BoxFuture};
use klamm_metrics::{Definition, Format, Page};
use tokio::sync::Mutex;

use crate::{broker::Broker, metrics::SlowRequest};

pub(crate) use names::{NAMES, Name, Source};

/// What the management plane may ask of a broker.
pub trait Observe: Send + Sync + Debug {
    /// All metrics, as text.
    fn metrics(&self, format: Format) -> BoxFuture<'_, String>;

    /// Why the broker cannot serve clients now; none if it can.
    fn unready(&self) -> Option<String>;

    /// The requests that took longest to be forgotten: the last ones that took longer than
    /// `klamm.slow.request.ms`, the newest first.
    fn slow_requests(&self) -> Vec<SlowRequest>;
}

/// Every metric that a broker tells of.
pub(crate) fn definitions() -> &'static [&'static Definition] {
    definitions::ALL
}

/// A broker, seen from the plane.
#[derive(Debug)]
pub(crate) struct Observer {
    broker: Arc<Broker>,
    /// Held by the one scrape that runs.
    turn: Mutex<()>,
}

impl Observer {
    pub(crate) fn new(broker: Arc<Broker>) -> Self {
        Self { broker, turn: Mutex::default() }
    }
}

impl Observe for Observer {
    fn metrics(&self, format: Format) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let broker = Arc::clone(&self.broker);
            let work = move || page(&broker, format);
            disk::run(&self.broker.env.disk, work).await.unwrap_or_else(|error| {
                tracing::warn!("cannot collect metrics: {error}");
                Page::new(format).finish()
            })
        })
    }

    fn unready(&self) -> Option<String> {
        let broker = &self.broker;
        if broker.stop.is_rung() {
            return Some("the broker stops".to_owned());
        }
        if broker.quorum.status().leader.is_none() {
            return Some("no controller is known".to_owned());
        }
        let dirs = broker.logs.dirs();
        if dirs.iter().all(|dir| dir.offline_reason().is_some()) {
            return Some("no log directory is in service".to_owned());
        }
        None
    }

    fn slow_requests(&self) -> Vec<SlowRequest> {
        self.broker.metrics.slow.all()
    }
}

fn page(broker: &Broker, format: Format) -> String {
    let mut page = Page::new(format);
    node::write(broker, &mut page);
    requests::write(broker, &mut page);
    topics::write(broker, &mut page);
    groups::write(broker, &mut page);
    broker.telemetry.write(broker.env.clock.now_ms(), &mut page);
    page.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use klamm_metrics::Kind;

    use super::*;

    /// Units are the base units, at the end of the name, as Prometheus advises.
    #[test]
    fn names_are_in_one_style() {
        let mut seen = BTreeSet::new();
        for of in definitions() {
            let name = of.name;
            assert!(seen.insert(name), "{name} is there twice");
            assert!(name.starts_with("klamm_"), "{name}");
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(allowed), "{name}");
            assert_eq!(name.ends_with("_total"), of.kind == Kind::Counter, "{name}");
            assert!(!name.contains("_ms") && !name.contains("percent"), "{name}");
            assert!(of.help.ends_with('.'), "{name}: a sentence ends with a stop");
            assert!(of.kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        }
    }
}
