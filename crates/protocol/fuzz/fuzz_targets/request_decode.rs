//! Feeds frames to the decoder of every API. What it accepts must survive being written and read
//! again, and a broker must be able to answer it.

#![no_main]

use klamm_protocol::ApiKey;
use klamm_protocol::messages;
use klamm_protocol::wire::{Message, Reader, frame};
use libfuzzer_sys::fuzz_target;

fn exercise<'a, M: Message<'a> + PartialEq + std::fmt::Debug>(
    mut body: Reader<'a>,
    version: i16,
    scratch: &'a mut Vec<u8>,
) {
    let Ok(request) = M::decode(&mut body, version) else { return };
    *scratch = request.to_bytes(version);
    let again = M::decode_exact(scratch, version);
    // Numbers that are not equal to themselves are the one exception.
    assert!(again.as_ref() == Ok(&request) || format!("{again:?}").contains("NaN"));
}

macro_rules! dispatch {
    ($(($api:ident, $request:ident, $response:ident))*) => {
        fn dispatch(key: ApiKey, body: Reader<'_>, version: i16) {
            let mut scratch = Vec::new();
            match key {
                $(ApiKey::$api => exercise::<messages::$request>(body, version, &mut scratch),)*
            }
        }
    };
}

klamm_protocol::for_each_api!(dispatch);

fuzz_target!(|bytes: &[u8]| {
    let peek = frame::peek(bytes);
    if let Ok((key, header, body)) = frame::request_header(bytes) {
        let peek = peek.expect("a header that is read whole can be peeked at");
        assert_eq!((peek.api_key, peek.correlation_id), (key as i16, header.correlation_id));
        dispatch(key, body, header.request_api_version);
    }
});
