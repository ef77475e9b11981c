//! Quotas, on a virtual network in virtual time: a client that is above one sees latency, never an
//! error, and comes down to it.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{collections::BTreeMap, time::Duration};

use klamm::{
    Broker, Random, VirtualNet,
    client::{
        Client, ClientError, FetchOptions, Fetcher, NewTopic, OutgoingRecord, Producer,
        ProducerOptions, QuotaEntity, TopicPartition,
    },
};
use klamm_protocol::{
    messages::{ProduceRequest, ProduceResponse},
    wire::{Message, Reader},
};
use tokio::time::Instant;

use support::Wire;

mod support;

const SEED: u64 = 5;
/// Windows of the rate without the one that has just begun: what is used at once counts as used
/// over this time.
const BURST_SECONDS: f64 = 10.0;

async fn broker() -> (VirtualNet, Broker) {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let broker = Broker::builder().virtual_network(&net).seed(SEED).start().await.unwrap();
    (net, broker)
}

/// `TYPE=NAME,...`; `*` is the default.
fn entity(text: &str) -> QuotaEntity {
    let part = |part: &str| {
        let (kind, name) = part.split_once('=').unwrap();
        (kind.to_owned(), (name != "*").then(|| name.to_owned()))
    };
    text.split(',').map(part).collect()
}

async fn create(client: &Client, topic: &str, partitions: i32) -> Result<(), ClientError> {
    let new = NewTopic { partitions: Some(partitions), ..NewTopic::new(topic) };
    let created = client.create_topics(&[new], false).await?;
    created.into_iter().try_for_each(|(_, result)| result.map(drop))
}

/// Sends records of 1 KB one after the other; how long that takes.
async fn produce(client: &Client, topic: &str, records: usize) -> Duration {
    let begun = Instant::now();
    let mut producer = Producer::new(client.clone(), ProducerOptions::default());
    for _ in 0..records {
        producer.send(topic, OutgoingRecord::value("v".repeat(1000))).await.unwrap();
        producer.flush().await.unwrap();
    }
    begun.elapsed()
}

/// Reads a topic to its end; how long that takes.
async fn read(client: &Client, topic: &str, records: usize) -> Duration {
    let begun = Instant::now();
    // One batch in each answer.
    let options = FetchOptions { partition_max_bytes: 1, ..FetchOptions::default() };
    let mut fetcher = Fetcher::new(client.clone(), options);
    fetcher.assign(BTreeMap::from([(TopicPartition::new(topic, 0), Some(0))]));
    let mut read = 0;
    while read < records {
        read += fetcher.poll().await.unwrap().len();
    }
    begun.elapsed()
}

/// The time that so many bytes take at a rate, beyond the burst.
fn held_back(bytes: usize, rate: f64) -> f64 {
    bytes as f64 / rate - BURST_SECONDS
}

#[track_caller]
fn check_time(took: Duration, seconds: f64) {
    let took = took.as_secs_f64();
    assert!(
        (seconds * 0.85..seconds * 1.3 + 1.0).contains(&took),
        "{took} s instead of {seconds} s"
    );
}

/// Producing 40 KB at a rate of 2 KB/s for `entity`.
async fn check_produce(entity_text: &str, is_limited: bool) {
    let (_net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 1).await.unwrap();
    let rate = [("producer_byte_rate", Some(2000.0))];
    client.alter_quotas(&entity(entity_text), &rate, false).await.unwrap();
    let took = produce(&client, "t", 40).await;
    if is_limited {
        check_time(took, held_back(40_000, 2000.0));
    } else {
        assert!(took < Duration::from_secs(1), "{entity_text}: {took:?}");
    }
    client
        .alter_quotas(&entity(entity_text), &[("producer_byte_rate", None)], false)
        .await
        .unwrap();
    assert_eq!(client.describe_quotas().await.unwrap(), BTreeMap::new());
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn producers_are_held_back() {
    check_produce("client-id=klamm", true).await;
    check_produce("client-id=*", true).await;
    check_produce("user=*", true).await;
    check_produce("user=ANONYMOUS,client-id=*", true).await;
    check_produce("topic=t", true).await;
    check_produce("topic=*", true).await;
    check_produce("client-id=other", false).await;
    check_produce("user=other", false).await;
    check_produce("topic=other", false).await;
}

async fn check_fetch(entity_text: &str) {
    let (_net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 1).await.unwrap();
    produce(&client, "t", 40).await;
    let rate = [("consumer_byte_rate", Some(2000.0))];
    client.alter_quotas(&entity(entity_text), &rate, false).await.unwrap();
    check_time(read(&client, "t", 40).await, held_back(40_000, 2000.0));
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn consumers_are_held_back() {
    check_fetch("client-id=*").await;
    check_fetch("topic=t").await;
}

/// A batch that is larger than what the windows allow comes all the same.
#[tokio::test(start_paused = true)]
async fn a_batch_above_the_quota_is_read() {
    let (_net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 1).await.unwrap();
    let mut producer = Producer::new(client.clone(), ProducerOptions::default());
    producer.send("t", OutgoingRecord::value("v".repeat(100_000))).await.unwrap();
    producer.flush().await.unwrap();
    let rate = [("consumer_byte_rate", Some(5000.0))];
    client.alter_quotas(&entity("client-id=*"), &rate, false).await.unwrap();
    read(&client, "t", 1).await;
    broker.stop().await.unwrap();
}

/// A request takes 10 ms of virtual time, which is 0.1 percent over the burst.
#[tokio::test(start_paused = true)]
async fn clients_are_held_back_for_the_time_of_their_requests() {
    let (_net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 1).await.unwrap();
    let rate = [("request_percentage", Some(0.1))];
    client.alter_quotas(&entity("client-id=*"), &rate, false).await.unwrap();
    // A batch is one request; each takes a second's share.
    check_time(produce(&broker.client(), "t", 20).await, 20.0);
    broker.stop().await.unwrap();
}

/// Who is held back for the time of requests is told so in the answer to a produce request.
#[tokio::test(start_paused = true)]
async fn producers_are_told_of_the_time_of_their_requests() {
    let (net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 1).await.unwrap();
    let rate = [("request_percentage", Some(0.01))];
    client.alter_quotas(&entity("client-id=test"), &rate, false).await.unwrap();
    for version in 3..=12 {
        let mut wire = Wire::to(&net, &broker).await;
        let request = ProduceRequest { acks: 1, timeout_ms: 1000, ..ProduceRequest::default() };
        let answer = wire.call(version, &request).await;
        let response = ProduceResponse::decode(&mut Reader::new(&answer), version).unwrap();
        assert_eq!(response.throttle_time_ms, 1000, "version {version}");
    }
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn changes_to_the_metadata_are_refused_for_a_while() {
    let (_net, broker) = broker().await;
    let client = broker.client();
    let rate = [("controller_mutation_rate", Some(1.0))];
    client.alter_quotas(&entity("client-id=*"), &rate, false).await.unwrap();
    // The bucket holds 11, for eleven windows.
    create(&client, "burst", 20).await.unwrap();
    let begun = Instant::now();
    let refused = create(&broker.client(), "other", 1).await.unwrap_err().to_string();
    assert!(refused.contains("THROTTLING_QUOTA_EXCEEDED"), "{refused}");
    // The connection that went too far is not read before the bucket is above zero again.
    create(&client, "next", 1).await.unwrap();
    check_time(begun.elapsed(), 9.0);
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_of_an_address_are_turned_away() {
    let (_net, broker) = broker().await;
    let client = broker.client();
    let rate = [("connection_creation_rate", Some(1.0))];
    client.alter_quotas(&entity("ip=*"), &rate, false).await.unwrap();
    let begun = Instant::now();
    let mut turned_away = 0;
    for _ in 0..20 {
        // A client of its own is a connection of its own.
        while broker.client().describe_quotas().await.is_err() {
            turned_away += 1;
            assert!(turned_away < 1000, "nobody is served any more");
        }
    }
    assert!(turned_away > 0 && begun.elapsed() >= Duration::from_secs(8), "{turned_away}");
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_of_all_are_slowed_down() {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let builder = Broker::builder().virtual_network(&net).seed(SEED);
    let broker = builder.config("max.connection.creation.rate", "2").start().await.unwrap();
    let begun = Instant::now();
    for _ in 0..40 {
        broker.client().describe_quotas().await.unwrap();
    }
    check_time(begun.elapsed(), held_back(40, 2.0));
    broker.stop().await.unwrap();
}

async fn check_refused(entity_text: &str, key: &str, value: f64, text: &str) {
    let (_net, broker) = broker().await;
    let entity = if entity_text.is_empty() { QuotaEntity::new() } else { entity(entity_text) };
    let result = broker.client().alter_quotas(&entity, &[(key, Some(value))], false).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains(text), "{entity_text} {key}={value}: {error}");
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let rate = "producer_byte_rate";
    check_refused("", rate, 1.0, "Invalid empty client quota entity").await;
    check_refused("user=", rate, 1.0, "Empty user not supported").await;
    check_refused("group=g", rate, 1.0, "Unhandled client quota entity type: group").await;
    check_refused("ip=*,user=u", rate, 1.0, "Invalid quota entity combination").await;
    check_refused("ip=1.2.3", rate, 1.0, "1.2.3 is not a valid IP or resolvable host.").await;
    check_refused("topic=t,user=u", rate, 1.0, "Invalid quota entity combination").await;
    check_refused("ip=*", rate, 1.0, "Invalid configuration key producer_byte_rate").await;
    check_refused("user=u", "rate", 1.0, "Invalid configuration key rate").await;
    check_refused("user=u", rate, 0.0, "Quota producer_byte_rate must be greater than 0").await;
    check_refused("user=u", rate, f64::NAN, "must be greater than 0").await;
    check_refused("user=u", rate, 1.5, "producer_byte_rate cannot be a fractional value.").await;
    check_refused("user=u", rate, 1e19, "too large for a LONG").await;
}
