//! `messages/mod.rs`: the list of all messages.

use std::fmt::Write as _;

use super::types::module;
use crate::schema::{Kind, MessageSpec};

/// The file. `helpers` are the generated modules that are not a message.
pub(crate) fn render(messages: &[&MessageSpec], helpers: &[&str]) -> String {
    let mut names: Vec<(String, &str)> =
        messages.iter().map(|m| (module(&m.name), m.name.as_str())).collect();
    names.sort();
    let mut modules: Vec<&str> = names.iter().map(|(module, _)| module.as_str()).collect();
    modules.extend(helpers);
    modules.sort_unstable();
    let mut out = String::from(
        "//! Every message of the protocol and every record of Kafka's internal topics, one module\n\
         //! each, with the main struct of each module here.\n\n",
    );
    for name in modules {
        let _ = writeln!(out, "pub mod {name};");
    }
    out.push('\n');
    for (module, name) in &names {
        let _ = writeln!(out, "pub use {module}::{name};");
    }
    out.push_str(&api_macro(messages));
    out.push_str(&message_macro(&names));
    out
}

fn api_macro(messages: &[&MessageSpec]) -> String {
    let mut out = String::from(
        "\n/// Calls the macro `$apply` with `(Api, Request, Response)` of every API, in the order of their\n\
         /// keys. Types are in `klamm_protocol::messages`.\n\
         #[macro_export]\nmacro_rules! for_each_api {\n    ($apply:ident) => {\n        $apply! {\n",
    );
    for message in messages.iter().filter(|m| m.kind == Kind::Request) {
        let api = message.name.trim_end_matches("Request");
        let _ = writeln!(out, "            ({api}, {api}Request, {api}Response)");
    }
    out.push_str("        }\n    };\n}\n");
    out
}

fn message_macro(names: &[(String, &str)]) -> String {
    let mut out = String::from(
        "\n/// Calls the macro `$apply` with the type of every message and record.\n\
         #[macro_export]\nmacro_rules! for_each_message {\n    ($apply:ident) => {\n        $apply! {\n",
    );
    for (_, name) in names {
        let _ = writeln!(out, "            {name}");
    }
    out.push_str("        }\n    };\n}\n");
    out
}
