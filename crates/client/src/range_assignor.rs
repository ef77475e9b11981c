//! Kafka's range assignor: of each topic, members get runs of partitions in the members' order.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::TopicPartition;

/// A member that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) topics: Vec<String>,
}

/// Static members first and by their own names, so that a restart does not move partitions.
fn order(a: &Subscriber, b: &Subscriber) -> Ordering {
    match (&a.instance_id, &b.instance_id) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.member_id.cmp(&b.member_id),
    }
}

/// The partitions of each member; `partitions` counts those of each topic.
pub(crate) fn assign(
    mut members: Vec<Subscriber>,
    partitions: &BTreeMap<String, usize>,
) -> BTreeMap<String, Vec<TopicPartition>> {
    members.sort_by(order);
    let mut shares: BTreeMap<String, Vec<TopicPartition>> =
        members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
    let topics: BTreeSet<&String> = members.iter().flat_map(|member| &member.topics).collect();
    for topic in topics {
        let count = partitions.get(topic).copied().unwrap_or(0);
        let takers: Vec<&Subscriber> =
            members.iter().filter(|member| member.topics.contains(topic)).collect();
        let (each, surplus) = (count / takers.len(), count % takers.len());
        let name: Arc<str> = topic.as_str().into();
        let mut next = 0_i32;
        for (index, taker) in takers.iter().enumerate() {
            let share = shares.entry(taker.member_id.clone()).or_default();
            for _ in 0..each + usize::from(index < surplus) {
                share.push(TopicPartition::new(name.clone(), next));
                next += 1;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `members` is `id[/instance]=topic,topic` separated by blanks, `topics` is `name:partitions`.
    fn check(members: &str, topics: &str, expected: &str) {
        let member = |text: &str| {
            let (id, topics) = text.split_once('=').unwrap();
            let (id, instance) = id.split_once('/').map_or((id, None), |(id, i)| (id, Some(i)));
            Subscriber {
                member_id: id.to_owned(),
                instance_id: instance.map(str::to_owned),
                topics: topics.split(',').map(str::to_owned).collect(),
            }
        };
        let topic = |text: &str| {
            let (name, count) = text.split_once(':').unwrap();
            (name.to_owned(), count.parse().unwrap())
        };
        let partitions = topics.split(' ').map(topic).collect();
        let shares = assign(members.split(' ').map(member).collect(), &partitions);
        let share = |(id, share): (&String, &Vec<TopicPartition>)| {
            let share: Vec<String> = share.iter().map(ToString::to_string).collect();
            format!("{id}={}", share.join(","))
        };
        let got: Vec<String> = shares.iter().map(share).collect();
        assert_eq!(got.join(" "), expected);
    }

    #[test]
    fn members_get_runs_of_each_topic() {
        check("a=t b=t", "t:3", "a=t-0,t-1 b=t-2");
        check("a=t,u b=t,u", "t:3 u:3", "a=t-0,t-1,u-0,u-1 b=t-2,u-2");
        check("a=t b=t,u c=u", "t:2 u:2", "a=t-0 b=t-1,u-0 c=u-1");
        check("a=t b=t c=t", "t:2", "a=t-0 b=t-1 c=");
        check("a=gone", "t:2", "a=");
        check("a=t b/x=t", "t:3", "a=t-2 b=t-0,t-1");
    }
}
