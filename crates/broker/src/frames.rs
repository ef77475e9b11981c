//! Cutting the stream of a connection into frames: four bytes of length, then so many bytes.
//!
//! Cost: bytes are read where they stay; only the part of a frame that came in with its
//! predecessor is moved when the buffer is full.

use bytes::{Buf, BytesMut};

/// Bytes read at once while small requests come in.
const READ_BYTES: usize = 64 * 1024;

/// A frame larger than this is read exactly, so that what follows it need not be moved.
const LARGE_BYTES: usize = 16 * 1024;

/// The fewest bytes a request has: key, version, correlation id.
const FRAME_BYTES_MIN: usize = 8;

/// An empty buffer larger than this is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Why the stream cannot be cut into requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a length of {0} bytes is impossible; {1}")]
    Length(i32, &'static str),
    #[error("a request of {size} bytes exceeds socket.request.max.bytes = {limit}; {guess}")]
    TooLarge { size: usize, limit: usize, guess: &'static str },
}

/// The bytes of a connection that are not yet requests.
#[derive(Debug)]
pub(crate) struct Frames {
    buf: BytesMut,
    limit: usize,
}

impl Frames {
    /// For requests of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buf: BytesMut::new(), limit }
    }

    /// The next whole frame, without its length.
    pub(crate) fn next(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(size) = self.size()? else { return Ok(None) };
        if self.buf.len() < 4 + size {
            return Ok(None);
        }
        self.buf.advance(4);
        Ok(Some(self.buf.split_to(size)))
    }

    /// The buffer to read into, with room, and how many bytes to read at most: never none, which
    /// would look like the end of the stream.
    pub(crate) fn room(&mut self) -> (&mut BytesMut, usize) {
        let missing = match self.large_frame() {
            Some(size) => 4 + size - self.buf.len(),
            None => READ_BYTES,
        };
        if self.buf.is_empty() && self.buf.capacity() > KEPT_BYTES_MAX {
            self.buf = BytesMut::new();
        }
        self.buf.reserve(missing);
        (&mut self.buf, missing)
    }

    /// The size of the frame that is coming in, if it is a large one and not yet whole.
    pub(crate) fn large_frame(&self) -> Option<usize> {
        let size = self.size().ok()??;
        (size > LARGE_BYTES && self.buf.len() < 4 + size).then_some(size)
    }

    /// Bytes waiting.
    pub(crate) fn len(&self) -> usize {
        self.buf.len()
    }

    /// Frees the memory of an idle connection.
    pub(crate) fn rest(&mut self) {
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
    }

    fn size(&self) -> Result<Option<usize>, FrameError> {
        let Some(length) = self.buf.first_chunk::<4>() else { return Ok(None) };
        let guess = guess(*length);
        let length = i32::from_be_bytes(*length);
        let size = usize::try_from(length).map_err(|_| FrameError::Length(length, guess))?;
        if size < FRAME_BYTES_MIN {
            return Err(FrameError::Length(length, guess));
        }
        if size > self.limit {
            return Err(FrameError::TooLarge { size, limit: self.limit, guess });
        }
        Ok(Some(size))
    }
}

/// What the other end probably speaks.
fn guess(start: [u8; 4]) -> &'static str {
    match &start {
        [0x16, 0x03, ..] => "this looks like TLS, which this listener does not speak",
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" | b"DELE" | b"PRI " => {
            "this looks like HTTP, which this listener does not speak"
        }
        _ => "this is not a Kafka client, or it speaks another security protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> String {
        let mut frames = Frames::new(1000);
        frames.room().0.extend_from_slice(bytes);
        match frames.next() {
            Ok(Some(frame)) => format!("{} bytes, {} left", frame.len(), frames.len()),
            Ok(None) => "more".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// What comes in behind a large frame that nobody has taken yet is read as well.
    #[test]
    fn there_is_room_behind_a_large_frame() {
        let mut frames = Frames::new(1 << 20);
        let size = LARGE_BYTES + 1;
        frames.room().0.extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
        assert_eq!(frames.room().1, size);
        frames.room().0.resize(4 + size, 0);
        assert_eq!(frames.room().1, READ_BYTES);
        assert_eq!(frames.next().unwrap().map(|frame| frame.len()), Some(size));
    }

    #[test]
    fn streams_are_cut_or_refused() {
        assert_eq!(check(&[0, 0]), "more");
        assert_eq!(check(b"\0\0\0\x08abcdefg"), "more");
        assert_eq!(check(b"\0\0\0\x08abcdefghij"), "8 bytes, 2 left");
        assert!(
            check(b"GET / HTTP/1.1")
                .contains("exceeds socket.request.max.bytes = 1000; this looks like HTTP")
        );
        assert!(check(&[0x16, 0x03, 1, 0, 5]).contains("looks like TLS"));
        assert!(check(&[0x7f, 0xff, 0xff, 0xff]).contains("2147483647 bytes exceeds"));
        assert!(check(&[0xff, 0xff, 0xff, 0xff]).contains("a length of -1 bytes"));
        assert!(check(&[0, 0, 0, 3, 1, 2, 3]).contains("a length of 3 bytes"));
    }
}
