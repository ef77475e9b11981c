//! One request and its answer, independent of the API.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use klamm_env::net::{BoxFuture, Piece, SendQueue};
use klamm_protocol::{
    ApiKey,
    wire::{DecodeError, Message, Reader, Request as WireRequest, frame},
};
use smallvec::SmallVec;

/// A request as it came in: the frame, and what its header says.
#[derive(Debug)]
pub(crate) struct Request {
    frame: BytesMut,
    body_at: usize,
    client_id: Range<usize>,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl Request {
    /// Reads the header of a frame (without its length).
    pub(crate) fn parse(frame: BytesMut) -> Result<Self, DecodeError> {
        let (key, header, rest) = frame::request_header(&frame)?;
        let body_at = rest.position();
        let client_id = header.client_id.as_deref().map_or(0..0, |id| within(&frame, id));
        let (version, correlation_id) = (header.request_api_version, header.correlation_id);
        Ok(Self { body_at, client_id, key, version, correlation_id, frame })
    }

    /// Decodes the body. Bytes after its end are ignored, as by Kafka: librdkafka's request for the
    /// metadata of all topics has some.
    pub(crate) fn body<'a, R: WireRequest<'a>>(&'a self) -> Result<R, DecodeError> {
        let mut reader = Reader::new(&self.frame[self.body_at..]);
        R::decode(&mut reader, self.version)
    }

    /// Bytes of the frame, without its length.
    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    /// The client's name for itself.
    pub(crate) fn client_id(&self) -> &str {
        std::str::from_utf8(&self.frame[self.client_id.clone()]).unwrap_or_default()
    }

    /// Where in the frame a part of the decoded body stands.
    pub(crate) fn range_of(&self, part: &[u8]) -> Range<usize> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.frame.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        if end <= self.frame.len() && start <= end { start..end } else { 0..0 }
    }

    /// A part of the frame, to be changed in place.
    pub(crate) fn part_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        self.frame.get_mut(range).unwrap_or_default()
    }

    /// The answer with this body.
    pub(crate) fn answer<'b>(&self, body: &impl Message<'b>) -> Answer {
        Answer::Send(Response::of(self.key, self.version, self.correlation_id, body, []))
    }

    /// What an answer needs to know of its request, to outlive it.
    pub(crate) fn envelope(&self) -> Envelope {
        Envelope { key: self.key, version: self.version, correlation_id: self.correlation_id }
    }
}

fn within(frame: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - frame.as_ptr() as usize;
    start..start + part.len()
}

/// What an answer needs to know of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl Envelope {
    /// The answer with this body.
    pub(crate) fn answer<'b>(&self, body: &impl Message<'b>) -> Answer {
        self.answer_with(body, [])
    }

    /// The answer with this body and, for its external records in order, these pieces.
    pub(crate) fn answer_with<'b>(
        &self,
        body: &impl Message<'b>,
        records: impl IntoIterator<Item = Piece>,
    ) -> Answer {
        Answer::Send(Response::of(self.key, self.version, self.correlation_id, body, records))
    }
}

/// An encoded answer, in pieces around the records.
#[derive(Debug)]
pub(crate) struct Response {
    pieces: SmallVec<[Piece; 3]>,
    /// The error codes in it, for those who count them.
    pub(crate) errors: Vec<i16>,
}

impl Response {
    fn of<'b>(
        key: ApiKey,
        version: i16,
        correlation_id: i32,
        body: &impl Message<'b>,
        records: impl IntoIterator<Item = Piece>,
    ) -> Self {
        let (buf, holes) = frame::response(key, version, correlation_id, body).into_parts();
        let mut rest = Bytes::from(buf);
        let mut taken = 0;
        let mut pieces = SmallVec::new();
        for (hole, piece) in holes.iter().zip(records) {
            pieces.push(Piece::Bytes(rest.split_to(hole.at - taken)));
            taken = hole.at;
            pieces.push(piece);
        }
        pieces.push(Piece::Bytes(rest));
        let mut errors = Vec::new();
        body.errors(&mut |code| errors.push(code));
        Self { pieces, errors }
    }

    /// Writes the throttle time into the frame, if it is not larger already.
    fn throttle(&mut self, at: ThrottleAt, throttle_ms: i32) {
        let piece = match at {
            ThrottleAt::Head(_) => self.pieces.first_mut(),
            ThrottleAt::End(_) => self.pieces.last_mut(),
        };
        let Some(Piece::Bytes(bytes)) = piece else { return };
        let mut copy = BytesMut::from(&bytes[..]);
        let at = match at {
            ThrottleAt::Head(at) => at,
            ThrottleAt::End(before) => copy.len().saturating_sub(before),
        };
        let Some(place) = copy.get_mut(at..at + 4) else { return };
        let before = i32::from_be_bytes([place[0], place[1], place[2], place[3]]);
        place.copy_from_slice(&throttle_ms.max(before).to_be_bytes());
        *bytes = copy.freeze();
    }

    /// Queues it for sending.
    pub(crate) fn queue(self, queue: &mut SendQueue) {
        for piece in self.pieces {
            queue.push(piece);
        }
    }
}

/// Where the throttle time is in the frame of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ThrottleAt {
    /// So many bytes after its beginning, in front of all records.
    Head(usize),
    /// So many bytes before its end, behind all records.
    End(usize),
}

/// What is to be done with the connection about a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Send this.
    Send(Response),
    /// Send nothing (acks=0).
    Silent,
    /// Close the connection, for this reason.
    Close(String),
}

impl Answer {
    /// The answer with a throttle time at this place of its frame.
    pub(crate) fn throttled(mut self, at: ThrottleAt, throttle_ms: i32) -> Self {
        if let Self::Send(response) = &mut self {
            response.throttle(at, throttle_ms);
        }
        self
    }
}

/// The result of handling a request.
pub(crate) enum Outcome {
    /// It is done.
    Now(Answer),
    /// It waits for something. The next request on the connection is looked at only afterwards.
    Later(BoxFuture<'static, Answer>),
    /// As `Later`, but a further request of the same kind may be handled in the meantime.
    Pipelined(BoxFuture<'static, Answer>),
}

impl From<DecodeError> for Outcome {
    fn from(error: DecodeError) -> Self {
        Self::Now(Answer::Close(format!("malformed request: {error}")))
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now(answer) => answer.fmt(f),
            Self::Later(_) => f.write_str("Later"),
            Self::Pipelined(_) => f.write_str("Pipelined"),
        }
    }
}
