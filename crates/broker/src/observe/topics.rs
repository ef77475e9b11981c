//! Topics and partitions.

use std::sync::Arc;

use klamm_metrics::{Counter, Definition, Page};

use super::definitions::{
    OFFLINE_PARTITIONS, PARTITION_HIGH_WATERMARK, PARTITION_LAST_STABLE_OFFSET,
    PARTITION_LOG_END_OFFSET, PARTITION_LOG_START_OFFSET, PARTITION_SEGMENTS,
    PARTITION_SERIES_OMITTED, PARTITION_SIZE, PARTITIONS, TOPIC_FETCH_FAILURES,
    TOPIC_FETCH_REQUESTS, TOPIC_PARTITIONS, TOPIC_PRODUCE_FAILURES, TOPIC_PRODUCE_REQUESTS,
    TOPIC_RECORD_BYTES_IN, TOPIC_RECORD_BYTES_OUT, TOPIC_RECORDS, TOPIC_RECORDS_IN,
    TOPIC_SERIES_OMITTED, TOPIC_SIZE, TOPICS,
};
use crate::{
    broker::{Broker, unsigned},
    metrics::TopicTraffic,
    partition::{Partition, Topic},
};

/// What one partition is like at this moment.
struct Seen {
    index: String,
    start: i64,
    end: i64,
    high_watermark: i64,
    stable: i64,
    bytes: u64,
    segments: usize,
}

impl Seen {
    fn of(partition: &Partition) -> Option<Self> {
        let log = partition.log()?;
        Some(Self {
            index: partition.index.to_string(),
            start: log.start_offset(),
            end: log.end_offset(),
            high_watermark: partition.high_watermark(),
            stable: partition.last_stable_offset(),
            bytes: log.size(),
            segments: log.segment_count(),
        })
    }
}

/// A topic and its partitions that are in service.
type SeenTopic = (Arc<Topic>, Vec<Seen>);

pub(super) fn write(broker: &Broker, page: &mut Page) {
    let (mut partitions, mut offline) = (0, 0);
    let topics: Vec<SeenTopic> = broker
        .topics
        .all()
        .into_iter()
        .map(|topic| {
            let of = topic.partitions.load();
            let seen: Vec<Seen> = of.iter().flatten().filter_map(|p| Seen::of(p)).collect();
            let count = of.iter().flatten().count();
            partitions += count;
            offline += count - seen.len();
            (topic, seen)
        })
        .collect();
    page.single(&TOPICS, topics.len());
    page.single(&PARTITIONS, partitions);
    page.single(&OFFLINE_PARTITIONS, offline);
    let settings = broker.settings.load();
    let topics_max = unsigned(settings.observe.topics_max);
    let partitions_max = unsigned(settings.observe.partitions_max);
    let named = &topics[..topics.len().min(topics_max)];
    page.single(&TOPIC_SERIES_OMITTED, topics.len() - named.len());
    of_topics(page, named);
    let with_series = of_partitions(page, &topics, partitions_max);
    page.single(&PARTITION_SERIES_OMITTED, partitions - offline - with_series);
}

type OfTraffic = fn(&TopicTraffic) -> &Counter;

/// What is counted of each topic.
const COUNTED: [(&Definition, OfTraffic); 7] = [
    (&TOPIC_RECORD_BYTES_IN, |traffic| &traffic.record_bytes_in),
    (&TOPIC_RECORD_BYTES_OUT, |traffic| &traffic.record_bytes_out),
    (&TOPIC_RECORDS_IN, |traffic| &traffic.records_in),
    (&TOPIC_PRODUCE_REQUESTS, |traffic| &traffic.produce_requests),
    (&TOPIC_PRODUCE_FAILURES, |traffic| &traffic.produce_failures),
    (&TOPIC_FETCH_REQUESTS, |traffic| &traffic.fetch_requests),
    (&TOPIC_FETCH_FAILURES, |traffic| &traffic.fetch_failures),
];

fn of_topics(page: &mut Page, topics: &[SeenTopic]) {
    for (definition, counter) in COUNTED {
        let mut family = page.family(definition);
        for (topic, _) in topics {
            family.sample(&[&topic.name], counter(&topic.traffic).get());
        }
    }
    let mut family = page.family(&TOPIC_PARTITIONS);
    for (topic, seen) in topics {
        family.sample(&[&topic.name], seen.len());
    }
    let mut family = page.family(&TOPIC_SIZE);
    for (topic, seen) in topics {
        family.sample(&[&topic.name], seen.iter().map(|seen| seen.bytes).sum::<u64>());
    }
    let mut family = page.family(&TOPIC_RECORDS);
    for (topic, seen) in topics {
        let records = seen.iter().map(|seen| (seen.high_watermark - seen.start).max(0));
        family.sample(&[&topic.name], records.sum::<i64>());
    }
}

type OfPartition = fn(&Seen) -> i64;

/// What is told of each partition.
const TOLD: [(&Definition, OfPartition); 6] = [
    (&PARTITION_LOG_START_OFFSET, |seen| seen.start),
    (&PARTITION_LOG_END_OFFSET, |seen| seen.end),
    (&PARTITION_HIGH_WATERMARK, |seen| seen.high_watermark),
    (&PARTITION_LAST_STABLE_OFFSET, |seen| seen.stable),
    (&PARTITION_SIZE, |seen| i64::try_from(seen.bytes).unwrap_or(i64::MAX)),
    (&PARTITION_SEGMENTS, |seen| i64::try_from(seen.segments).unwrap_or(i64::MAX)),
];

/// Series of the first partitions, by topic; how many they are.
fn of_partitions(page: &mut Page, topics: &[SeenTopic], max: usize) -> usize {
    let all = || {
        let all =
            topics.iter().flat_map(|(topic, seen)| seen.iter().map(move |seen| (topic, seen)));
        all.take(max)
    };
    for (definition, value) in TOLD {
        let mut family = page.family(definition);
        for (topic, seen) in all() {
            family.sample(&[&topic.name, &seen.index], value(seen));
        }
    }
    all().count()
}
