//! Short names for member ids: the client's name and a number, in the order of appearance.

use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Names {
    short: BTreeMap<String, String>,
    long: BTreeMap<String, String>,
    count: BTreeMap<String, usize>,
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
