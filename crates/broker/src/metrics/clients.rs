//! Which client software is connected, as it names itself in ApiVersions (KIP-511).
//!
//! Invariant: at most [`SOFTWARE_MAX`] kinds are told apart, whatever clients claim to be; what
//! comes beyond counts as `other`.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

/// The most kinds of software, by listener, that are told apart.
const SOFTWARE_MAX: usize = 1000;

/// A longer name or version counts as `other`, bytes.
const NAME_BYTES_MAX: usize = 64;

/// What a client is called that has not said, as in Kafka.
const UNKNOWN: &str = "unknown";

/// What a client is called that cannot be told apart from others.
const OTHER: &str = "other";

/// A kind of software.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Software {
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    /// The listener it is connected to.
    pub(crate) listener: Arc<str>,
}

/// Counts connections by software.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<BTreeMap<Software, usize>>);

impl Clients {
    /// A connection begins.
    pub(crate) fn connect(self: &Arc<Self>, listener: &Arc<str>) -> Client {
        let listener = Arc::clone(listener);
        let software = Software { name: UNKNOWN.into(), version: UNKNOWN.into(), listener };
        let software = self.add(software);
        Client { clients: Arc::clone(self), software: Mutex::new(software) }
    }

    /// Open connections by software, in order.
    pub(crate) fn counts(&self) -> Vec<(Software, usize)> {
        self.0.lock().iter().map(|(software, count)| (software.clone(), *count)).collect()
    }

    fn add(&self, mut software: Software) -> Software {
        let mut counts = self.0.lock();
        if counts.len() >= SOFTWARE_MAX && !counts.contains_key(&software) {
            software.name = OTHER.into();
            software.version = OTHER.into();
        }
        *counts.entry(software.clone()).or_insert(0) += 1;
        software
    }

    fn remove(&self, software: &Software) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(software) {
            *count -= 1;
            if *count == 0 {
                counts.remove(software);
            }
        }
    }
}

/// The software at the other end of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    clients: Arc<Clients>,
    software: Mutex<Software>,
}

impl Client {
    /// The client says what it is. The caller has checked the form of the names.
    pub(crate) fn named(&self, name: &str, version: &str) {
        let mut software = self.software.lock();
        if *software.name == *name && *software.version == *version {
            return;
        }
        let bounded =
            |text: &str| if text.len() <= NAME_BYTES_MAX { text.into() } else { OTHER.into() };
        let listener = Arc::clone(&software.listener);
        let new = Software { name: bounded(name), version: bounded(version), listener };
        self.clients.remove(&software);
        *software = self.clients.add(new);
    }

    /// What it is.
    pub(crate) fn software(&self) -> Software {
        self.software.lock().clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.clients.remove(&self.software.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(clients: &Clients, expected: &str) {
        let counts = clients.counts();
        let told = counts.iter().map(|(software, count)| {
            format!("{} {} {}: {count}", software.name, software.version, software.listener)
        });
        assert_eq!(told.collect::<Vec<_>>().join(", "), expected);
    }

    #[test]
    fn connections_are_counted_by_what_they_say() {
        let clients = Arc::new(Clients::default());
        let listener: Arc<str> = "PLAINTEXT".into();
        let one = clients.connect(&listener);
        let other = clients.connect(&listener);
        check(&clients, "unknown unknown PLAINTEXT: 2");
        one.named("librdkafka", "2.8.0");
        other.named("librdkafka", "2.8.0");
        other.named("librdkafka", "2.8.0");
        check(&clients, "librdkafka 2.8.0 PLAINTEXT: 2");
        other.named(&"x".repeat(65), "1");
        check(&clients, "librdkafka 2.8.0 PLAINTEXT: 1, other 1 PLAINTEXT: 1");
        drop((one, other));
        check(&clients, "");
    }

    #[test]
    fn inventive_clients_do_not_fill_the_memory() {
        let clients = Arc::new(Clients::default());
        let listener: Arc<str> = "PLAINTEXT".into();
        let all: Vec<Client> = (0..SOFTWARE_MAX + 50)
            .map(|number| {
                let client = clients.connect(&listener);
                client.named(&format!("client-{number}"), "1");
                client
            })
            .collect();
        assert!(clients.counts().len() <= SOFTWARE_MAX + 1, "{}", clients.counts().len());
        let connections: usize = clients.counts().iter().map(|(_, count)| count).sum();
        assert_eq!(connections, all.len());
        drop(all);
        check(&clients, "");
    }
}
