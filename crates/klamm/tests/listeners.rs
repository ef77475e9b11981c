//! Listeners are opened and closed while the broker runs, and after a restart are as they were left.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::time::Duration;

use bytes::BytesMut;
use klamm::{
    Broker, Random, VirtualNet,
    client::{Client, ConfigResource, ResourceType},
};
use klamm_env::{Net, net};

async fn set(client: &Client, key: &str, value: Option<&str>) {
    let resource = ConfigResource { kind: ResourceType::Broker, name: "1".to_owned() };
    let change = (key.to_owned(), value.map(str::to_owned));
    client.alter_config(&resource, &[change], false).await.unwrap();
}

/// Waits until somebody listens at an address, or nobody.
async fn listens(net: &VirtualNet, address: &str, wanted: bool) {
    let probe = net.host("probe");
    let wait = async {
        while probe.dial(address).await.is_ok() != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn listeners_change_while_the_broker_runs() {
    let net = VirtualNet::new(Random::from_seed(5));
    let builder = Broker::builder().virtual_network(&net).seed(5);
    let map = "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT";
    let builder = builder.config("listener.security.protocol.map", map);
    let builder = builder.config("advertised.listeners", "PLAINTEXT://broker:9092");
    let broker = builder.start().await.unwrap();
    listens(&net, "broker:9094", false).await;
    set(&broker.client(), "listeners", Some("PLAINTEXT://broker:9092,OTHER://broker:9094")).await;
    listens(&net, "broker:9094", true).await;
    let broker = broker.crash().start().await.unwrap();
    listens(&net, "broker:9094", true).await;
    set(&broker.client(), "listeners", None).await;
    listens(&net, "broker:9094", false).await;
    listens(&net, "broker:9092", true).await;
    broker.stop().await.unwrap();
}

/// Opens three connections from a host; how many of them stay open.
async fn stay_open(net: &VirtualNet, host: &str) -> usize {
    let from = net.host(host);
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(from.dial("broker:9092").await.unwrap());
    }
    let mut open = 0;
    for connection in &mut all {
        let mut buf = BytesMut::new();
        let closed = net::read(&mut **connection, &mut buf, 1);
        let closed = tokio::time::timeout(Duration::from_secs(1), closed).await;
        open += usize::from(closed.is_err());
    }
    open
}

#[tokio::test(start_paused = true)]
async fn hosts_have_limits_by_their_names() {
    const KEY: &str = "max.connections.per.ip.overrides";
    let net = VirtualNet::new(Random::from_seed(5));
    let builder = Broker::builder().virtual_network(&net).seed(5);
    let wrong = builder.clone().config(KEY, "nobody.invalid:1").start().await;
    assert!(wrong.unwrap_err().to_string().contains("nobody.invalid"));
    let broker = builder.config(KEY, "one:1,two:2").start().await.unwrap();
    assert_eq!(stay_open(&net, "one").await, 1);
    assert_eq!(stay_open(&net, "two").await, 2);
    assert_eq!(stay_open(&net, "any").await, 3);
    set(&broker.client(), KEY, Some("any:2")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stay_open(&net, "one").await, 3);
    assert_eq!(stay_open(&net, "any").await, 2);
    broker.stop().await.unwrap();
}
