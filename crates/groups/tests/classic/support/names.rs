//! Short names for member ids: the client's name and a number, in the order of appearance.

use std::collections::BTreeMap;

use klamm_protocol::wire::Uuid;

#[derive(Default)]
pub(crate) struct Names {
    short: BTreeMap<String, String>,
    long: BTreeMap<String, String>,
    count: BTreeMap<String, usize>,
    topics: BTreeMap<String, Uuid>,
    /// What the names of topics that the script makes end with.
    pub(crate) nonce: String,
}

impl Names {
    /// A member id that a client was told.
    pub(crate) fn learn(&mut self, client: &str, id: &str) {
        if id.is_empty() || self.short.contains_key(id) {
            return;
        }
        let count = self.count.entry(client.to_owned()).or_default();
        *count += 1;
        let short = format!("{client}{count}");
        self.long.insert(short.clone(), id.to_owned());
        self.short.insert(id.to_owned(), short);
    }

    pub(crate) fn learn_topic(&mut self, topic: &str, id: Uuid) {
        self.topics.insert(topic.to_owned(), id);
    }

    pub(crate) fn topic_id(&self, topic: &str) -> Option<Uuid> {
        self.topics.get(topic).copied()
    }

    /// A topic as the broker knows it.
    pub(crate) fn topic_name(&self, topic: &str) -> String {
        let nonce = if self.topics.contains_key(topic) { &*self.nonce } else { "" };
        format!("{topic}{nonce}")
    }

    /// The name of a topic; `?` if it was never heard of.
    pub(crate) fn topic(&self, id: Uuid) -> &str {
        let found = self.topics.iter().find(|(_, known)| **known == id);
        found.map_or("?", |(name, _)| name)
    }

    pub(crate) fn short(&self, id: &str) -> String {
        match id {
            "" => "-".to_owned(),
            _ => self.short.get(id).cloned().unwrap_or_else(|| "(not told)".to_owned()),
        }
    }

    /// The id of a short name; what is no short name stands for itself.
    pub(crate) fn long(&self, short: &str) -> String {
        self.long.get(short).cloned().unwrap_or_else(|| short.to_owned())
    }
}
