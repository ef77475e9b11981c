//! What is kept of single batches: transactions, horizons, producers, old formats.

use klamm_protocol::records::{
    BatchBuilder, BatchOptions, Batches, Compression, CompressionType, DecompressionLimit,
    EntryView, Header, NewRecord,
    control::{ControlBatch, EndTransactionMarker},
    legacy::{LegacyFormat, MessageSetBuilder},
};

use super::{
    Stats,
    filter::{Filter, Kept, LastBatches, Rules},
    offset_map::{MapLimits, OffsetMap},
    transactions::Walk,
};
use crate::AbortedTransaction;

const NOW_MS: i64 = 10_000;
const RETENTION_MS: i64 = 500;
const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);

/// The records of a batch: key and value; none is a tombstone.
type Content<'a> = &'a [(&'a str, Option<&'a str>)];

fn batch(options: BatchOptions, records: Content<'_>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for (key, value) in records {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        let headers = &[Header { key: b"h", value: None }];
        builder.append(&NewRecord { timestamp: 1_000, key, value, headers }).unwrap();
    }
    builder.build().unwrap()
}

fn producer(id: i64, base_offset: i64, is_transactional: bool) -> BatchOptions {
    BatchOptions {
        base_offset,
        producer_id: id,
        producer_epoch: 0,
        base_sequence: 0,
        is_transactional,
        ..BatchOptions::default()
    }
}

fn marker(id: i64, base_offset: i64, committed: bool) -> Vec<u8> {
    let at = ControlBatch { base_offset, partition_leader_epoch: 0, timestamp: 1_000 };
    let marker = EndTransactionMarker { committed, coordinator_epoch: 3 };
    at.end_transaction(id, 0, marker).unwrap()
}

struct World {
    map: OffsetMap,
    walk: Walk,
    last_batches: LastBatches,
    stats: Stats,
    now_ms: i64,
}

impl World {
    /// The keys' last offsets; all is in the map.
    fn new(keys: &[(&str, i64)]) -> Self {
        let limits = MapLimits { bytes: 1 << 16, load_factor: 0.9 };
        let mut map = OffsetMap::new((1, 2), limits, 100);
        for (key, offset) in keys {
            map.put(key.as_bytes(), *offset).unwrap();
        }
        map.latest = 1_000;
        let (walk, last_batches) = (Walk::default(), LastBatches::new());
        Self { map, walk, last_batches, stats: Stats::default(), now_ms: NOW_MS }
    }

    fn filter(&mut self, bytes: &[u8]) -> Kept {
        let rules = Rules {
            now_ms: self.now_ms,
            ripe_ms: self.now_ms,
            delete_retention_ms: RETENTION_MS,
            keeps_old_tombstones: false,
            upper: i64::MAX,
            limit: LIMIT,
        };
        let (map, walk, last_batches) = (&self.map, &mut self.walk, &self.last_batches);
        let mut filter = Filter { rules, map, walk, last_batches, stats: &mut self.stats };
        filter.filter(&Batches::new(bytes).next().unwrap().unwrap()).unwrap()
    }

    /// The batch that takes the place of one.
    fn rebuilt(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.filter(bytes) {
            Kept::Rebuilt(rebuilt) => rebuilt,
            kept => panic!("{kept:?}"),
        }
    }

    /// What is kept, as `base-last horizon: offset=key ...`.
    fn check(&mut self, bytes: &[u8]) -> String {
        let kept = match self.filter(bytes) {
            Kept::Nothing => return "nothing".to_owned(),
            Kept::AsItIs => return "as it is".to_owned(),
            Kept::Rebuilt(kept) => kept,
        };
        let entry = Batches::new(&kept).next().unwrap().unwrap();
        let view = entry.view().unwrap();
        view.check_crc().unwrap();
        let records = view.records(LIMIT).unwrap();
        let records = records.iter().map(|record| {
            let record = record.unwrap();
            assert_eq!(record.timestamp, 1_000);
            let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
            format!(" {}={}", record.offset, key.escape_default())
        });
        let records: String = records.collect();
        match view {
            EntryView::Batch(batch) => {
                let horizon = batch.delete_horizon_ms().map_or(String::new(), |h| format!(" h{h}"));
                format!("{}-{}{horizon}:{records}", batch.base_offset(), batch.last_offset())
            }
            EntryView::Message(message) => format!("v{}:{records}", message.magic()),
        }
    }
}

#[test]
fn a_batch_keeps_its_offsets_whatever_goes_from_it() {
    let mut world = World::new(&[("a", 9), ("b", 6), ("c", 7)]);
    for codec in 0..5 {
        let compression = Compression::of(CompressionType::from_id(codec).unwrap());
        let options = BatchOptions { base_offset: 5, compression, ..BatchOptions::default() };
        let content: Content<'_> =
            &[("a", Some("1")), ("b", Some("2")), ("c", Some("3")), ("a", None)];
        assert_eq!(world.check(&batch(options, content)), "5-8: 6=b 7=c");
    }
    let options = BatchOptions { base_offset: 6, ..BatchOptions::default() };
    assert_eq!(world.check(&batch(options, &[("b", Some("2")), ("c", Some("3"))])), "as it is");
    let options = BatchOptions { base_offset: 1, ..BatchOptions::default() };
    assert_eq!(world.check(&batch(options, &[("b", Some("2"))])), "nothing");
}

#[test]
fn a_tombstone_gets_its_horizon_and_goes_after_it() {
    let mut world = World::new(&[("a", 5)]);
    let options = BatchOptions { base_offset: 5, ..BatchOptions::default() };
    let first = batch(options, &[("a", None)]);
    assert_eq!(world.check(&first), "5-5 h10500: 5=a");
    let second = world.rebuilt(&first);
    assert_eq!(world.check(&second), "as it is");
    world.now_ms += RETENTION_MS;
    assert_eq!(world.check(&second), "nothing");
}

#[test]
fn aborted_records_go_and_markers_after_their_horizon() {
    let mut world = World::new(&[("a", 5), ("b", 8)]);
    let aborted = AbortedTransaction {
        producer_id: 7,
        first_offset: 5,
        last_offset: 6,
        last_stable_offset: 7,
    };
    world.walk.tell(vec![aborted]);
    assert_eq!(world.check(&batch(producer(7, 5, true), &[("a", Some("1"))])), "nothing");
    // Its data was there a moment ago: a reader may still need to know.
    let abort = marker(7, 6, false);
    assert_eq!(world.check(&abort), "as it is");
    assert_eq!(world.walk.take_index(), [aborted]);
    // In the next cleaning nothing of it is left.
    world.walk = Walk::default();
    world.walk.tell(vec![aborted]);
    assert!(world.check(&abort).starts_with("6-6 h10500: 6="));
    let doomed = world.rebuilt(&abort);
    world.now_ms += RETENTION_MS;
    assert_eq!(world.check(&doomed), "nothing");
    assert_eq!(world.walk.take_index(), []);
}

#[test]
fn a_commit_marker_stays_while_its_records_do() {
    let mut world = World::new(&[("a", 5)]);
    assert_eq!(world.check(&batch(producer(7, 5, true), &[("a", Some("1"))])), "as it is");
    assert_eq!(world.check(&marker(7, 6, true)), "as it is");
    assert!(world.check(&marker(8, 7, true)).contains("h10500"));
}

#[test]
fn the_last_batch_of_a_producer_is_emptied_not_dropped() {
    let mut world = World::new(&[("a", 9)]);
    world.last_batches.insert(7, (Some(6), 0));
    let content: Content<'_> = &[("a", Some("1")), ("a", Some("2"))];
    assert_eq!(world.check(&batch(producer(7, 3, false), content)), "nothing");
    assert_eq!(world.check(&batch(producer(7, 5, false), content)), "5-6:");
    let empty = world.rebuilt(&batch(producer(7, 5, false), content));
    assert_eq!(world.check(&empty), "5-6:", "once more");
}

#[test]
fn messages_of_old_formats_stay_in_their_format() {
    let mut world = World::new(&[("a", 7), ("b", 6)]);
    for format in [LegacyFormat::V0, LegacyFormat::V1] {
        let codec = Compression::of(CompressionType::Gzip);
        let mut builder = MessageSetBuilder::new(format, codec, None).unwrap();
        for (offset, key) in [(5, "a"), (6, "b"), (7, "a")] {
            builder.append(offset, 1_000, Some(key.as_bytes()), Some(b"v")).unwrap();
        }
        let wrapper = builder.build().unwrap();
        let kept = world.rebuilt(&wrapper);
        let entry = Batches::new(&kept).next().unwrap().unwrap();
        assert_eq!((entry.magic(), entry.offset()), (format.magic(), 7));
        let view = entry.view().unwrap();
        view.check_crc().unwrap();
        let records = view.records(LIMIT).unwrap();
        let offsets: Vec<i64> = records.iter().map(|record| record.unwrap().offset).collect();
        assert_eq!(offsets, [6, 7]);
    }
}
