//! Log lines on standard error, chosen by the variable `KLAMM_LOG`, and for a broker by its clients.

use std::io::IsTerminal;

use klamm_broker::Loggers;
use tracing_subscriber::EnvFilter;

/// Names what is logged, in the form `info` or `warn,klamm_broker=debug`.
const VARIABLE: &str = "KLAMM_LOG";

/// Starts logging: from `info` on for a broker, only warnings for other commands. Returns the levels
/// for the broker to change.
pub(crate) fn start(is_broker: bool) -> Loggers {
    let default = if is_broker { "info" } else { "warn" };
    let asked = std::env::var(VARIABLE).ok();
    let asked = asked.filter(|text| EnvFilter::try_new(text).is_ok());
    let directives = asked.unwrap_or_else(|| default.to_owned());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&directives))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter_reloading();
    let filter = builder.reload_handle();
    // Fails only where one was set before, which this process does not do.
    let _ = tracing::subscriber::set_global_default(builder.finish());
    let apply = move |directives: &str| {
        if let Err(error) = filter.reload(EnvFilter::new(directives)) {
            tracing::error!("what is logged stays as it is: {error}");
        }
    };
    Loggers::new(&directives, Box::new(apply))
}
