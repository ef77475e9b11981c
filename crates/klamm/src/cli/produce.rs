//! `klamm produce`.

use std::{collections::BTreeMap, io::IsTerminal, time::Duration};

use clap::{Args, ValueEnum};
use klamm_client::{
    Acks, Client, Compression, CompressionType, Delivery, Producer, ProducerOptions,
};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    common::{ClusterArgs, Form, OutputArgs},
    error::CliError,
    input::{self, LineFormat},
    output::Output,
    pairs, pattern,
    progress::Progress,
};

/// How long lines may wait for more of them.
const LINGER: Duration = Duration::from_millis(5);

/// Send lines of standard input to a topic.
///
/// Each line is a record's value:        echo hello | klamm produce orders
/// With keys before a colon:             echo 'k1:hello' | klamm produce orders -k :
/// With all parts:                       klamm produce orders -f '%p %k %h %s'
/// What consume has written:             klamm consume a -o json --exit | klamm produce b -f json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Produce {
    /// Name of the topic
    topic: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Text between key and value, such as `:` or `\t`
    #[arg(short, long, value_name = "TEXT", value_parser = delimiter)]
    key_delimiter: Option<Delimiter>,
    /// Header of every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE", value_parser = pairs::parse)]
    headers: Vec<(String, String)>,
    /// Partition of every record; without it the key decides, as in Kafka's own clients
    #[arg(short, long, value_name = "N")]
    partition: Option<i32>,
    /// Form of a line: %k key, %s value, %h headers (a=1,b=2), %p partition, %T timestamp in ms,
    /// with texts between them; or `json`
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "key_delimiter")]
    format: Option<LineFormat>,
    /// A key, value or header that is this text is null
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// Compression of batches
    #[arg(short = 'z', long, value_enum, default_value_t = Codec::None)]
    compression: Codec,
    /// When a record counts as delivered: `0` sent, `1` the leader has it, `all` in-sync replicas
    /// have it
    #[arg(long, default_value = "all", value_parser = acks)]
    acks: Acks,
}

#[derive(Debug, Clone)]
struct Delimiter(Vec<u8>);

fn delimiter(text: &str) -> Result<Delimiter, String> {
    match pattern::unescape(text)? {
        bytes if bytes.is_empty() => Err("an empty text does not separate".to_owned()),
        bytes => Ok(Delimiter(bytes)),
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

fn acks(text: &str) -> Result<Acks, String> {
    match text {
        "0" => Ok(Acks::None),
        "1" => Ok(Acks::Leader),
        "all" | "-1" => Ok(Acks::All),
        _ => Err(format!("`{text}` is none of 0, 1, all")),
    }
}

impl Codec {
    fn compression(self) -> Compression {
        Compression::of(match self {
            Self::None => CompressionType::None,
            Self::Gzip => CompressionType::Gzip,
            Self::Snappy => CompressionType::Snappy,
            Self::Lz4 => CompressionType::Lz4,
            Self::Zstd => CompressionType::Zstd,
        })
    }
}

#[derive(Serialize)]
struct Summary {
    topic: String,
    records: u64,
    bytes: u64,
    seconds: f64,
    partitions: Vec<PartitionSummary>,
}

#[derive(Serialize)]
struct PartitionSummary {
    partition: i32,
    records: i64,
    /// Offset of the first record, where the broker told.
    first_offset: Option<i64>,
}

impl Produce {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let client = self.cluster.client();
        // A missing topic or broker is told of before anything is typed.
        self.check_topic(&client).await?;
        let options = ProducerOptions {
            acks: self.acks,
            compression: self.compression.compression(),
            ..ProducerOptions::default()
        };
        let mut producer = Producer::new(client, options);
        let mut progress = Progress::new(!std::io::stdin().is_terminal());
        let mut partitions = BTreeMap::new();
        let result = self.send_all(&mut producer, &mut progress, &mut partitions).await;
        progress.finish();
        result?;
        if self.output.output == Form::Json {
            let summary = Summary {
                topic: self.topic,
                records: progress.records,
                bytes: progress.bytes,
                seconds: progress.seconds(),
                partitions: partitions.into_values().collect(),
            };
            Output::stdout(Form::Json).json(&summary)?;
        }
        Ok(())
    }

    async fn check_topic(&self, client: &Client) -> Result<(), CliError> {
        let Some(partition) = self.partition else {
            client.metadata(Some(&[])).await?;
            return Ok(());
        };
        let cluster = client.metadata(Some(&[&self.topic])).await?;
        let topic = cluster.topics.get(&self.topic).filter(|topic| topic.error == 0);
        match topic.is_none_or(|topic| topic.partitions.contains_key(&partition)) {
            true => Ok(()),
            false => {
                let topic = self.topic.clone();
                Err(klamm_client::ClientError::UnknownPartition { topic, partition }.into())
            }
        }
    }

    async fn send_all(
        &self,
        producer: &mut Producer,
        progress: &mut Progress,
        partitions: &mut BTreeMap<i32, PartitionSummary>,
    ) -> Result<(), CliError> {
        let mut lines = input::stdin();
        let mut number = 0_u64;
        let mut is_dirty = false;
        loop {
            let wait = if is_dirty { LINGER } else { Duration::MAX };
            let chunk = match timeout(wait, lines.recv()).await {
                Err(_) => {
                    producer.flush().await?;
                    is_dirty = false;
                    continue;
                }
                Ok(chunk) => {
                    chunk.unwrap_or(Ok(Vec::new())).map_err(CliError::io("standard input"))?
                }
            };
            if chunk.is_empty() {
                producer.flush().await?;
                count(producer.deliveries(), partitions);
                return Ok(());
            }
            let (records, bytes) = (chunk.len(), chunk.iter().map(Vec::len).sum::<usize>());
            for line in chunk {
                number += 1;
                self.send(producer, line, number).await?;
            }
            progress.add(records as u64, bytes as u64);
            count(producer.deliveries(), partitions);
            is_dirty = true;
        }
    }

    async fn send(
        &self,
        producer: &mut Producer,
        line: Vec<u8>,
        number: u64,
    ) -> Result<(), CliError> {
        let wrong = |text: String| CliError::Usage(format!("line {number}: {text}"));
        let null = self.null.as_deref();
        let format = match (&self.format, &self.key_delimiter) {
            (Some(format), _) => format.record(line, null),
            (None, Some(Delimiter(text))) => LineFormat::keyed(text.clone()).record(line, null),
            (None, None) => LineFormat::value().record(line, null),
        };
        let mut record = format.map_err(wrong)?;
        record.partition = self.partition.or(record.partition);
        for (key, value) in &self.headers {
            let text = format!("{key}={value}");
            record.headers.push(input::header(&text, null).map_err(wrong)?);
        }
        Ok(producer.send(&self.topic, record).await?)
    }
}

fn count(deliveries: Vec<Delivery>, partitions: &mut BTreeMap<i32, PartitionSummary>) {
    for delivery in deliveries {
        let partition = delivery.partition.partition;
        let summary = partitions.entry(partition).or_insert(PartitionSummary {
            partition,
            records: 0,
            first_offset: delivery.base_offset,
        });
        summary.records += i64::from(delivery.records);
    }
}
