//! Klamm inside a Rust program: the same broker that `klamm serve` runs, on TCP, or on a network,
//! a disk and a clock that exist only in memory.
//!
//! # A broker on TCP
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use klamm::client::{Client, OutgoingRecord, Producer, ProducerOptions};
//!
//! let broker = klamm::Broker::builder().in_memory().listen("127.0.0.1:0").start().await?;
//!
//! // Any Kafka client will do; this one is at hand.
//! let client = Client::tcp(&broker.bootstrap());
//! let mut producer = Producer::new(client.clone(), ProducerOptions::default());
//! producer.send("orders", OutgoingRecord::keyed("k", "hello")).await?;
//! producer.flush().await?;
//! assert_eq!(producer.deliveries()[0].base_offset, Some(0));
//!
//! broker.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A test in virtual time
//!
//! On a paused runtime an hour passes as soon as there is nothing else to do. The same seed gives
//! the same run.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{collections::BTreeMap, time::Duration};
//! use klamm::client::{
//!     FetchOptions, Fetcher, OutgoingRecord, Producer, ProducerOptions, TopicPartition,
//! };
//!
//! let net = klamm::VirtualNet::new(klamm::Random::from_seed(7));
//! let broker = klamm::Broker::builder().virtual_network(&net).seed(7).start().await?;
//!
//! let client = broker.client();
//! let mut producer = Producer::new(client.clone(), ProducerOptions::default());
//! producer.send("orders", OutgoingRecord::value("before lunch")).await?;
//! producer.flush().await?;
//! tokio::time::sleep(Duration::from_secs(3600)).await;
//! producer.send("orders", OutgoingRecord::value("after lunch")).await?;
//! producer.flush().await?;
//!
//! let mut fetcher = Fetcher::new(client, FetchOptions::default());
//! fetcher.assign(BTreeMap::from([(TopicPartition::new("orders", 0), Some(0))]));
//! let mut records = Vec::new();
//! while records.len() < 2 {
//!     records.extend(fetcher.poll().await?);
//! }
//! assert_eq!(records[1].value.as_deref(), Some(&b"after lunch"[..]));
//! assert!(records[1].timestamp - records[0].timestamp >= 3_600_000);
//!
//! // Power fails; what was synced is there after the next start.
//! let broker = broker.crash().start().await?;
//! broker.stop().await?;
//! # Ok(())
//! # }
//! ```

mod builder;

pub use builder::{Broker, BrokerBuilder, StartError};
pub use klamm_client as client;
pub use klamm_env::{
    Random,
    virt::{DiskFault, LinkFaults, VirtualDisk, VirtualNet},
};
