//! Subscriptions by regular expression, in the syntax of RE2 (KIP-848).
//!
//! The crate `regex` has RE2's guarantees and nearly its syntax. What RE2 reads otherwise is
//! rewritten: `\Q...\E`, and in character classes a `[` or a doubled `&`, `-` or `~`, which stand
//! for themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use regex::{Regex, RegexBuilder};

use super::Refusal;
use crate::name::Name;

/// Memory that one compiled pattern may take; RE2 has a bound of the same kind.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A pattern that can be matched with whole topic names.
///
/// # Errors
/// INVALID_REGULAR_EXPRESSION, with the reason.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Refusal> {
    let anchored = format!(r"\A(?:{})\z", rewritten(pattern));
    // The pattern must be whole by itself: `a)(b` would be within the anchors.
    let alone = RegexBuilder::new(&rewritten(pattern)).size_limit(COMPILED_BYTES_MAX).build();
    let whole =
        alone.and_then(|_| RegexBuilder::new(&anchored).size_limit(COMPILED_BYTES_MAX).build());
    whole.map_err(|error| {
        let reason = reason(&error);
        let text = format!(
            "SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}."
        );
        Refusal::new(ErrorCode::InvalidRegularExpression, text)
    })
}

/// The topics whose names match as a whole; none if the pattern is not one.
pub(crate) fn matching(image: &Image, pattern: &str) -> BTreeSet<Name> {
    let Ok(regex) = compile(pattern) else { return BTreeSet::new() };
    let names = image.topics().map(|topic| &topic.name);
    names.filter(|name| regex.is_match(name)).map(Arc::clone).collect()
}

/// The last line of a syntax error, which says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The pattern as the crate reads it.
fn rewritten(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut class = None;
    while let Some(c) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix(r"\Q") {
            let (literal, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            out += &regex::escape(literal);
            rest = after;
            continue;
        }
        let mut taken = c.len_utf8();
        match (c, &mut class) {
            ('\\', _) => {
                taken += rest[1..].chars().next().map_or(0, char::len_utf8);
                out += &rest[..taken];
                if let Some(length) = &mut class {
                    *length += 1;
                }
            }
            ('[', None) => {
                out.push('[');
                if rest[1..].starts_with('^') {
                    out.push('^');
                    taken += 1;
                }
                class = Some(0);
            }
            ('[', Some(_)) if rest.starts_with("[:") && rest.contains(":]") => {
                taken = rest.find(":]").map_or(1, |at| at + 2);
                out += &rest[..taken];
            }
            // A `]` that comes first stands for itself.
            (']', Some(length)) if *length > 0 => {
                out.push(']');
                class = None;
            }
            ('[' | ']' | '&' | '~', Some(length)) => {
                out.push('\\');
                out.push(c);
                *length += 1;
            }
            ('-', Some(length)) if rest.starts_with("--") => {
                out += r"\-";
                *length += 1;
            }
            (_, open) => {
                out.push(c);
                if let Some(length) = open {
                    *length += 1;
                }
            }
        }
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, names: &[&str], others: &[&str]) {
        let regex = compile(pattern).unwrap();
        for name in names {
            assert!(regex.is_match(name), "{pattern} matches {name}");
        }
        for name in others {
            assert!(!regex.is_match(name), "{pattern} does not match {name}");
        }
    }

    #[test]
    fn patterns_match_whole_names_in_the_syntax_of_re2() {
        check("foo.*", &["foo", "foobar"], &["afoo"]);
        check("foo|bar", &["foo", "bar"], &["foobar", "fooar"]);
        check("", &[""], &["a"]);
        check(r"\Qa.b\E-[0-9]+", &["a.b-1"], &["axb-1"]);
        check("[[a]", &["[", "a"], &["b"]);
        check("[]a]+", &["]a"], &["b"]);
        check("[a&&b]", &["a", "b", "&"], &["ab"]);
        check("[[:digit:]x]+", &["12x"], &["y", ":"]);
        check("(?i)TOPIC-[a-c]", &["topic-B"], &["topic-d"]);
        check(r"[\w.-]+", &["a.b-c_d"], &["a b"]);
    }

    #[test]
    fn a_bad_pattern_is_told_with_its_reason() {
        for pattern in ["[", "a)(b", "(", "*a", "a{2000}{2000}", r"\8", "(?=a)"] {
            let refusal = compile(pattern).unwrap_err();
            assert_eq!(refusal.error, ErrorCode::InvalidRegularExpression);
            let begin = format!("SubscribedTopicRegex `{pattern}` is not a valid");
            assert!(refusal.text.starts_with(&begin), "{}", refusal.text);
        }
    }
}
