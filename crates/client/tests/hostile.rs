//! What the client makes of peers that are not what they should be.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use klamm_client::{Client, ClientError, ClientOptions};
use klamm_env::{
    Env, Net, Random,
    net::ListenOptions,
    net::{self, Connection, Piece, SendQueue},
    virt::VirtualNet,
};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ApiVersionsResponse, MetadataResponse, api_versions_response::ApiVersion,
        metadata_response::MetadataResponseBroker,
    },
    wire::frame,
};

/// A client, and a listener in the place of its broker.
async fn pair() -> (Client, Box<dyn net::Listener>) {
    let net = VirtualNet::new(Random::from_seed(1));
    let listener =
        net.host("broker").listen("broker:9092", ListenOptions::default()).await.unwrap();
    let env = Env { net: std::sync::Arc::new(net.host("client")), ..Env::real() };
    let options = ClientOptions {
        call_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(1),
        response_bytes_max: 1 << 20,
        ..ClientOptions::new("broker:9092")
    };
    (Client::new(&env, options), listener)
}

async fn send(connection: &mut dyn Connection, bytes: Vec<u8>) {
    let mut queue = SendQueue::default();
    queue.push(Piece::Bytes(Bytes::from(bytes)));
    net::send(connection, &mut queue).await.unwrap();
}

/// The next request: API key, version, correlation id. None when the client has gone.
async fn request(connection: &mut dyn Connection, buf: &mut BytesMut) -> Option<(i16, i16, i32)> {
    loop {
        if let Some(len) = buf.first_chunk().map(|len| u32::from_be_bytes(*len) as usize)
            && buf.len() >= 4 + len
        {
            let whole = buf.split_to(4 + len);
            let peek = frame::peek(&whole[4..]).unwrap();
            return Some((peek.api_key, peek.api_version, peek.correlation_id));
        }
        if net::read(connection, buf, 65_536).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Every connection is answered with these bytes, whatever it asks.
async fn check(answer: &[u8], expected: &str) {
    let (client, mut listener) = pair().await;
    let answer = answer.to_vec();
    let peer = tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut buf = BytesMut::new();
            let Some(_) = request(connection.as_mut(), &mut buf).await else { continue };
            send(connection.as_mut(), answer.clone()).await;
            while request(connection.as_mut(), &mut buf).await.is_some() {}
        }
    });
    let error = client.metadata(None).await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    peer.abort();
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_end_the_connection() {
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", "no Kafka answer").await;
    check(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], "no Kafka answer").await;
    check(&[0xff, 0xff, 0xff, 0xff], "no Kafka answer").await;
    check(&[0, 0, 0, 0], "no Kafka answer").await;
    check(&[0, 0, 0, 4, 0, 0, 0, 9], "request 9, which is not open").await;
    check(&[0, 0, 0, 4, 0, 0, 0, 0], "cannot be read").await;
    check(&[0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], "cannot be read").await;
    check(&[0, 0, 1, 0, 0, 0, 0, 0], "did not answer ApiVersions within 1000 ms").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_told_at_once() {
    let (client, listener) = pair().await;
    drop(listener);
    let error = client.metadata(None).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}

/// A broker of 0.10 that knows ApiVersions 0 and Metadata 1 only.
#[tokio::test(start_paused = true)]
async fn an_old_broker_is_asked_in_its_own_versions() {
    let (client, mut listener) = pair().await;
    let peer = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut buf = BytesMut::new();
        let mut asked = Vec::new();
        while let Some((key, version, id)) = request(connection.as_mut(), &mut buf).await {
            asked.push((key, version));
            let writer = match (key, version) {
                (18, 0) => frame::response(ApiKey::ApiVersions, 0, id, &served()),
                (18, _) => {
                    let refused = ApiVersionsResponse {
                        error_code: ErrorCode::UnsupportedVersion.code(),
                        ..ApiVersionsResponse::default()
                    };
                    frame::response(ApiKey::ApiVersions, 0, id, &refused)
                }
                _ => {
                    let broker = MetadataResponseBroker {
                        node_id: 7,
                        host: "broker".into(),
                        port: 9092,
                        ..MetadataResponseBroker::default()
                    };
                    let answer =
                        MetadataResponse { brokers: vec![broker], ..MetadataResponse::default() };
                    frame::response(ApiKey::Metadata, version, id, &answer)
                }
            };
            send(connection.as_mut(), writer.into_parts().0).await;
            if key == 3 {
                break;
            }
        }
        asked
    });
    let cluster = client.metadata(None).await.unwrap();
    assert_eq!(cluster.brokers[&7].address(), "broker:9092");
    assert_eq!(peer.await.unwrap(), vec![(18, 4), (18, 0), (3, 1)]);
    let error = client.list_groups().await.unwrap_err().to_string();
    assert!(error.contains("broke") || error.contains("connect"), "{error}");
}

fn served() -> ApiVersionsResponse<'static> {
    let api = |api_key, min_version, max_version| ApiVersion {
        api_key,
        min_version,
        max_version,
        ..ApiVersion::default()
    };
    ApiVersionsResponse {
        api_keys: vec![api(18, 0, 0), api(3, 0, 1)],
        ..ApiVersionsResponse::default()
    }
}
