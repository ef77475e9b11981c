//! The interop checks for `rdkafka`: librdkafka from Rust.
//!
//! The report on standard output is what the runner reads: `run NAME`, `ok NAME`, `FAIL NAME: reason`.

mod admin;
mod client;
mod groups;
mod records;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Bounds every wait for a state.
pub const WAIT: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    records::run().await;
    groups::run().await;
    admin::run().await;
}

/// Runs one check and reports it.
pub async fn check(name: &str, body: impl Future<Output = Result<()>>) {
    println!("run {name}");
    match body.await {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("FAIL {name}: {}", format!("{error:#}").replace('\n', " ")),
    }
}

/// Fails unless both are equal.
pub fn equal<T: PartialEq + std::fmt::Debug>(what: &str, want: T, got: T) -> Result<()> {
    if want != got {
        bail!("{what}: want {want:?}, got {got:?}");
    }
    Ok(())
}

/// Calls `state` until it is true: what an admin call changed is seen everywhere a little later.
pub async fn eventually(what: &str, mut state: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + WAIT;
    while !state().await? {
        if Instant::now() > end {
            bail!("not within {WAIT:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
