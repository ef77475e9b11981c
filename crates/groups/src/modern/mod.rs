//! What groups have in common whose assignments the coordinator makes: the view of the cluster,
//! subscriptions by pattern, assignments and the assignors, and refusals with a text.
//!
//! Consumer groups (KIP-848) are built on it; share groups (KIP-932) and streams groups (KIP-1071)
//! have the same heartbeat, epochs and target assignment.

pub(crate) mod assignment;
pub(crate) mod assignor;
pub(crate) mod hash;
pub(crate) mod member;
pub(crate) mod pattern;
pub(crate) mod refusal;
pub(crate) mod topics;

pub(crate) use assignment::{Assignment, Owned};
pub(crate) use member::{Current, Member, MemberState};
pub(crate) use refusal::Refusal;

/// A persistent, ordered map: clones share what they have in common, so that a group as it was
/// before an append costs nothing to keep.
pub(crate) type Map<K, V> = rpds::RedBlackTreeMapSync<K, V>;

/// The epoch with which a member says that it leaves, and of a member that is gone.
pub(crate) const LEAVE_EPOCH: i32 = -1;
/// The epoch with which a static member says that it will be back, and of one that said so.
pub(crate) const LEAVE_STATIC_EPOCH: i32 = -2;

/// Counts one more of `key`.
pub(crate) fn count_in<K: Ord + Clone>(counts: &mut Map<K, usize>, key: &K) {
    let count = counts.get(key).copied().unwrap_or(0);
    counts.insert_mut(key.clone(), count + 1);
}

/// Counts one less of `key`, which goes with its last.
pub(crate) fn count_out<K: Ord + Clone>(counts: &mut Map<K, usize>, key: &K) {
    match counts.get(key).copied() {
        Some(2..) => count_down(counts, key),
        Some(_) => drop(counts.remove_mut(key)),
        None => {}
    }
}

fn count_down<K: Ord + Clone>(counts: &mut Map<K, usize>, key: &K) {
    let count = counts.get(key).copied().unwrap_or(1);
    counts.insert_mut(key.clone(), count - 1);
}
