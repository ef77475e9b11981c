//! The operator: lets the machine fail in all ways, and starts the broker again.

use klamm_env::{
    Random,
    virt::{DiskFault, LinkFaults},
};

use crate::{
    disk::DirFault,
    machine::{Death, FIRM_DIR, FRAIL_DIR, Machine},
    plan::{Event, choose},
    verify,
    world::World,
};

/// The longest that a fault of the disk lasts, milliseconds.
const FAULT_MS_MAX: u64 = 3_000;

/// How long it may take until it shows that a fault was too much, milliseconds.
const SETTLE_MS: u64 = 1_000;

/// Lets events happen until the time is up.
pub(crate) async fn operate(world: &World, machine: &mut Machine) {
    let random = world.random("operator");
    let end_ms = i64::try_from(world.plan.duration_ms).unwrap_or(0);
    while world.elapsed_ms() < end_ms && world.oracle().violations.is_empty() {
        world.pause(&random, world.plan.event_pause_ms).await;
        let Some(event) = choose(&random, &world.plan.events) else { continue };
        match event {
            Event::PowerLoss => revive(world, machine, Death::PowerLoss, &random).await,
            Event::Kill => revive(world, machine, Death::Kill, &random).await,
            Event::Restart => revive(world, machine, Death::Stop, &random).await,
            Event::Full => {
                fail_disk(world, machine, DiskFault::Full, &random).await;
                verify::writable(world).await;
            }
            Event::Stall => {
                let fault = DiskFault::Stall(1 + random.below(400));
                fail_disk(world, machine, fault, &random).await;
                verify::writable(world).await;
            }
            Event::Broken => {
                machine.had_broken_dir = true;
                *world.broken.lock() = Some(FRAIL_DIR.to_owned());
                let fault = DiskFault::Broken(FRAIL_DIR.into());
                fail_disk(world, machine, fault, &random).await;
                heal_disk(world);
                revive(world, machine, any_death(&random), &random).await;
            }
            Event::Metadata => fail_metadata(world, machine, &random).await,
            Event::Links => worsen_links(world, &random),
            Event::Fill => {
                fill_volume(world, machine, &random).await;
                verify::writable(world).await;
            }
        }
    }
}

/// Any way to end.
pub(crate) fn any_death(random: &Random) -> Death {
    match random.below(3) {
        0 => Death::PowerLoss,
        1 => Death::Kill,
        _ => Death::Stop,
    }
}

/// Lets the metadata's directory be at fault, half the time while the disk misbehaves as well.
async fn fail_metadata(world: &World, machine: &mut Machine, random: &Random) {
    let fault = if random.chance(1, 2) { DirFault::Broken } else { DirFault::Full };
    world.note("operator", &format!("metadata: {fault:?}"));
    world.metadata.set(Some(fault));
    world.fault_changes();
    let other = match random.below(6) {
        0 => DiskFault::Full,
        1 => DiskFault::Stall(1 + random.below(400)),
        2 => {
            machine.had_broken_dir = true;
            *world.broken.lock() = Some(FRAIL_DIR.to_owned());
            DiskFault::Broken(FRAIL_DIR.into())
        }
        _ => DiskFault::None,
    };
    let must_restart = matches!(other, DiskFault::Broken(_));
    fail_disk(world, machine, other, random).await;
    if must_restart {
        revive(world, machine, any_death(random), random).await;
    }
    stop_if_failed(world, machine, random, SETTLE_MS).await;
    verify::writable(world).await;
}

/// Lets the disk misbehave for a while, in which the broker may also die.
async fn fail_disk(world: &World, machine: &mut Machine, fault: DiskFault, random: &Random) {
    world.note("operator", &format!("disk: {fault:?}"));
    world.disk.set_fault(fault);
    world.fault_changes();
    world.oracle().disturbed = true;
    stop_if_failed(world, machine, random, FAULT_MS_MAX).await;
    if random.chance(1, 4) {
        revive(world, machine, any_death(random), random).await;
        stop_if_failed(world, machine, random, FAULT_MS_MAX).await;
    }
    heal_disk(world);
}

/// Makes the volume of a directory small for a while: what is there is most of it.
async fn fill_volume(world: &World, machine: &mut Machine, random: &Random) {
    let dir = if random.chance(2, 3) { FRAIL_DIR } else { FIRM_DIR };
    let percent = 70 + random.below(30);
    let used = world.disk.used_below(dir.as_ref());
    world.note("operator", &format!("{dir} is {percent} % full"));
    world.disk.set_volume(dir.as_ref(), Some(used * 100 / percent));
    world.fill(true);
    world.fault_changes();
    world.oracle().disturbed = true;
    stop_if_failed(world, machine, random, FAULT_MS_MAX).await;
    if random.chance(1, 4) {
        revive(world, machine, any_death(random), random).await;
        world.oracle().disturbed = true;
    }
    heal_disk(world);
}

/// Waits up to so many milliseconds. A broker that cannot go on says why, and stops as the program
/// around it would stop it; then it is started again.
async fn stop_if_failed(world: &World, machine: &mut Machine, random: &Random, most_ms: u64) {
    let reason = tokio::select! {
        biased;
        reason = machine.failed() => reason,
        () = world.pause(random, most_ms) => return,
    };
    world.note("operator", &format!("it cannot go on: {reason}"));
    if reason.is_empty() {
        world.oracle().not_served("it stops without a reason".to_owned());
    }
    revive(world, machine, Death::Stop, random).await;
}

fn heal_disk(world: &World) {
    world.note("operator", "disk: well");
    world.disk.set_fault(DiskFault::None);
    world.fault_changes();
    for dir in [FIRM_DIR, FRAIL_DIR] {
        world.disk.set_volume(dir.as_ref(), None);
    }
    world.fill(false);
    world.metadata.set(None);
    *world.broken.lock() = None;
}

/// Ends the broker and starts it again, if need be after the disk's fault has ended.
async fn revive(world: &World, machine: &mut Machine, death: Death, random: &Random) {
    machine.end(death).await;
    world.pause(random, 500).await;
    if random.chance(1, 4) {
        let death = if random.chance(1, 2) { Death::PowerLoss } else { Death::Kill };
        machine.die_while_starting(death, random).await;
    }
    if machine.start().await.is_ok() {
        machine.had_broken_dir = world.broken.lock().is_some();
        return;
    }
    heal_disk(world);
    if let Err(error) = machine.start().await {
        world.oracle().not_served(format!("it does not start: {error}"));
    }
}

/// Ends all faults.
pub(crate) fn heal(world: &World) {
    heal_disk(world);
    world.net.set_faults(LinkFaults::default());
}

/// Draws how badly links behave.
pub(crate) fn worsen_links(world: &World, random: &Random) {
    let faults = LinkFaults {
        delay_us_max: if random.chance(1, 3) { 0 } else { random.below(100_000) },
        break_ppm: if random.chance(1, 3) { 0 } else { random.below(10_000) },
        chop: random.chance(1, 2),
    };
    world.note("operator", &format!("{faults:?}"));
    world.net.set_faults(faults);
}
