//! Record data is not copied: not on the way in, not on the way out.

use std::borrow::Cow;

use klamm_protocol::messages::fetch_response::{
    FetchResponse, FetchableTopicResponse, PartitionData,
};
use klamm_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use klamm_protocol::wire::{Hole, Message, Records, frame};
use klamm_protocol::{ApiKey, wire::Reader};

const MIB: usize = 1 << 20;

#[test]
fn a_produce_request_borrows_its_records() {
    let partition = PartitionProduceData {
        records: Records::Slice(Cow::Owned(vec![7; MIB])),
        ..PartitionProduceData::default()
    };
    let topic = TopicProduceData {
        name: "events".into(),
        partition_data: vec![partition],
        ..TopicProduceData::default()
    };
    let request = ProduceRequest { topic_data: vec![topic], ..ProduceRequest::default() };
    for version in ProduceRequest::VERSIONS.iter() {
        let frame = request.to_bytes(version);
        let decoded = ProduceRequest::decode_exact(&frame, version).unwrap();
        let topic = &decoded.topic_data[0];
        assert!(matches!(topic.name, Cow::Borrowed(_)));
        let Records::Slice(Cow::Borrowed(bytes)) = &topic.partition_data[0].records else {
            panic!("version {version} copied the records");
        };
        assert_eq!(bytes.len(), MIB);
        assert!(frame.as_ptr_range().contains(&bytes.as_ptr()));
    }
}

#[test]
fn a_fetch_response_leaves_holes_for_external_records() {
    for version in FetchResponse::VERSIONS.iter() {
        let sparse = fetch_response(Records::External);
        let dense = fetch_response(|len| Records::Slice(Cow::Owned(vec![9; len])));
        let w = frame::response(ApiKey::Fetch, version, 5, &sparse);
        assert!(w.as_bytes().len() < 400, "{} bytes written", w.as_bytes().len());
        assert_eq!(w.holes().iter().map(|hole| hole.len).collect::<Vec<_>>(), [MIB, 0, 300]);
        let whole = frame::response(ApiKey::Fetch, version, 5, &dense);
        assert_eq!(w.wire_len(), whole.wire_len());
        assert_eq!(filled(w.as_bytes(), w.holes()), whole.as_bytes());
    }
}

fn fetch_response(records: impl Fn(usize) -> Records<'static>) -> FetchResponse<'static> {
    let partition = |len| PartitionData { records: records(len), ..PartitionData::default() };
    let topic = FetchableTopicResponse {
        topic: "events".into(),
        partitions: vec![partition(MIB), partition(0), partition(300)],
        ..FetchableTopicResponse::default()
    };
    FetchResponse { responses: vec![topic], ..FetchResponse::default() }
}

/// What the sender makes of the pieces.
fn filled(bytes: &[u8], holes: &[Hole]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut from = 0;
    for hole in holes {
        out.extend(&bytes[from..hole.at]);
        out.resize(out.len() + hole.len, 9);
        from = hole.at;
    }
    out.extend(&bytes[from..]);
    out
}

#[test]
fn frames_open_with_length_and_header() {
    let request = ProduceRequest::default();
    for version in ProduceRequest::VERSIONS.iter() {
        let w = frame::request(version, 42, Some("me"), &request);
        let bytes = w.as_bytes();
        let len = Reader::new(bytes).i32().unwrap();
        assert_eq!(usize::try_from(len).unwrap(), bytes.len() - 4);
        let (key, header, mut body) = frame::request_header(&bytes[4..]).unwrap();
        assert_eq!((key, header.request_api_version), (ApiKey::Produce, version));
        assert_eq!((header.correlation_id, header.client_id.as_deref()), (42, Some("me")));
        assert_eq!(ProduceRequest::decode(&mut body, version).as_ref(), Ok(&request));
        body.finish().unwrap();
    }
}
