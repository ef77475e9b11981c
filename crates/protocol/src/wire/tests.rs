//! Tests of the reader and the writer by themselves.

use super::{DecodeError, Reader, Uuid, Writer};

#[test]
fn uuids_read_as_kafka_shows_them() {
    let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
    assert_eq!(id.to_string(), "ASNFZ4mrze8AESIzRFVmdw");
    assert_eq!("ASNFZ4mrze8AESIzRFVmdw".parse(), Ok(id));
    assert_eq!(Uuid::ONE.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    assert!("ASNFZ4mrze8AESIzRFVmd!".parse::<Uuid>().is_err());
    assert!("short".parse::<Uuid>().is_err());
}

#[test]
fn varints_end_within_32_bits() {
    for value in [0, 1, 127, 128, 16383, 16384, u32::MAX] {
        let mut w = Writer::new();
        w.uvarint(value);
        assert_eq!(Reader::new(w.as_bytes()).uvarint(), Ok(value));
    }
    let long = DecodeError::OverlongVarint { at: 0 };
    assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).uvarint(), Err(long.clone()));
    assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]).uvarint(), Err(long));
    assert!(matches!(Reader::new(&[0x80]).uvarint(), Err(DecodeError::UnexpectedEnd { .. })));
}

#[test]
fn lengths_are_checked_before_anything_is_allocated() {
    let huge = [0x7f, 0xff, 0xff, 0xff, 1, 2];
    assert!(matches!(Reader::new(&huge).bytes(false), Err(DecodeError::InvalidLength { .. })));
    let array = Reader::new(&huge).array(false, 4, Reader::i32);
    assert!(matches!(array, Err(DecodeError::InvalidLength { .. })));
    let array = Reader::new(&[0, 0, 0, 2, 1, 2]).with_heap_budget(7).array(false, 1, |r| {
        r.i8()?;
        Ok(0u64)
    });
    assert_eq!(array, Err(DecodeError::HeapBudget { at: 4, wanted: 16, budget: 7 }));
    let negative = Reader::new(&[0xff, 0xfe]).opt_string(false, true);
    assert!(matches!(negative, Err(DecodeError::InvalidLength { length: -2, .. })));
    assert_eq!(Reader::new(&[0]).string(true), Err(DecodeError::NullNotAllowed { at: 1 }));
    assert_eq!(Reader::new(&[3, 0xc3, 0x28]).string(true), Err(DecodeError::InvalidUtf8 { at: 1 }));
}

#[test]
fn long_strings_are_cut_between_characters() {
    let mut w = Writer::new();
    w.string(true, &"ä".repeat(20_000));
    let text = Reader::new(w.as_bytes()).string(true).unwrap();
    assert_eq!(text.len(), 32_766);
}

#[test]
fn peek_reads_the_client_id_of_any_version() {
    let frame = [0, 18, 0x7f, 0xff, 0, 0, 0, 9, 0, 2, b'm', b'e', 0, 99, 98];
    let peek = super::frame::peek(&frame).unwrap();
    assert_eq!((peek.api_key, peek.api_version, peek.correlation_id), (18, 0x7fff, 9));
    assert_eq!(peek.client_id.as_deref(), Some("me"));
}
