//! Listeners are opened and closed while the broker runs, and after a restart are as they were left.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::time::Duration;

use klamm::{
    Broker, Random, VirtualNet,
    client::{Client, ConfigResource, ResourceType},
};
use klamm_env::Net;

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
