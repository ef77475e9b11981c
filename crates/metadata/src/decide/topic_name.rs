//! Which topic names are allowed.

use klamm_protocol::ErrorCode;

use super::Refusal;

/// The longest topic name: with a partition number it still is a file name everywhere.
const NAME_LEN_MAX: usize = 249;

/// Checks the characters and the length of a topic name.
///
/// # Errors
/// `INVALID_TOPIC_EXCEPTION` with Kafka's text.
pub fn validate_topic_name(name: &str) -> Result<(), Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        // Kafka counts UTF-16 units.
        name if name.encode_utf16().count() > NAME_LEN_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {NAME_LEN_MAX}")
        }
        name if !name.chars().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        ),
        _ => return Ok(()),
    };
    let text = format!("Topic name is invalid: {reason}");
    Err(Refusal::new(ErrorCode::InvalidTopicException, text))
}
