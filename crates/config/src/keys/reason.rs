//! Why some keys are accepted without an effect.

pub(super) const ONE_NODE: &str = "It takes effect with several brokers; a cluster has one node.";
pub(super) const TIERING: &str = "There is no tiered storage.";
pub(super) const SECURITY: &str = "Listeners speak PLAINTEXT only.";
pub(super) const ONE_ASSIGNOR: &str = "Share groups have one assignor, `simple`.";
pub(super) const METRICS: &str = "Metrics are not sampled.";
pub(super) const RUNTIME: &str = "One pool of threads does all work: `klamm.worker.threads`.";
pub(super) const INLINE: &str =
    "Requests are handled where they are read; `queued.max.request.bytes` bounds those that wait.";
pub(super) const SNAPSHOTS: &str =
    "The metadata log begins segments by size, and what a snapshot replaces is deleted at once.";
pub(super) const NATIVE: &str = "Klamm has no such part.";
