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
pub(crate) struct Wire {
    connection: Box<dyn Connection>,
    heard: BytesMut,
}

impl Wire {
    /// A new one.
    pub(crate) async fn to(net: &impl Net, broker: &Broker) -> Self {
        let connection = net.dial(&broker.bootstrap()).await.unwrap();
        Self { connection, heard: BytesMut::new() }
    }

    /// The body of the answer.
    pub(crate) async fn call<'a, R: Request<'a>>(&mut self, version: i16, body: &R) -> Vec<u8> {
        self.send(version, body).await;
        self.answer::<R>(version).await
    }

    pub(crate) async fn send<'a, R: Request<'a>>(&mut self, version: i16, body: &R) {
        let mut queue = SendQueue::default();
        let (bytes, _) = frame::request(version, 1, Some("test"), body).into_parts();
        queue.push(Piece::Bytes(bytes.into()));
        net::send(&mut *self.connection, &mut queue).await.unwrap();
    }

    /// The body of the next answer.
    pub(crate) async fn answer<'a, R: Request<'a>>(&mut self, version: i16) -> Vec<u8> {
        let answer = loop {
            let length = self.heard.first_chunk().map(|length| u32::from_be_bytes(*length));
            let end = length.map(|length| 4 + usize::try_from(length).unwrap());
            if let Some(end) = end.filter(|end| self.heard.len() >= *end) {
                break self.heard.split_to(end);
            }
            let read = net::read(&mut *self.connection, &mut self.heard, 4096).await;
            assert_ne!(read.unwrap(), 0, "the broker closed the connection");
        };
        let mut reader = Reader::new(&answer[4..]);
        ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version)).unwrap();
        reader.rest().to_vec()
    }
}
