//! Transactions: committed whole, once and in order, or not seen at all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Oracle};

pub(super) const COMMITTED_ONLY: Invariant = Invariant {
    id: "committed-only",
    sentence: "Who reads what is committed never sees a record of a transaction whose commit was \
               not asked for.",
};

pub(super) const COMMITTED_WHOLE: Invariant = Invariant {
    id: "committed-whole",
    sentence: "Of a transaction whose commit was acknowledged every record is read exactly once, \
               in the order it was sent; of one whose outcome is not known all records or none.",
};

pub(super) const TXN_FENCED: Invariant = Invariant {
    id: "transaction-fenced",
    sentence: "Once a transactional id was given to another producer, nothing that the former one \
               asks for is done.",
};

/// What is known of how a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its commit was not asked for, and may never be.
    NotCommitted,
    /// Its commit was asked for.
    Unknown,
    /// Its commit was acknowledged.
    Committed,
}

/// A transaction.
#[derive(Debug)]
struct Transaction {
    fate: Fate,
    /// Partition and value of each record that was acknowledged.
    records: Vec<(i32, String)>,
}

/// All transactions, by the name of the producer and their number.
#[derive(Debug, Default)]
pub(crate) struct Transactions(BTreeMap<(String, u64), Transaction>);

/// The value of a record: producer, number of the transaction, number of the record.
pub(crate) fn value_of(name: &str, transaction: u64, record: u64) -> String {
    format!("{name}/{transaction}/{record}")
}

fn parse(value: &str) -> Option<(String, u64, u64)> {
    let mut parts = value.split('/');
    let mut next = || parts.next();
    Some((next()?.to_owned(), next()?.parse().ok()?, next()?.parse().ok()?))
}

impl Oracle {
    /// A transaction begins.
    pub(crate) fn transaction_begun(&mut self, name: &str, number: u64) {
        let new = Transaction { fate: Fate::NotCommitted, records: Vec::new() };
        self.transactions.0.insert((name.to_owned(), number), new);
    }

    /// Records of a transaction were acknowledged.
    pub(crate) fn transaction_has(
        &mut self,
        name: &str,
        number: u64,
        index: i32,
        values: &[String],
    ) {
        if let Some(of) = self.transactions.0.get_mut(&(name.to_owned(), number)) {
            of.records.extend(values.iter().map(|value| (index, value.clone())));
        }
    }

    /// A commit is asked for, or acknowledged.
    pub(crate) fn transaction_ends(&mut self, name: &str, number: u64, fate: Fate) {
        if let Some(of) = self.transactions.0.get_mut(&(name.to_owned(), number)) {
            of.fate = fate;
        }
    }

    /// Something was done for a producer that had been fenced.
    pub(crate) fn fenced_served(&mut self, what: String) {
        self.violate(TXN_FENCED, what);
    }

    /// Committed records were read.
    pub(crate) fn committed_read(&mut self, index: i32, values: &[String]) {
        for value in values {
            let known = parse(value)
                .and_then(|(name, number, _)| self.transactions.0.get(&(name, number)))
                .map(|of| of.fate);
            if known.is_none_or(|fate| fate == Fate::NotCommitted) {
                self.violate(COMMITTED_ONLY, format!("{value} in partition {index}: {known:?}"));
            }
        }
    }

    /// Everything that is committed was read, by partition.
    pub(crate) fn committed_read_whole(&mut self, found: &BTreeMap<i32, Vec<String>>) {
        let mut wrong = Vec::new();
        let mut all = BTreeSet::new();
        for (index, values) in found {
            let mut last = BTreeMap::new();
            for value in values {
                let Some((name, number, record)) = parse(value) else { continue };
                let before = last.insert(name, (number, record));
                if before.is_some_and(|before| before >= (number, record)) {
                    wrong.push(format!("{value} in partition {index} follows {before:?}"));
                }
                all.insert((*index, value.clone()));
            }
        }
        for ((name, number), of) in &self.transactions.0 {
            let there = of.records.iter().filter(|record| all.contains(*record)).count();
            let is_right = match of.fate {
                Fate::NotCommitted => there == 0,
                Fate::Unknown => there == 0 || there == of.records.len(),
                Fate::Committed => there == of.records.len(),
            };
            if !is_right {
                let (fate, of) = (of.fate, of.records.len());
                wrong.push(format!("{there} of {of} records of {name}/{number}, {fate:?}"));
            }
        }
        wrong.into_iter().for_each(|text| self.violate(COMMITTED_WHOLE, text));
    }
}
