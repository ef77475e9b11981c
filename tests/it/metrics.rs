//! What a broker tells over HTTP about what a client did.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use klamm::{
    Broker,
    client::{
        FetchOptions, Fetcher, GroupConsumer, GroupOptions, OutgoingRecord, Producer,
        ProducerOptions, Reset, TopicPartition,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::exposition::Samples;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// Status, headers and body of a page.
async fn get(address: SocketAddr, path: &str, accept: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

async fn samples(broker: &Broker) -> Samples {
    let (status, _, body) = get(broker.admin_address().unwrap(), "/metrics", "*/*").await;
    assert_eq!(status, 200, "{body}");
    Samples::read(&body, false)
}

/// A broker of its own on free ports.
async fn start() -> Broker {
    let broker = Broker::builder().in_memory().listen("127.0.0.1:0").admin("127.0.0.1:0");
    broker.config("klamm.slow.request.ms", "0").start().await.unwrap()
}

async fn produce(broker: &Broker, topic: &str, records: usize) {
    let mut producer = Producer::new(broker.client(), ProducerOptions::default());
    for number in 0..records {
        producer.send(topic, OutgoingRecord::value(format!("value {number}"))).await.unwrap();
    }
    producer.flush().await.unwrap();
}

async fn consume(broker: &Broker, topic: &str, records: usize) {
    let mut fetcher = Fetcher::new(broker.client(), FetchOptions::default());
    fetcher.assign(BTreeMap::from([(TopicPartition::new(topic, 0), Some(0))]));
    let all = async {
        let mut seen = 0;
        while seen < records {
            seen += fetcher.poll().await.unwrap().len();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("records come in time");
}

#[tokio::test]
async fn what_clients_do_is_counted() {
    let broker = start().await;
    produce(&broker, "orders", 100).await;
    consume(&broker, "orders", 100).await;
    let samples = samples(&broker).await;
    let get = |name, labels: &[(&str, &str)]| samples.get(name, labels);
    let topic = [("topic", "orders")];
    let partition = [("topic", "orders"), ("partition", "0")];

    assert_eq!(get("klamm_records_in_total", &[]), Some(100.0));
    assert_eq!(get("klamm_topic_records_in_total", &topic), Some(100.0));
    assert_eq!(get("klamm_topic_records", &topic), Some(100.0));
    let bytes_in = get("klamm_topic_record_bytes_in_total", &topic);
    assert!(bytes_in > Some(700.0), "{bytes_in:?}");
    assert_eq!(get("klamm_topic_record_bytes_out_total", &topic), bytes_in);
    assert_eq!(get("klamm_topic_size_bytes", &topic), bytes_in);
    assert_eq!(get("klamm_topic_produce_failures_total", &topic), Some(0.0));
    assert_eq!(get("klamm_partition_log_end_offset", &partition), Some(100.0));
    assert_eq!(get("klamm_partition_high_watermark", &partition), Some(100.0));
    assert_eq!(get("klamm_partition_last_stable_offset", &partition), Some(100.0));
    assert_eq!(get("klamm_partition_series_omitted", &[]), Some(0.0));

    let produced = get("klamm_requests_total", &[("api", "Produce")]);
    assert_eq!(get("klamm_topic_produce_requests_total", &topic), produced);
    assert_eq!(get("klamm_request_duration_seconds_count", &[("api", "Produce")]), produced);
    for stage in ["queue", "local", "remote", "throttle", "send"] {
        let labels = [("api", "Produce"), ("stage", stage)];
        assert_eq!(get("klamm_request_stage_duration_seconds_count", &labels), produced);
    }
    assert!(get("klamm_network_bytes_in_total", &[]) > bytes_in);
    assert!(get("klamm_network_bytes_out_total", &[]) > bytes_in);
    assert!(get("klamm_connections_accepted_total", &[]) >= Some(2.0));
    let clients: f64 = samples.all("klamm_client_connections", &[]).map(|(_, n)| n).sum();
    assert_eq!(get("klamm_connections", &[]), Some(clients));
    assert_eq!(get("klamm_build_info", &[]), Some(1.0));
    assert_eq!(get("klamm_quorum_leader", &[]), Some(1.0));
    assert!(samples.len() > 200, "{}", samples.len());
    broker.stop().await.unwrap();
}

/// By what they call themselves in ApiVersions, for as long as they are connected.
#[tokio::test]
async fn clients_are_told_by_their_software() {
    let broker = start().await;
    let mut producer = Producer::new(broker.client(), ProducerOptions::default());
    producer.send("orders", OutgoingRecord::value("one")).await.unwrap();
    producer.flush().await.unwrap();
    let samples = samples(&broker).await;
    let software = [("software_name", "klamm"), ("software_version", env!("CARGO_PKG_VERSION"))];
    let connections: Vec<f64> =
        samples.all("klamm_client_connections", &software).map(|(_, n)| n).collect();
    assert!(connections.len() == 1 && connections[0] >= 1.0, "{connections:?}");
    drop(producer);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn groups_are_told_with_their_lag() {
    let broker = start().await;
    produce(&broker, "orders", 10).await;
    let fetch = FetchOptions { reset: Reset::Earliest, ..FetchOptions::default() };
    let options = GroupOptions { fetch, ..GroupOptions::new("billing", vec!["orders".to_owned()]) };
    let mut member = GroupConsumer::new(broker.client(), options);
    let all = async {
        let mut seen = 0;
        while seen < 10 {
            seen += member.poll().await.unwrap().len();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("records come in time");
    member.commit().await.unwrap();
    produce(&broker, "orders", 5).await;
    let samples = samples(&broker).await;
    let get = |name, labels: &[(&str, &str)]| samples.get(name, labels);
    let group = ("group", "billing");
    let partition = [group, ("topic", "orders"), ("partition", "0")];
    assert_eq!(get("klamm_group_committed_offset", &partition), Some(10.0));
    assert_eq!(get("klamm_group_partition_lag", &partition), Some(5.0));
    assert_eq!(get("klamm_group_topic_lag", &[group, ("topic", "orders")]), Some(5.0));
    assert_eq!(get("klamm_group_lag", &[group]), Some(5.0));
    assert_eq!(get("klamm_group_members", &[group]), Some(1.0));
    let stable = [("type", "classic"), ("state", "Stable")];
    assert_eq!(get("klamm_groups", &stable), Some(1.0));
    member.close().await.unwrap();
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn series_of_partitions_are_bounded() {
    let broker = Broker::builder().in_memory().listen("127.0.0.1:0").admin("127.0.0.1:0");
    let broker = broker.config("num.partitions", "4").config("klamm.metrics.partitions.max", "3");
    let broker = broker.config("klamm.metrics.topics.max", "1").start().await.unwrap();
    produce(&broker, "a", 1).await;
    produce(&broker, "b", 1).await;
    let samples = samples(&broker).await;
    assert_eq!(samples.all("klamm_partition_size_bytes", &[]).count(), 3);
    assert_eq!(samples.get("klamm_partition_series_omitted", &[]), Some(5.0));
    assert_eq!(samples.all("klamm_topic_size_bytes", &[]).count(), 1);
    assert_eq!(samples.get("klamm_topic_series_omitted", &[]), Some(1.0));
    assert_eq!(samples.get("klamm_records_in_total", &[]), Some(2.0));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn both_formats_say_the_same() {
    let broker = start().await;
    produce(&broker, "a", 3).await;
    let address = broker.admin_address().unwrap();
    let (_, head, text) = get(address, "/metrics", "text/plain").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let (_, head, open) = get(address, "/metrics", OPEN_METRICS).await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let (text, open) = (Samples::read(&text, false), Samples::read(&open, true));
    assert_eq!(text.len(), open.len());
    let labels = [("topic", "a")];
    let counted = |of: &Samples| of.get("klamm_topic_records_in_total", &labels);
    assert_eq!((counted(&text), counted(&open)), (Some(3.0), Some(3.0)));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn errors_have_their_names() {
    let broker = start().await;
    let mut fetcher = Fetcher::new(broker.client(), FetchOptions::default());
    fetcher.assign(BTreeMap::from([(TopicPartition::new("not-there", 0), Some(0))]));
    let seen = async {
        loop {
            drop(tokio::time::timeout(Duration::from_secs(1), fetcher.poll()).await);
            let samples = samples(&broker).await;
            if samples.all("klamm_request_errors_total", &[]).next().is_some() {
                break samples;
            }
        }
    };
    let samples = tokio::time::timeout(Duration::from_secs(60), seen).await.expect("an error");
    let labels = [("error", "UNKNOWN_TOPIC_OR_PARTITION"), ("api", "Metadata")];
    assert!(samples.get("klamm_request_errors_total", &labels) >= Some(1.0), "{samples:?}");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn probes_and_slow_requests_are_told() {
    let broker = start().await;
    produce(&broker, "a", 1).await;
    let address = broker.admin_address().unwrap();
    assert_eq!(get(address, "/livez", "*/*").await.0, 200);
    assert_eq!(get(address, "/readyz", "*/*").await.0, 200);
    assert_eq!(get(address, "/nothing", "*/*").await.0, 404);
    let (status, _, body) = get(address, "/debug/slow-requests", "*/*").await;
    let slow: serde_json::Value = serde_json::from_str(&body).unwrap();
    let requests = slow["requests"].as_array().unwrap();
    assert_eq!(status, 200);
    let produce = requests.iter().find(|of| of["api"] == "Produce").unwrap();
    let number = |name: &str| produce[name].as_u64().unwrap();
    let stages = number("queueUs") + number("localUs") + number("remoteUs") + number("sendUs");
    assert!(stages.abs_diff(number("totalUs")) <= 4, "{produce}");
    assert!(!body.contains("value 0"), "no contents: {body}");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let broker = Broker::builder().in_memory().listen("127.0.0.1:0").start().await.unwrap();
    assert_eq!(broker.admin_address(), None);
    broker.stop().await.unwrap();
}
