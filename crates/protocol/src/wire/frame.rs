//! Whole frames: a length of four bytes, a header, a body.

use std::borrow::Cow;

use super::{DecodeError, Message, Reader, Request, Writer};
use crate::ApiKey;
use crate::messages::{RequestHeader, ResponseHeader};

/// The one request whose header has no client id (header version 0).
const CONTROLLED_SHUTDOWN_V0: (i16, i16) = (7, 0);

/// What most answers fit into without growing.
const SMALL_BYTES: usize = 256;

/// What the start of a request's frame says, read without knowing the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek<'a> {
    /// The API key, which may be unknown here.
    pub api_key: i16,
    /// The version of the request, which may be unsupported here.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<Cow<'a, str>>,
}

/// Reads the fields that every request header has had since Kafka 0.8: also for an unknown key or
/// version, so that a broker can answer ApiVersions of any version (KIP-511) and log the others.
///
/// `frame` is the frame without its length.
///
/// # Errors
/// Any [`DecodeError`] of a frame that is too short or whose client id is no string.
pub fn peek(frame: &[u8]) -> Result<Peek<'_>, DecodeError> {
    let mut r = Reader::new(frame);
    let (api_key, api_version, correlation_id) = (r.i16()?, r.i16()?, r.i32()?);
    // Never compact, not even in the flexible header, for exactly this purpose.
    let client_id = match (api_key, api_version) {
        CONTROLLED_SHUTDOWN_V0 => None,
        _ => r.opt_string(false, true)?,
    };
    Ok(Peek { api_key, api_version, correlation_id, client_id })
}

/// Reads a request's header and leaves the reader at the body.
///
/// # Errors
/// [`DecodeError::UnknownType`] for an API key that Klamm does not know, and those of the header.
pub fn request_header<'a>(
    frame: &'a [u8],
) -> Result<(ApiKey, RequestHeader<'a>, Reader<'a>), DecodeError> {
    let number = Reader::new(frame).i16()?;
    let version = Reader::new(frame.get(2..).unwrap_or_default()).i16()?;
    let unknown = DecodeError::UnknownType { what: "API key", number: i64::from(number) };
    let key = ApiKey::from_i16(number).ok_or(unknown)?;
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader, key.request_header_version(version))?;
    Ok((key, header, reader))
}

/// The frame of a response, with its length. External records are counted in the length and left
/// as holes.
pub fn response<'b>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &impl Message<'b>,
) -> Writer {
    response_into(Vec::with_capacity(SMALL_BYTES), key, version, correlation_id, body)
}

/// As [`response`], into a buffer that was used before; what is in it is thrown away.
pub fn response_into<'b>(
    mut buf: Vec<u8>,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &impl Message<'b>,
) -> Writer {
    buf.clear();
    let header = ResponseHeader { correlation_id, ..ResponseHeader::default() };
    framed(buf, |w| {
        header.encode(w, key.response_header_version(version));
        body.encode(w, version);
    })
}

/// The frame of a request, with its length.
pub fn request<'a, R: Request<'a>>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &R,
) -> Writer {
    let header = RequestHeader {
        request_api_key: R::KEY as i16,
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(Cow::Borrowed),
        unknown_tagged_fields: Vec::new(),
    };
    framed(Vec::new(), |w| {
        header.encode(w, R::KEY.request_header_version(version));
        body.encode(w, version);
    })
}

/// Puts the length in front of what `write` writes.
fn framed(buf: Vec<u8>, write: impl FnOnce(&mut Writer)) -> Writer {
    let mut w = Writer::from_buf(buf);
    w.i32(0);
    write(&mut w);
    let len = w.wire_len() - 4;
    w.patch_i32(0, i32::try_from(len).unwrap_or(i32::MAX));
    w
}
