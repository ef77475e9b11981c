//! Frames that no client would send: the broker closes or answers, and serves the others.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use bytes::BytesMut;
use klamm::{Broker, Random, VirtualNet};
use klamm_env::{
    Net,
    net::{self, Connection, Piece, SendQueue},
};
use klamm_protocol::{ApiKey, messages, wire::Message};

const SEED: u64 = 3;

/// A request body with the schema's defaults.
macro_rules! bodies {
    ($(($api:ident, $request:ident, $response:ident))*) => {
        fn body(key: ApiKey, version: i16) -> Vec<u8> {
            match key {
                $(ApiKey::$api => messages::$request::default().to_bytes(version),)*
            }
        }
    };
}
klamm_protocol::for_each_api!(bodies);

/// A frame that begins like a request and goes wrong somewhere, with its length.
fn frame(random: &Random) -> Vec<u8> {
    let keys: Vec<ApiKey> = ApiKey::iter().collect();
    let key = keys[usize::try_from(random.below(keys.len() as u64)).unwrap()];
    let versions = key.versions();
    let span = u64::try_from(versions.max - versions.min + 1).unwrap();
    let version = versions.min + i16::try_from(random.below(span)).unwrap();
    let mut frame = Vec::new();
    frame.extend((key as i16).to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 0, 7, 0xff, 0xff]);
    if key.request_header_version(version) >= 2 {
        frame.push(0);
    }
    frame.extend(body(key, version));
    for _ in 0..random.below(4) {
        let at = usize::try_from(random.below(frame.len() as u64)).unwrap();
        match random.below(4) {
            0 => frame[at] = u8::try_from(random.below(256)).unwrap(),
            1 => frame[at] = [0x7f, 0xff, 0x80, 0x00][at % 4],
            2 => frame.truncate(at),
            _ => frame.insert(at, u8::try_from(random.below(256)).unwrap()),
        }
        if frame.is_empty() {
            break;
        }
    }
    let mut whole = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
    whole.extend(frame);
    whole
}

/// Sends one frame; true if the connection is still open afterwards.
async fn send(connection: &mut dyn Connection, bytes: Vec<u8>) -> bool {
    let mut queue = SendQueue::default();
    queue.push(Piece::Bytes(bytes.into()));
    if net::send(connection, &mut queue).await.is_err() {
        return false;
    }
    let mut answer = BytesMut::with_capacity(4096);
    let read = net::read(connection, &mut answer, 4096);
    let bound = std::time::Duration::from_millis(20);
    // No answer in time is one too: some requests wait, and those with acks=0 have none.
    !matches!(tokio::time::timeout(bound, read).await, Ok(Ok(0) | Err(_)))
}

/// `KLAMM_FUZZ_FRAMES` says how many; the default keeps the test short.
#[tokio::test(start_paused = true)]
async fn wrong_frames_harm_nobody_else() {
    let frames = std::env::var("KLAMM_FUZZ_FRAMES").ok().and_then(|n| n.parse().ok());
    println!("seed {SEED}; replay: KLAMM_FUZZ_FRAMES=N cargo test -p klamm --test fuzz");
    let net = VirtualNet::new(Random::from_seed(SEED));
    let broker = Broker::builder().virtual_network(&net).seed(SEED).in_memory();
    let broker = broker.start().await.unwrap();
    let client = broker.client();
    client.metadata(None).await.unwrap();
    let random = Random::from_seed(SEED);
    let mut connection = net.dial(&broker.bootstrap()).await.unwrap();
    for sent in 0..frames.unwrap_or(20_000_u32) {
        if !send(&mut *connection, frame(&random)).await || random.chance(1, 50) {
            connection = net.dial(&broker.bootstrap()).await.unwrap();
        }
        if sent % 1000 == 0 {
            client.metadata(None).await.expect("other connections are unaffected");
        }
    }
    client.metadata(None).await.expect("other connections are unaffected");
    broker.stop().await.unwrap();
}
