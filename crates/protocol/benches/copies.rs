//! What the codec costs on the data path: time, and bytes allocated. `cargo bench -p klamm-protocol`.
//!
//! The allocated bytes of `decode_produce` and `encode_fetch` must not grow with the records: the
//! decoder borrows them from the frame, the encoder leaves a hole for them.

use divan::{AllocProfiler, Bencher, counter::BytesCount};
use klamm_protocol::{
    ApiKey,
    messages::{
        FetchResponse, ProduceRequest,
        fetch_response::{FetchableTopicResponse, PartitionData},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{BatchBuilder, BatchOptions, DecompressionLimit, NewRecord, RecordBatchView},
    wire::{Message, Records, frame},
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Records of this many bytes together.
const SIZES: [usize; 3] = [1 << 10, 1 << 15, 1 << 20];

fn main() {
    divan::main();
}

/// A batch of records of 1 KiB.
fn batch(size: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = vec![7; 1 << 10];
    for _ in 0..size >> 10 {
        let record = NewRecord { timestamp: 0, key: None, value: Some(&value), headers: &[] };
        builder.append(&record).expect("a batch has room for a MiB");
    }
    builder.build().expect("a batch of records")
}

#[divan::bench(args = SIZES)]
fn decode_produce(bencher: Bencher<'_, '_>, size: usize) {
    let records = Records::Slice(batch(size).into());
    let partition = PartitionProduceData { records, ..PartitionProduceData::default() };
    let topic = TopicProduceData { partition_data: vec![partition], ..TopicProduceData::default() };
    let request = ProduceRequest { topic_data: vec![topic], ..ProduceRequest::default() };
    let version = ProduceRequest::VERSIONS.max;
    let frame = request.to_bytes(version);
    bencher
        .counter(BytesCount::new(frame.len()))
        .bench(|| ProduceRequest::decode_exact(&frame, version).map(|body| body.acks));
}

#[divan::bench(args = SIZES)]
fn encode_fetch(bencher: Bencher<'_, '_>, size: usize) {
    let records = Records::External(size);
    let partition = PartitionData { records, ..PartitionData::default() };
    let topic =
        FetchableTopicResponse { partitions: vec![partition], ..FetchableTopicResponse::default() };
    let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    let version = FetchResponse::VERSIONS.max;
    bencher
        .counter(BytesCount::new(size))
        .bench(|| frame::response(ApiKey::Fetch, version, 1, &response).holes().len());
}

#[divan::bench(args = SIZES)]
fn check_crc(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = batch(size);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| RecordBatchView::parse(&bytes).and_then(|view| view.check_crc()));
}

#[divan::bench(args = SIZES)]
fn read_records(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = batch(size);
    let view = RecordBatchView::parse(&bytes).expect("a batch");
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let records = view.records(DecompressionLimit(0)).expect("nothing is compressed");
        records.into_iter().filter(|record| record.is_ok()).count()
    });
}
