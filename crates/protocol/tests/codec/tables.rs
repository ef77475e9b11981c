//! The tables of APIs and error codes.

use klamm_protocol::wire::{Listener, Message, Request, VersionRange};
use klamm_protocol::{ApiKey, ErrorCode, messages};

macro_rules! check_apis {
    ($(($api:ident, $request:ident, $response:ident))*) => {
        #[test]
        fn requests_and_keys_agree() {
            $(
                let key = <messages::$request as Request>::KEY;
                assert_eq!((key, key.name()), (ApiKey::$api, stringify!($api)));
                assert_eq!(key.versions(), messages::$request::VERSIONS);
                assert_eq!(key.versions(), messages::$response::VERSIONS);
                assert_eq!(key.stable_versions(), messages::$request::STABLE_VERSIONS);
                assert_eq!(key.stable_versions(), messages::$response::STABLE_VERSIONS);
                assert_eq!(messages::$request::FLEXIBLE_FROM, messages::$response::FLEXIBLE_FROM);
                for v in key.versions().iter() {
                    let flexible = messages::$request::FLEXIBLE_FROM.is_some_and(|from| v >= from);
                    assert_eq!(key.request_header_version(v) == 2, flexible);
                }
            )*
        }
    };
}

klamm_protocol::for_each_api!(check_apis);

#[test]
fn keys_are_found_by_number() {
    for key in ApiKey::iter() {
        assert_eq!(ApiKey::from_i16(key as i16), Some(key));
        assert!(!key.listeners().is_empty(), "{key} is nowhere");
    }
    for gone in [-1, 4, 5, 6, 7, 93, i16::MAX] {
        assert_eq!(ApiKey::from_i16(gone), None);
    }
    assert_eq!(ApiKey::ALL.len(), 89);
    assert_eq!(ApiKey::Vote.listeners(), [Listener::Controller]);
}

#[test]
fn only_what_kafka_marks_is_unstable() {
    let unstable: Vec<_> =
        ApiKey::iter().filter(|key| key.stable_versions() != key.versions()).collect();
    assert_eq!(unstable, [ApiKey::InitProducerId]);
    assert_eq!(ApiKey::InitProducerId.stable_versions(), VersionRange::new(0, 5));
    assert_eq!(ApiKey::InitProducerId.versions(), VersionRange::new(0, 6));
}

#[test]
fn the_header_of_an_api_versions_response_never_grows() {
    for version in 0..=5 {
        assert_eq!(ApiKey::ApiVersions.response_header_version(version), 0);
    }
    assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
    assert_eq!(ApiKey::ApiVersions.request_header_version(99), 2);
    assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
}

#[test]
fn error_codes_are_complete() {
    let codes: Vec<i16> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(codes, (-1..=133).collect::<Vec<i16>>());
    for &code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(code.code()), Some(code));
        let words = format!("{code:?}");
        let joined: String = code.name().split('_').flat_map(capitalised).collect();
        assert_eq!(joined, words);
        assert!(code.message().ends_with('.'));
    }
    assert_eq!(ErrorCode::from_code(134), None);
    assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
    assert!(!ErrorCode::MessageTooLarge.is_retriable());
}

fn capitalised(word: &str) -> impl Iterator<Item = char> {
    word.chars().take(1).chain(word.chars().skip(1).map(|c| c.to_ascii_lowercase()))
}
