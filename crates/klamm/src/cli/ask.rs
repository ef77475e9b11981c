//! The question before something that cannot be undone.

use std::io::{BufRead, IsTerminal, Write};

use super::error::CliError;

/// Goes on if `yes`, or if a person at the terminal agrees.
///
/// # Errors
/// `NotConfirmed` where the person does not agree, or there is none to ask.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let (mut stderr, stdin) = (std::io::stderr(), std::io::stdin());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(CliError::NotConfirmed(format!("{question} Nobody is there to confirm it.")));
    }
    write!(stderr, "{question} [y/N] ").map_err(CliError::io("terminal"))?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(CliError::io("terminal"))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::NotConfirmed("not confirmed, nothing was changed".to_owned())),
    }
}
