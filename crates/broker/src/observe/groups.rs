//! Groups and transactions.

use std::collections::BTreeMap;

use klamm_metrics::Page;

use super::definitions::{
    GROUP_LAG, GROUP_MEMBERS, GROUP_OFFSET, GROUP_PARTITION_LAG, GROUP_SERIES_OMITTED,
    GROUP_TOPIC_LAG, GROUPS, TRANSACTIONS,
};
use crate::broker::{Broker, unsigned};

/// What one group is like at this moment.
struct Seen {
    id: String,
    members: usize,
    kind: &'static str,
    state: &'static str,
    /// By topic and partition: what is committed, and how far behind it is, if the partition is
    /// here.
    offsets: Vec<Committed>,
}

struct Committed {
    topic: String,
    partition: String,
    offset: i64,
    lag: Option<i64>,
}

pub(super) fn write(broker: &Broker, page: &mut Page) {
    let mut groups = Vec::new();
    broker.groups.observe(|group| groups.push(seen(broker, group)));
    groups.sort_by(|a: &Seen, b| a.id.cmp(&b.id));
    let mut states: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for group in &groups {
        *states.entry((group.kind, group.state)).or_default() += 1;
    }
    let mut family = page.family(&GROUPS);
    for ((kind, state), count) in states {
        family.sample(&[kind, state], count);
    }
    let mut family = page.family(&GROUP_MEMBERS);
    for group in &groups {
        family.sample(&[&group.id], group.members);
    }
    lags(page, &groups);
    partitions(page, &groups, unsigned(broker.settings.load().observe.group_partitions_max));
    transactions(broker, page);
}

fn seen(broker: &Broker, group: klamm_groups::GroupView<'_>) -> Seen {
    let offsets = group.offsets.map(|(topic, partition, offset)| {
        let here = broker.topics.partition(topic, partition);
        // What was committed may lie beyond the end, after records were lost or by a mistake.
        let lag = here.map(|partition| (partition.high_watermark() - offset).max(0));
        Committed { topic: topic.to_owned(), partition: partition.to_string(), offset, lag }
    });
    Seen {
        id: group.id.to_owned(),
        members: group.members,
        kind: group.kind,
        state: group.state,
        offsets: offsets.collect(),
    }
}

fn lags(page: &mut Page, groups: &[Seen]) {
    let mut family = page.family(&GROUP_TOPIC_LAG);
    for group in groups {
        let mut by_topic: BTreeMap<&str, i64> = BTreeMap::new();
        for committed in &group.offsets {
            *by_topic.entry(&committed.topic).or_default() += committed.lag.unwrap_or(0);
        }
        for (topic, lag) in by_topic {
            family.sample(&[&group.id, topic], lag);
        }
    }
    let mut family = page.family(&GROUP_LAG);
    for group in groups.iter().filter(|group| !group.offsets.is_empty()) {
        let lags = group.offsets.iter().filter_map(|committed| committed.lag);
        family.sample(&[&group.id], lags.sum::<i64>());
    }
}

fn partitions(page: &mut Page, groups: &[Seen], max: usize) {
    let all = || groups.iter().flat_map(|group| group.offsets.iter().map(|of| (&group.id, of)));
    let mut family = page.family(&GROUP_OFFSET);
    for (id, of) in all().take(max) {
        family.sample(&[id, &of.topic, &of.partition], of.offset);
    }
    let mut family = page.family(&GROUP_PARTITION_LAG);
    for (id, of) in all().take(max) {
        if let Some(lag) = of.lag {
            family.sample(&[id, &of.topic, &of.partition], lag);
        }
    }
    page.single(&GROUP_SERIES_OMITTED, all().count().saturating_sub(max));
}

fn transactions(broker: &Broker, page: &mut Page) {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    broker.transactions.observe(|transaction| {
        *states.entry(transaction.state.name()).or_default() += 1;
    });
    let mut family = page.family(&TRANSACTIONS);
    for (state, count) in states {
        family.sample(&[state], count);
    }
}
