//! Random records go through builders and views unchanged; damaged bytes do no harm.
//!
//! Each test prints its seed; `PROPTEST_RNG_SEED=<seed> cargo test -p klamm-protocol --test
//! records_properties` repeats it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};

use klamm_protocol::records::legacy::{LegacyFormat, MessageSetBuilder};
use klamm_protocol::records::{
    BatchBuilder, BatchOptions, Batches, Compression, CompressionType, Header, NewRecord,
    RecordBatchView,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

#[path = "support/records_exercise.rs"]
mod records_exercise;
use records_exercise::{LIMIT, exercise};

fn run<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(RandomState::new().build_hasher().finish());
    }
    println!("PROPTEST_RNG_SEED={}", config.rng_seed);
    TestRunner::new(config).run(&strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

#[derive(Debug, Clone, PartialEq)]
struct Owned {
    gap: u8,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(0..3u8, 0..5000)]
}

fn record() -> impl Strategy<Value = Owned> {
    let timestamp = prop_oneof![Just(-1), 0..i64::MAX, 1_700_000_000_000..1_700_000_100_000i64];
    let headers = vec((vec(b'a'..b'd', 0..3), option::of(vec(any::<u8>(), 0..9))), 0..5);
    (0..3u8, timestamp, option::of(bytes()), option::of(bytes()), headers).prop_map(
        |(gap, timestamp, key, value, headers)| Owned { gap, timestamp, key, value, headers },
    )
}

fn codec() -> impl Strategy<Value = CompressionType> {
    (0..5u8).prop_map(|id| CompressionType::from_id(id).unwrap())
}

fn options() -> impl Strategy<Value = BatchOptions> {
    let producer = option::of((0..i64::MAX, 0..i16::MAX, 0..i32::MAX, any::<bool>()));
    let offsets = (0..i64::MAX - 1000, -1..i32::MAX);
    (offsets, codec(), producer, option::of(0..i64::MAX)).prop_map(
        |((base_offset, partition_leader_epoch), codec, producer, delete_horizon_ms)| {
            let (producer_id, producer_epoch, base_sequence, is_transactional) =
                producer.unwrap_or((-1, -1, -1, false));
            BatchOptions {
                base_offset,
                partition_leader_epoch,
                compression: Compression::of(codec),
                producer_id,
                producer_epoch,
                base_sequence,
                is_transactional,
                delete_horizon_ms,
                ..BatchOptions::default()
            }
        },
    )
}

/// The batch, and the offset of each record.
fn build(options: BatchOptions, records: &[Owned]) -> (Vec<u8>, Vec<i64>) {
    let mut builder = BatchBuilder::new(options);
    let mut offset = options.base_offset;
    let mut offsets = Vec::new();
    for record in records {
        offset += i64::from(record.gap);
        let headers = record.headers.iter();
        let headers: Vec<_> =
            headers.map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let record = NewRecord { timestamp: record.timestamp, key, value, headers: &headers };
        builder.append_at(offset, &record).unwrap();
        offsets.push(offset);
        offset += 1;
    }
    (builder.build().unwrap(), offsets)
}

#[test]
fn what_is_built_is_what_is_read() {
    run((options(), vec(record(), 1..20)), |(options, records)| {
        let (bytes, offsets) = build(options, &records);
        let view = RecordBatchView::parse(&bytes).unwrap();
        view.check_crc().unwrap();
        prop_assert_eq!(view.size_in_bytes(), bytes.len());
        prop_assert_eq!(view.base_offset(), options.base_offset);
        prop_assert_eq!(view.last_offset(), *offsets.last().unwrap());
        prop_assert_eq!(view.delete_horizon_ms(), options.delete_horizon_ms);
        prop_assert_eq!(view.is_transactional(), options.is_transactional);
        let latest = records.iter().map(|record| record.timestamp).max().unwrap();
        prop_assert_eq!(view.max_timestamp(), latest);
        let read = view.records(LIMIT).unwrap();
        let mut count = 0;
        for ((record, expected), offset) in read.iter().zip(&records).zip(&offsets) {
            let record = record.unwrap();
            prop_assert_eq!(record.offset, *offset);
            prop_assert_eq!(record.timestamp, expected.timestamp);
            prop_assert_eq!(record.key, expected.key.as_deref());
            prop_assert_eq!(record.value, expected.value.as_deref());
            let headers = record
                .headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
            prop_assert_eq!(headers.collect::<Vec<_>>(), expected.headers.clone());
            count += 1;
        }
        prop_assert_eq!(count, records.len());
        prop_assert_eq!(read.iter().count(), records.len());
        prop_assert_eq!(exercise(&bytes), records.len());
        Ok(())
    });
}

fn build_old(format: LegacyFormat, codec: CompressionType, records: &[Owned]) -> Vec<u8> {
    let codec = if codec == CompressionType::Zstd { CompressionType::Gzip } else { codec };
    let mut builder = MessageSetBuilder::new(format, Compression::of(codec), None).unwrap();
    for (offset, record) in records.iter().enumerate() {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(40 + offset as i64, record.timestamp, key, value).unwrap();
    }
    builder.build().unwrap()
}

#[test]
fn old_formats_read_as_they_were_written() {
    let format = prop_oneof![Just(LegacyFormat::V0), Just(LegacyFormat::V1)];
    run((format, codec(), vec(record(), 1..20)), |(format, codec, records)| {
        let bytes = build_old(format, codec, &records);
        let mut expected = records.iter();
        let mut offset = 40;
        for entry in Batches::new(&bytes) {
            let view = entry.unwrap().view().unwrap();
            view.check_crc().unwrap();
            for record in &view.records(LIMIT).unwrap() {
                let (record, expected) = (record.unwrap(), expected.next().unwrap());
                let timestamp = if format == LegacyFormat::V0 { -1 } else { expected.timestamp };
                prop_assert_eq!((record.offset, record.timestamp), (offset, timestamp));
                prop_assert_eq!(record.key, expected.key.as_deref());
                prop_assert_eq!(record.value, expected.value.as_deref());
                offset += 1;
            }
        }
        prop_assert!(expected.next().is_none());
        prop_assert_eq!(exercise(&bytes), records.len());
        Ok(())
    });
}

/// Puts bytes at places, cuts, and, if asked, mends the checksum of a v2 batch.
fn damage(
    mut bytes: Vec<u8>,
    places: &[(prop::sample::Index, u8)],
    cut: prop::sample::Index,
    mend: bool,
) -> Vec<u8> {
    for (place, byte) in places {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    if !mend {
        bytes.truncate(cut.index(bytes.len() + 1));
    } else if bytes.len() > 61 {
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

#[test]
fn damage_does_no_harm() {
    let damage_of = (
        vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let records = vec(record(), 1..6);
    run(
        (options(), 0..3u8, records, damage_of),
        |(options, magic, records, (places, cut, mend))| {
            let codec = options.compression.codec();
            let bytes = match magic {
                0 => build_old(LegacyFormat::V0, codec, &records),
                1 => build_old(LegacyFormat::V1, codec, &records),
                _ => build(options, &records).0,
            };
            exercise(&damage(bytes, &places, cut, mend));
            Ok(())
        },
    );
}

#[test]
fn garbage_after_a_good_header_does_no_harm() {
    run((options(), 0..40i32, vec(any::<u8>(), 0..300)), |(options, count, garbage)| {
        let record = Owned { gap: 0, timestamp: 1, key: None, value: None, headers: Vec::new() };
        let mut bytes = build(options, &[record]).0;
        bytes.truncate(61);
        bytes.extend_from_slice(&garbage);
        bytes[8..12].copy_from_slice(&(49 + garbage.len() as i32).to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        exercise(&bytes);
        Ok(())
    });
}

#[test]
fn any_bytes_do_no_harm() {
    run(vec(any::<u8>(), 0..200), |bytes| {
        exercise(&bytes);
        Ok(())
    });
}

/// What the fuzzer found worth keeping, among it what once did harm.
#[test]
fn the_corpus_of_the_fuzz_target_does_no_harm() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/batch_decode");
    let mut seen = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        exercise(&bytes);
        exercise(&mended(bytes));
        seen += 1;
    }
    assert!(seen > 50, "{seen} files");
}

/// The same as a v2 batch whose length and checksum fit.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() > 61 {
        let length = bytes.len() as u32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}
