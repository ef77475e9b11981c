//! Feeds bytes to everything that reads records: as they are, and, where they could be a v2
//! batch, with a checksum and a length that fit, so that the checks beyond those are reached.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/records_exercise.rs"]
mod records_exercise;

fuzz_target!(|bytes: &[u8]| {
    records_exercise::exercise(bytes);
    if bytes.len() > 61 {
        let mut mended = bytes.to_vec();
        mended[8..12].copy_from_slice(&((bytes.len() - 12) as u32).to_be_bytes());
        mended[16] = 2;
        let crc = crc32c::crc32c(&mended[21..]);
        mended[17..21].copy_from_slice(&crc.to_be_bytes());
        records_exercise::exercise(&mended);
    }
});
