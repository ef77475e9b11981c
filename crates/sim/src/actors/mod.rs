//! Everybody who does something at random while a run goes on.

pub(crate) mod admin;
mod committer;
mod consumer;
pub(crate) mod keeper;
mod member;
mod metered;
mod modern_member;
pub(crate) mod operator;
mod pipeline;
mod producer;
pub(crate) mod sharer;
mod streams_member;
pub(crate) mod transactor;

pub(crate) use member::GROUP;
pub(crate) use metered::PARTITIONS as METERED_PARTITIONS;
pub(crate) use modern_member::GROUP as MODERN_GROUP;

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::world::World;

/// Starts all clients; they end some time after [`World::end`].
pub(crate) fn start(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let plan = &world.plan;
    let mut clients = vec![tokio::spawn(admin::administer(Arc::clone(world)))];
    for at in 0..plan.plain_producers {
        clients.push(tokio::spawn(producer::plain(Arc::clone(world), format!("plain-{at}"))));
    }
    for at in 0..plan.idempotent_producers {
        let name = format!("idempotent-{at}");
        clients.push(tokio::spawn(producer::idempotent(Arc::clone(world), name)));
    }
    for at in 0..plan.pipelines {
        let name = format!("ahead-{at}");
        clients.push(tokio::spawn(pipeline::produce_ahead(Arc::clone(world), name)));
    }
    for at in 0..plan.consumers {
        clients.push(tokio::spawn(consumer::consume(Arc::clone(world), format!("consumer-{at}"))));
    }
    for at in 0..plan.committers {
        let name = format!("committer-{at}");
        clients.push(tokio::spawn(committer::keep_committing(Arc::clone(world), name)));
    }
    if plan.keeps {
        clients.push(tokio::spawn(keeper::keep(Arc::clone(world), "keeper".to_owned())));
    }
    for (count, kind) in [(plan.members, "member"), (plan.static_members, "static")] {
        for at in 0..count {
            let name = format!("{kind}-{at}");
            clients.push(tokio::spawn(member::take_part(
                Arc::clone(world),
                name,
                kind == "static",
            )));
        }
    }
    for at in 0..plan.transactors {
        let name = format!("transactor-{at}");
        clients.push(tokio::spawn(transactor::transact(Arc::clone(world), name)));
    }
    if plan.transactors > 0 {
        let name = "committed-reader".to_owned();
        clients.push(tokio::spawn(transactor::watch(Arc::clone(world), name)));
    }
    for (count, kind) in [(plan.modern_members, "modern"), (plan.modern_statics, "stable")] {
        for at in 0..count {
            let (world, name) = (Arc::clone(world), format!("{kind}-{at}"));
            let is_static = kind == "stable";
            clients.push(tokio::spawn(modern_member::take_part(world, name, is_static)));
        }
    }
    if plan.metered > 0 {
        clients.push(tokio::spawn(metered::set_quotas(Arc::clone(world))));
    }
    for number in 0..plan.metered {
        clients.push(tokio::spawn(metered::use_quotas(Arc::clone(world), number)));
    }
    let read_by_streams = world.topics.lock().keys().next().cloned().unwrap_or_default();
    for number in 0..plan.streams_members {
        let (world, topic) = (Arc::clone(world), read_by_streams.clone());
        clients.push(tokio::spawn(streams_member::take_part(world, number, topic)));
    }
    if plan.sharers > 0 {
        let name = "share-producer".to_owned();
        clients.push(tokio::spawn(sharer::produce(Arc::clone(world), name)));
    }
    for at in 0..plan.sharers {
        let name = format!("sharer-{at}");
        clients.push(tokio::spawn(sharer::take_part(Arc::clone(world), name)));
    }
    clients
}
