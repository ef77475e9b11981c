//! Consumer groups (KIP-848).

mod durability;
mod many;
mod membership;
mod migration;
mod offsets;
mod statics;
mod subscriptions;
