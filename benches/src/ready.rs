//! How long a broker takes from its start until it answers, and until it has taken a record.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Args;
use klamm_protocol::messages::ProduceRequest;
use klamm_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::wire::Records;
use serde_json::Value;

use crate::Target;
use crate::meter::Report;
use crate::payload::{Kind, Payloads};
use crate::process::spent;
use crate::raw_produce::batch;
use crate::wire::{self, Connection, PATIENCE, PRODUCE_VERSION, decode};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_micros(500);

/// One request has records for so many partitions, and for one topic at least.
const PARTITIONS_PER_REQUEST: usize = 1000;

/// Options of `load ready`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// When the broker was started, in microseconds since 1970.
    #[arg(long)]
    since_us: u64,
    /// Leaves the broker alone so long and then reads its memory.
    #[arg(long)]
    idle_seconds: Option<f64>,
}

/// Waits, and reports the times since the start.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let since = || -> Result<f64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(now.as_secs_f64() - options.since_us as f64 / 1e6)
    };
    let end = Instant::now() + PATIENCE;
    let mut report = Report::default();
    let mut connection = loop {
        ensure!(Instant::now() < end, "the broker does not answer after {PATIENCE:?}");
        if let Ok(mut connection) = Connection::open(&target.bootstrap)
            && let Ok(true) = wire::is_ready(&mut connection)
        {
            break connection;
        }
        std::thread::sleep(PAUSE);
    };
    report.set("ready_seconds", since()?);
    target.create(&mut connection)?;
    let batch = batch(&mut Payloads::new(Kind::Random, 100, 1), 1, "none")?;
    let topics_at_once = PARTITIONS_PER_REQUEST / usize::try_from(target.partitions.max(1))?;
    for names in target.names().chunks(topics_at_once.max(1)) {
        while produce(&mut connection, names, target.partitions, &batch)? != 0 {
            ensure!(Instant::now() < end, "{} takes no record after {PATIENCE:?}", names[0]);
            std::thread::sleep(PAUSE);
        }
    }
    report.set("first_produce_seconds", since()?);
    target.delete(&mut connection)?;
    if let Some((seconds, pid)) = options.idle_seconds.zip(target.broker_pid) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
        report.set("broker_rss_bytes", spent(pid)?.rss_bytes as f64);
    }
    Ok(report.into_json())
}

/// Produces one record to each partition of topics; answers with the first error code that is
/// not 0.
fn produce(
    connection: &mut Connection,
    topics: &[String],
    partitions: i32,
    batch: &[u8],
) -> Result<i16> {
    let data = |index| PartitionProduceData {
        index,
        records: Records::Slice(batch.into()),
        ..PartitionProduceData::default()
    };
    let of = |name| TopicProduceData {
        name,
        partition_data: (0..partitions).map(data).collect(),
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 30_000,
        topic_data: topics.iter().map(|name| of(name.as_str().into())).collect(),
        ..ProduceRequest::default()
    };
    let frame = connection.call(PRODUCE_VERSION, &request)?;
    let answer = decode::<ProduceRequest<'_>>(PRODUCE_VERSION, &frame)?;
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    Ok(partitions.map(|p| p.error_code).find(|code| *code != 0).unwrap_or(0))
}
