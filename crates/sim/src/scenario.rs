//! The course of a run: set up, let everybody do as they please, end the faults, verify twice with
//! a death in between.

use std::sync::Arc;

use crate::{
    Options, Outcome,
    actors::{self, admin, operator},
    machine::Machine,
    verify,
    world::World,
};

pub(crate) async fn run(seed: u64, options: &Options) -> Outcome {
    let world = Arc::new(World::new(seed, options.keep_trace));
    world.note("plan", &format!("{:?}", world.plan));
    let mut machine = Machine::new(&world);
    match machine.start().await {
        Ok(()) => play(&world, &mut machine).await,
        Err(error) => world.oracle().not_served(format!("the first start: {error}")),
    }
    outcome(&world)
}

async fn play(world: &Arc<World>, machine: &mut Machine) {
    if !admin::set_up(world).await {
        world.oracle().not_served("nothing could be set up".to_owned());
        return;
    }
    let clients = actors::start(world);
    operator::operate(world, machine).await;
    world.end();
    for client in clients {
        // One that panicked is in the oracle's list of panics.
        drop(client.await);
    }
    if world.plan.expires {
        operator::heal(world);
        verify::linger(world).await;
    }
    let random = world.random("end");
    for round in 1..=2 {
        operator::heal(world);
        machine.end(operator::any_death(&random)).await;
        if let Err(error) = machine.start().await {
            world.oracle().not_served(format!("start before verification {round}: {error}"));
            return;
        }
        verify::verify(world, round).await;
        if !world.oracle().violations.is_empty() {
            return;
        }
    }
}

fn outcome(world: &World) -> Outcome {
    let mut oracle = world.oracle();
    oracle.take_panics();
    let violations = std::mem::take(&mut oracle.violations);
    drop(oracle);
    for violation in &violations {
        world.note("oracle", &violation.to_string());
    }
    let mut stats = *world.stats();
    stats.virtual_ms = u64::try_from(world.elapsed_ms()).unwrap_or(0);
    let mut trace = world.trace();
    Outcome {
        seed: world.seed,
        trace_hash: trace.hash(),
        trace_len: trace.count(),
        trace: trace.take_lines(),
        stats,
        versions: world.asked.lock().clone(),
        violations,
    }
}
