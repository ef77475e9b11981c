//! Values of records.

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

/// Values begin anywhere in so many bytes, so that none is like the one before.
const POOL_BYTES: usize = 4 << 20;
/// The words of a text.
const WORDS: usize = 2000;

/// What values are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Random bytes; no codec makes them smaller.
    Random,
    /// Random words in lines like those of a log, which codecs make two to four times smaller.
    Text,
}

/// A source of values of one size.
#[derive(Debug)]
pub(crate) struct Payloads {
    pool: Vec<u8>,
    size: usize,
    at: usize,
}

impl Payloads {
    /// The same seed makes the same values.
    pub(crate) fn new(kind: Kind, size: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let pool_bytes = POOL_BYTES.max(2 * size);
        let mut pool = Vec::with_capacity(pool_bytes);
        match kind {
            Kind::Random => {
                pool.resize(pool_bytes, 0);
                random.fill(&mut pool[..]);
            }
            Kind::Text => text(&mut random, &mut pool, pool_bytes),
        }
        let at = random.random_range(0..pool_bytes - size);
        Payloads { pool, size, at }
    }

    /// The next value.
    pub(crate) fn next(&mut self) -> &[u8] {
        // A step that has no common divisor with usual sizes: values overlap, but do not repeat.
        self.at = (self.at + self.size + 7919) % (self.pool.len() - self.size);
        &self.pool[self.at..self.at + self.size]
    }
}

fn text(random: &mut StdRng, pool: &mut Vec<u8>, pool_bytes: usize) {
    let words: Vec<Vec<u8>> = (0..WORDS)
        .map(|_| {
            let letters = random.random_range(3..12);
            (0..letters).map(|_| random.random_range(b'a'..=b'z')).collect()
        })
        .collect();
    while pool.len() < pool_bytes {
        let number: u32 = random.random();
        pool.extend(format!("{{\"id\":{number},\"text\":\"").bytes());
        for _ in 0..random.random_range(4..16) {
            pool.extend(&words[random.random_range(0..WORDS)]);
            pool.push(b' ');
        }
        pool.extend(b"\"}\n");
    }
    pool.truncate(pool_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_size_and_differ() {
        for kind in [Kind::Random, Kind::Text] {
            for size in [1, 100, 8 << 20] {
                let mut payloads = Payloads::new(kind, size, 1);
                let first = payloads.next().to_vec();
                assert_eq!(first.len(), size);
                assert!(size == 1 || payloads.next() != first, "{kind:?} {size}");
            }
        }
    }
}
