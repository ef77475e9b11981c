//! Log lines on standard error, chosen by the variable `KLAMM_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Names what is logged, in the form `info` or `warn,klamm_broker=debug`.
const VARIABLE: &str = "KLAMM_LOG";

/// Starts logging: from `info` on for a broker, only warnings for other commands.
pub(crate) fn start(is_broker: bool) {
    let default = if is_broker { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .finish();
    // Fails only where one was set before, which this process does not do.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
