//! What tests have in common that send requests of their own.

use bytes::BytesMut;
use klamm::Broker;
use klamm_env::{
    Net,
    net::{self, Connection, Piece, SendQueue},
};
use klamm_protocol::{
    messages::ResponseHeader,
    wire::{Message, Reader, Request, frame},
};

/// A connection that says what it is told to.
pub(crate) struct Wire(Box<dyn Connection>);

impl Wire {
    /// A new one.
    pub(crate) async fn to(net: &impl Net, broker: &Broker) -> Self {
        Self(net.dial(&broker.bootstrap()).await.unwrap())
    }

    /// The body of the answer.
    pub(crate) async fn call<'a, R: Request<'a>>(&mut self, version: i16, body: &R) -> Vec<u8> {
        let mut queue = SendQueue::default();
        let (bytes, _) = frame::request(version, 1, Some("test"), body).into_parts();
        queue.push(Piece::Bytes(bytes.into()));
        net::send(&mut *self.0, &mut queue).await.unwrap();
        let mut answer = BytesMut::new();
        loop {
            let length = answer.first_chunk().map(|length| u32::from_be_bytes(*length));
            if length.is_some_and(|length| answer.len() >= 4 + usize::try_from(length).unwrap()) {
                break;
            }
            assert_ne!(net::read(&mut *self.0, &mut answer, 4096).await.unwrap(), 0);
        }
        let mut reader = Reader::new(&answer[4..]);
        ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version)).unwrap();
        reader.rest().to_vec()
    }
}
