//! A blocking connection: frames out, frames in, and the few calls a load needs around it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use klamm_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::messages::metadata_request::MetadataRequestTopic;
use klamm_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest,
    MetadataResponse, ResponseHeader,
};
use klamm_protocol::wire::{Message, Reader, Request, frame};

/// Bounds every wait for a state of the broker.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// No answer is larger.
const FRAME_BYTES_MAX: usize = 512 << 20;
/// The client id of all requests.
pub(crate) const CLIENT_ID: &str = "load";
/// Versions that Apache Kafka 2.8 to 4 and Klamm all serve, with topics by name.
pub(crate) const PRODUCE_VERSION: i16 = 9;
/// As [`PRODUCE_VERSION`].
pub(crate) const FETCH_VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 5;
/// The timestamp that asks for the end of a partition.
const LATEST: i64 = -1;
/// As [`PRODUCE_VERSION`].
pub(crate) const METADATA_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 5;
const DELETE_TOPICS_VERSION: i16 = 5;

/// A connection with one request in flight.
#[derive(Debug)]
pub(crate) struct Connection {
    /// For frames that were encoded before.
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

/// Connects; small frames are not held back.
pub(crate) fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Connection {
    /// Connects to a broker.
    pub(crate) fn open(address: &str) -> Result<Self> {
        Ok(Connection { stream: connect(address)?, correlation_id: 0 })
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn send<'a, R: Request<'a>>(&mut self, version: i16, request: &R) -> Result<()> {
        self.correlation_id += 1;
        let frame = frame::request(version, self.correlation_id, Some(CLIENT_ID), request);
        Ok(self.stream.write_all(frame.as_bytes())?)
    }

    /// Reads the next answer; [`decode`] says what is in it.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        ensure!(length <= FRAME_BYTES_MAX, "an answer of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    /// Sends a request and reads its answer.
    pub(crate) fn call<'a, R: Request<'a>>(&mut self, version: i16, body: &R) -> Result<Vec<u8>> {
        self.send(version, body)?;
        self.receive()
    }
}

/// The answer to a request of type `R` in a frame.
pub(crate) fn decode<'f, R: Request<'static>>(
    version: i16,
    frame: &'f [u8],
) -> Result<R::Response<'f>> {
    let mut reader = Reader::new(frame);
    ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version))?;
    Ok(R::Response::decode(&mut reader, version)?)
}

/// Creates a topic.
pub(crate) fn create_topic(
    connection: &mut Connection,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<()> {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
        ..CreatableTopicConfig::default()
    });
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: i32::try_from(PATIENCE.as_millis())?,
        ..CreateTopicsRequest::default()
    };
    let frame = connection.call(CREATE_TOPICS_VERSION, &request)?;
    let answer = decode::<CreateTopicsRequest<'_>>(CREATE_TOPICS_VERSION, &frame)?;
    let code = answer.topics.first().map_or(0, |topic| topic.error_code);
    ensure!(code == 0, "creating {name}: error {code}");
    Ok(())
}

/// Waits until all partitions of the topics have a leader.
pub(crate) fn await_leaders(
    connection: &mut Connection,
    names: &[String],
    partitions: i32,
) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let wanted = usize::try_from(partitions)?;
    while Instant::now() < end {
        let frame = metadata(connection, names)?;
        let answer = decode::<MetadataRequest<'_>>(METADATA_VERSION, &frame)?;
        let led = answer.topics.iter().filter(|topic| {
            let is_led = |p: &_| leads(p);
            topic.partitions.len() == wanted && topic.partitions.iter().all(is_led)
        });
        // Metadata may name a leader that does not know yet that it is one.
        if led.count() == names.len() && serves_all(connection, names, partitions)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    bail!("{} topics have no leaders after {PATIENCE:?}", names.len())
}

/// Whether all partitions of the topics tell their end.
fn serves_all(connection: &mut Connection, names: &[String], partitions: i32) -> Result<bool> {
    let partition = |index| ListOffsetsPartition {
        partition_index: index,
        timestamp: LATEST,
        ..ListOffsetsPartition::default()
    };
    for name in names {
        let topic = ListOffsetsTopic {
            name: name.as_str().into(),
            partitions: (0..partitions).map(partition).collect(),
            ..ListOffsetsTopic::default()
        };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        let frame = connection.call(LIST_OFFSETS_VERSION, &request)?;
        let answer = decode::<ListOffsetsRequest<'_>>(LIST_OFFSETS_VERSION, &frame)?;
        if answer.topics.iter().flat_map(|topic| &topic.partitions).any(|p| p.error_code != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn leads(p: &klamm_protocol::messages::metadata_response::MetadataResponsePartition<'_>) -> bool {
    p.error_code == 0 && p.leader_id >= 0
}

/// Asks for the metadata of topics.
pub(crate) fn metadata(connection: &mut Connection, names: &[String]) -> Result<Vec<u8>> {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        name: Some(name.as_str().into()),
        ..MetadataRequestTopic::default()
    });
    let topics = topics.collect();
    let request = MetadataRequest { topics: Some(topics), ..MetadataRequest::default() };
    connection.call(METADATA_VERSION, &request)
}

/// Whether the broker knows itself and its controller.
pub(crate) fn is_ready(connection: &mut Connection) -> Result<bool> {
    let frame = metadata(connection, &[])?;
    let answer: MetadataResponse<'_> = decode::<MetadataRequest<'_>>(METADATA_VERSION, &frame)?;
    Ok(!answer.brokers.is_empty() && answer.controller_id >= 0)
}

/// Deletes topics; that they do not exist is no error.
pub(crate) fn delete_topics(connection: &mut Connection, names: &[String]) -> Result<()> {
    let request = DeleteTopicsRequest {
        topic_names: names.iter().map(|name| name.as_str().into()).collect(),
        timeout_ms: i32::try_from(PATIENCE.as_millis())?,
        ..DeleteTopicsRequest::default()
    };
    connection.call(DELETE_TOPICS_VERSION, &request)?;
    Ok(())
}
