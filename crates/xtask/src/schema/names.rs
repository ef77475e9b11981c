//! Names: Kafka writes `MaxWaitMs`, the schema and Rust write `max_wait_ms`.

/// `PascalCase` or `camelCase` to `snake_case`; a run of capitals is one word.
pub(crate) fn snake_case(name: &str) -> String {
    let name = name.replace("KRaft", "Kraft").replace("2Pc", "_2pc");
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let after_lower = i > 0 && !chars[i - 1].is_uppercase() && chars[i - 1] != '_';
        let ends_run = i > 0 && chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        if c.is_uppercase() && (after_lower || ends_run) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// The field's name in Rust: words that Rust keeps for itself get an underscore.
pub(crate) fn rust_field(name: &str) -> String {
    match name {
        "type" | "match" | "ref" | "move" | "where" | "use" | "loop" | "in" | "impl" => {
            format!("{name}_")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn names_become_snake_case() {
        for (kafka, ours) in [
            ("MaxWaitMs", "max_wait_ms"),
            ("errorCode", "error_code"),
            ("ISR", "isr"),
            ("KRaftVersionRecord", "kraft_version_record"),
            ("Enable2Pc", "enable_2pc"),
            ("V3AndBelowTransactionalId", "v3_and_below_transactional_id"),
        ] {
            assert_eq!(snake_case(kafka), ours);
        }
    }
}
