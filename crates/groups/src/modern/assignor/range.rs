//! Range: of each topic every member gets a range, and members with the same subscriptions get
//! the same ranges of topics with as many partitions, so that what belongs together stays
//! together. Static members come first, by instance id, then the others by id.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::wire::Uuid;

use super::{MemberSpec, Spec};

/// What is left of a topic for the members to come.
struct Rest {
    next: i32,
    /// Partitions for each member.
    quota: i32,
    /// Members that get one more.
    extra: i32,
}

pub(super) fn assign(spec: &Spec) -> Vec<BTreeMap<Uuid, BTreeSet<i32>>> {
    let mut subscribers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in spec.members.iter().flat_map(|member| member.topics.iter()) {
        *subscribers.entry(*topic).or_default() += 1;
    }
    let rest = |(topic, members): (Uuid, i32)| {
        let count = spec.count(topic);
        (topic, Rest { next: 0, quota: count / members, extra: count % members })
    };
    let mut rests: BTreeMap<Uuid, Rest> = subscribers.into_iter().map(rest).collect();
    let mut order: Vec<(usize, &MemberSpec)> = spec.members.iter().enumerate().collect();
    order
        .sort_by_key(|(_, member)| (member.instance_id.is_none(), &member.instance_id, &member.id));
    let mut assigned = vec![BTreeMap::new(); spec.members.len()];
    for (at, member) in order {
        for topic in member.topics.iter() {
            let range = rests.get_mut(topic).map(Rest::take).unwrap_or_default();
            if !range.is_empty() {
                assigned[at].insert(*topic, range);
            }
        }
    }
    assigned
}

impl Rest {
    fn take(&mut self) -> BTreeSet<i32> {
        let one_more = i32::from(self.extra > 0);
        self.extra -= one_more;
        let start = self.next;
        self.next += self.quota + one_more;
        (start..self.next).collect()
    }
}
