//! Finalized feature levels.

use super::Map;
use crate::features;

/// The levels that the cluster has finalized, `metadata.version` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features(Map<String, i16>);

impl Default for Features {
    fn default() -> Self {
        Self(Map::new_sync())
    }
}

impl Features {
    /// The level of a feature; 0 if it is not finalized.
    pub fn level(&self, name: &str) -> i16 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All finalized features by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        self.0.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// The level of the metadata records; 0 in an empty image.
    pub fn metadata_version(&self) -> i16 {
        self.level(features::METADATA_VERSION)
    }

    /// Whether eligible leader replicas are kept (KIP-966).
    pub fn eligible_leader_replicas(&self) -> bool {
        self.level(features::ELR_VERSION) >= 1
    }

    /// Level 0 takes the feature away.
    pub(super) fn set(&mut self, name: &str, level: i16) {
        if level == 0 {
            self.0.remove_mut(name);
        } else {
            self.0.insert_mut(name.to_owned(), level);
        }
    }
}
