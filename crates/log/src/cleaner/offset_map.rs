//! The last offset of every key in the part of a log that is being compacted.
//!
//! Keys are known by a hash of 128 bits under a key that nobody else has (SipHash), so an entry
//! takes [`ENTRY_BYTES`] whatever its key, as in Kafka's map of MD5 sums, and nobody can make two
//! keys look like one.
//!
//! Invariant: a map never grows beyond the memory it was given; what no longer fits is refused.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Memory of an entry, bytes: Kafka's too, so that `log.cleaner.dedupe.buffer.size` means the same.
pub(crate) const ENTRY_BYTES: usize = 24;

/// How much memory a map may take, and how full it may get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MapLimits {
    /// Memory, bytes.
    pub(crate) bytes: usize,
    /// The largest part of its places that may be taken, 0 to 1.
    pub(crate) load_factor: f64,
}

/// A key that no longer fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Open addressing with linear probing.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    secret: (u64, u64),
    /// Hash and offset plus one; all zeros is a free place.
    places: Vec<[u64; 3]>,
    len: usize,
    len_max: usize,
    /// All that the map was to hold is in it up to this offset; -1 if nothing is.
    pub(crate) latest: i64,
}

impl OffsetMap {
    /// A map for as many as `expected` keys, as far as the limits allow.
    pub(crate) fn new(secret: (u64, u64), limits: MapLimits, expected: u64) -> Self {
        let load = if (0.01..1.0).contains(&limits.load_factor) { limits.load_factor } else { 0.9 };
        let wanted = usize::try_from(expected).unwrap_or(usize::MAX);
        // Never more than a quarter above what the load factor asks for, and two to begin with.
        let roomy = (wanted as f64 / load).ceil() as usize;
        let places = (limits.bytes / ENTRY_BYTES).min(roomy.saturating_add(1)).max(2);
        let len_max = ((places as f64 * load) as usize).clamp(1, places - 1);
        Self { secret, places: vec![[0; 3]; places], len: 0, len_max, latest: -1 }
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How full it is, 0 to 1.
    pub(crate) fn utilization(&self) -> f64 {
        self.len as f64 / self.places.len() as f64
    }

    /// Notes that a record of this key is at `offset`.
    pub(crate) fn put(&mut self, key: &[u8], offset: i64) -> Result<(), Full> {
        let hash = self.hash(key);
        let at = self.find(hash);
        if self.places[at][2] == 0 {
            if self.len >= self.len_max {
                return Err(Full);
            }
            self.len += 1;
        }
        self.places[at] = [hash.0, hash.1, offset.unsigned_abs() + 1];
        Ok(())
    }

    /// The last offset noted for a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let noted = self.places[self.find(self.hash(key))][2];
        noted.checked_sub(1).map(|offset| i64::try_from(offset).unwrap_or(i64::MAX))
    }

    /// The place of a hash, or the free one where it belongs. One is always free.
    fn find(&self, hash: (u64, u64)) -> usize {
        let count = self.places.len();
        let mut at = (hash.0 % count as u64) as usize;
        loop {
            let place = &self.places[at];
            if place[2] == 0 || (place[0], place[1]) == hash {
                return at;
            }
            at = if at + 1 == count { 0 } else { at + 1 };
        }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(key);
        hasher.finish128().as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(bytes: usize, expected: u64) -> OffsetMap {
        OffsetMap::new((1, 2), MapLimits { bytes, load_factor: 0.9 }, expected)
    }

    #[test]
    fn the_last_offset_of_a_key_is_found() {
        let mut map = map(1 << 20, 1000);
        for offset in 0..3000_i64 {
            map.put(&(offset % 1000).to_be_bytes(), offset).unwrap();
        }
        assert_eq!(map.len(), 1000);
        for key in 0..1000_i64 {
            assert_eq!(map.get(&key.to_be_bytes()), Some(2000 + key));
        }
        assert_eq!(map.get(b"another"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut map = map(100 * ENTRY_BYTES, u64::MAX);
        let fits = (0..200_i64).take_while(|n| map.put(&n.to_be_bytes(), *n).is_ok()).count();
        assert_eq!(fits, 90, "nine of ten places");
        assert_eq!(map.put(&5_i64.to_be_bytes(), 500), Ok(()), "a key that is there fits");
        assert_eq!(map.get(&5_i64.to_be_bytes()), Some(500));
        assert!(map.places.len() <= 100);
    }
}
