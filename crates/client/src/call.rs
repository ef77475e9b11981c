//! An answer as it came, and how it is read.

use bytes::Bytes;
use klamm_protocol::{
    ApiKey,
    messages::ResponseHeader,
    wire::{DecodeError, Message, Reader},
};

use crate::ClientError;

/// The frame of an answer, with what is needed to read it.
#[derive(Debug)]
pub(crate) struct Reply {
    address: String,
    version: i16,
    api: ApiKey,
    frame: Bytes,
}

impl Reply {
    pub(crate) fn new(address: String, version: i16, api: ApiKey, frame: Bytes) -> Self {
        Self { address, version, api, frame }
    }

    /// The version that was spoken.
    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    /// The body, borrowed from the frame.
    pub(crate) fn decode<'b, M: Message<'b>>(&'b self) -> Result<M, ClientError> {
        self.decode_as(self.version)
    }

    /// The body in another version than the request's, which only ApiVersions does.
    pub(crate) fn decode_as<'b, M: Message<'b>>(&'b self, version: i16) -> Result<M, ClientError> {
        self.read(version)
            .map_err(|source| ClientError::Decode { address: self.address.clone(), source })
    }

    fn read<'b, M: Message<'b>>(&'b self, version: i16) -> Result<M, DecodeError> {
        let mut reader = Reader::new(&self.frame);
        ResponseHeader::decode(&mut reader, self.api.response_header_version(version))?;
        let body = M::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(body)
    }

    /// The number after a header of version 0: the error code of an ApiVersions answer.
    pub(crate) fn first_i16(&self) -> Option<i16> {
        let bytes = self.frame.get(4..)?.first_chunk()?;
        Some(i16::from_be_bytes(*bytes))
    }
}
