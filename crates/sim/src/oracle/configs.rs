//! The configurations of topics.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Oracle};

pub(super) const CONFIGS_SURVIVE: Invariant = Invariant {
    id: "configs-survive",
    sentence: "A setting of a topic that was acknowledged is the one that is described, until \
               another is asked for.",
};

/// What a setting may be.
#[derive(Debug)]
struct Setting {
    /// None is whatever it was before anything was asked for.
    possible: BTreeSet<Option<String>>,
    /// Asked for and not answered: may be carried out as long as this broker lives.
    open: BTreeSet<String>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { possible: BTreeSet::from([None]), open: BTreeSet::new() }
    }
}

/// Settings by topic and key.
#[derive(Debug, Default)]
pub(super) struct Configs {
    settings: BTreeMap<(String, String), Setting>,
}

impl Configs {
    pub(super) fn ended(&mut self) {
        self.settings.values_mut().for_each(|setting| setting.open.clear());
    }

    pub(super) fn forget(&mut self, topic: &str) {
        self.settings.retain(|(name, _), _| name != topic);
    }
}

impl Oracle {
    /// A setting is about to be asked for.
    pub(crate) fn setting(&mut self, topic: &str, key: &str, value: &str) {
        let of = (topic.to_owned(), key.to_owned());
        let setting = self.configs.settings.entry(of).or_default();
        setting.possible.insert(Some(value.to_owned()));
        setting.open.insert(value.to_owned());
    }

    /// It was acknowledged.
    pub(crate) fn set(&mut self, topic: &str, key: &str, value: &str) {
        let of = (topic.to_owned(), key.to_owned());
        let setting = self.configs.settings.entry(of).or_default();
        setting.open.remove(value);
        setting.possible = setting.open.iter().cloned().map(Some).collect();
        setting.possible.insert(Some(value.to_owned()));
    }

    /// The keys of a topic that were acknowledged.
    pub(crate) fn keys_set(&self, topic: &str) -> Vec<String> {
        let of_it = self.configs.settings.keys().filter(|(name, _)| name == topic);
        of_it.map(|(_, key)| key.clone()).collect()
    }

    /// A setting was described.
    pub(crate) fn described(&mut self, topic: &str, key: &str, found: Option<&str>) {
        let of = (topic.to_owned(), key.to_owned());
        let Some(setting) = self.configs.settings.get(&of) else { return };
        let is_possible = |found: &str| setting.possible.contains(&Some(found.to_owned()));
        if !setting.possible.contains(&None) && !found.is_some_and(is_possible) {
            let text = format!("{topic} {key} is {found:?}, possible {:?}", setting.possible);
            self.violate(CONFIGS_SURVIVE, text);
        }
    }
}
