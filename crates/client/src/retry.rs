//! When to try again: exponential backoff with jitter, until a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Client, ClientError};

/// The first pause (Kafka's `retry.backoff.ms`).
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest pause (Kafka's `retry.backoff.max.ms`).
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The attempts of one call.
pub(crate) struct Retry<'c> {
    client: &'c Client,
    deadline: Instant,
    pause: Duration,
}

impl<'c> Retry<'c> {
    pub(crate) fn new(client: &'c Client, within: Duration) -> Self {
        Self { client, deadline: Instant::now() + within, pause: BACKOFF }
    }

    /// Waits before the next attempt, with what is known of the cluster forgotten.
    ///
    /// # Errors
    /// The error itself, where another attempt would not help or comes too late.
    pub(crate) async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        if !error.is_retriable() || Instant::now() + self.pause > self.deadline {
            return Err(error);
        }
        tracing::debug!(%error, "trying again");
        self.client.forget();
        // A fifth more or less, so that clients which failed together do not return together.
        let micros = u64::try_from(self.pause.as_micros()).unwrap_or(u64::MAX);
        let jitter = self.client.random().below(micros * 2 / 5);
        sleep(Duration::from_micros(micros * 4 / 5 + jitter)).await;
        self.pause = (self.pause * 2).min(BACKOFF_MAX);
        Ok(())
    }
}
