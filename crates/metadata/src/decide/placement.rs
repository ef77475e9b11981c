//! Where the replicas of new partitions go.
//!
//! Replicas of a partition are striped over racks, and leaders over brokers. A fenced broker may be
//! a follower but never the first replica. Random starting points keep topics with few partitions
//! from meeting on the same brokers.

use std::collections::BTreeMap;

use super::{Entropy, Refusal};
use crate::Image;

/// A broker that may get replicas.
struct Candidate {
    id: i32,
    active: bool,
}

/// The brokers of one rack, as rings that are walked from a moving start.
struct Rack {
    active: Vec<i32>,
    fenced: Vec<i32>,
    start: usize,
}

impl Rack {
    /// Its brokers for the partition of number `round`: active ones from a start that moves on by
    /// one per round, then fenced ones.
    fn order(&self, round: usize) -> impl Iterator<Item = Candidate> {
        let turn = |ring: &[i32], active: bool| {
            let by = if ring.is_empty() { 0 } else { (self.start + round) % ring.len() };
            let (head, tail) = ring.split_at(by);
            let ids = [tail, head].concat();
            ids.into_iter().map(move |id| Candidate { id, active })
        };
        turn(&self.active, true).chain(turn(&self.fenced, false))
    }
}

/// Chooses the replicas of `partitions` new partitions with `replicas` copies each.
///
/// # Errors
/// `INVALID_REPLICATION_FACTOR` if there are too few brokers.
pub(super) fn place(
    image: &Image,
    entropy: &mut dyn Entropy,
    partitions: usize,
    replicas: usize,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let mut by_rack: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
    for broker in image.brokers().filter(|broker| broker.takes_partitions()) {
        let empty = || Rack { active: Vec::new(), fenced: Vec::new(), start: 0 };
        let rack = by_rack.entry(broker.rack.as_deref()).or_insert_with(empty);
        if broker.is_active() { &mut rack.active } else { &mut rack.fenced }.push(broker.id);
    }
    let mut racks: Vec<Rack> = by_rack.into_values().collect();
    let active: usize = racks.iter().map(|rack| rack.active.len()).sum();
    let total: usize = active + racks.iter().map(|rack| rack.fenced.len()).sum::<usize>();
    if active == 0 {
        return refuse(
            replicas,
            "All brokers are currently fenced, or have all their log \
             directories cordoned.",
        );
    }
    if replicas > total {
        return refuse(
            replicas,
            &format!(
                "The target replication factor of {replicas} cannot be reached because only {total} \
             broker(s) are registered or some brokers have all their log directories cordoned."
            ),
        );
    }
    for rack in &mut racks {
        rack.start = entropy.below(rack.active.len().max(rack.fenced.len()));
    }
    let first = entropy.below(racks.len());
    Ok((0..partitions).map(|number| stripe(&racks, first + number, replicas)).collect())
}

fn refuse<T>(replicas: usize, reason: &str) -> Result<T, Refusal> {
    let text = format!("Unable to replicate the partition {replicas} time(s): {reason}");
    Err(Refusal::invalid_replication_factor(text))
}

/// The replicas of one partition: rack after rack, one broker each, beginning with an active one.
fn stripe(racks: &[Rack], number: usize, replicas: usize) -> Vec<i32> {
    // Each rack comes first once per lap; its brokers move on by one lap after lap.
    let round = number / racks.len();
    let mut queues: Vec<_> = (0..racks.len())
        .map(|at| racks[(number + at) % racks.len()].order(round).peekable())
        .collect();
    let leads =
        |queue: &mut std::iter::Peekable<_>| queue.peek().is_some_and(|c: &Candidate| c.active);
    if let Some(first) = queues.iter_mut().position(leads) {
        queues.rotate_left(first);
    }
    let mut chosen = Vec::with_capacity(replicas);
    while chosen.len() < replicas {
        let before = chosen.len();
        for queue in &mut queues {
            if chosen.len() < replicas {
                chosen.extend(queue.next().map(|candidate| candidate.id));
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    chosen
}
