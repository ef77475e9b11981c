//! `KEY=VALUE` on the command line.

/// Splits at the first equals sign.
///
/// # Errors
/// A text for the user where there is none, or no key before it.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}
