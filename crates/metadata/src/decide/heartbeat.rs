//! BrokerHeartbeat, and what happens to a broker that sends none.

use klamm_protocol::{
    messages::{
        BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationChangeRecord,
        metadata_record::MetadataRecord,
    },
    wire::Uuid,
};

use super::{
    Context, Decision, Refusal, Sessions,
    brokers::current_broker,
    leadership::{self, Cause},
};
use crate::{Broker, Image};

/// Where a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

/// Decides about a broker's heartbeat: unfences one that has caught up with its own registration,
/// hands over the leaderships of one that wants to stop, and lets it go when it has none.
///
/// # Errors
/// `STALE_BROKER_EPOCH`.
pub fn broker_heartbeat(
    image: &Image,
    context: &Context<'_>,
    request: &BrokerHeartbeatRequest<'_>,
) -> Result<Decision<BrokerHeartbeatResponse<'static>>, Refusal> {
    let broker = current_broker(image, request.broker_id, request.broker_epoch)?;
    let caught_up = request.current_metadata_offset >= broker.epoch;
    let now = state(broker);
    let next = next_state(image, broker, now, caught_up, request);
    let mut records = Vec::new();
    if next != now {
        transition(image, context, broker, next, &mut records);
    }
    let lost = lost_directories(broker, request);
    records.extend(directory_changes(broker, request, &lost));
    if !lost.is_empty() {
        records.extend(leadership::changes(image, context, Cause::Lost(broker.id, &lost)));
    }
    let response = BrokerHeartbeatResponse {
        is_caught_up: caught_up,
        is_fenced: matches!(next, State::Fenced),
        should_shut_down: next == State::ShutdownNow,
        ..BrokerHeartbeatResponse::default()
    };
    Ok(Decision { records, response })
}

fn state(broker: &Broker) -> State {
    match broker {
        Broker { fenced: true, .. } => State::Fenced,
        Broker { in_controlled_shutdown: true, .. } => State::ControlledShutdown,
        _ => State::Unfenced,
    }
}

fn next_state(
    image: &Image,
    broker: &Broker,
    now: State,
    caught_up: bool,
    request: &BrokerHeartbeatRequest<'_>,
) -> State {
    let leads = || leadership::leads(image, broker.id);
    match now {
        State::Fenced if request.want_shut_down => State::ShutdownNow,
        State::Fenced if !request.want_fence && caught_up => State::Unfenced,
        State::Unfenced if request.want_fence && request.want_shut_down => State::ShutdownNow,
        State::Unfenced if request.want_fence => State::Fenced,
        State::Unfenced if request.want_shut_down && leads() => State::ControlledShutdown,
        State::Unfenced if request.want_shut_down => State::ShutdownNow,
        State::ControlledShutdown if !leads() => State::ShutdownNow,
        unchanged => unchanged,
    }
}

fn transition(
    image: &Image,
    context: &Context<'_>,
    broker: &Broker,
    next: State,
    records: &mut Vec<MetadataRecord<'static>>,
) {
    let id = broker.id;
    let mut change = registration_change(broker);
    let cause = match next {
        State::Unfenced => {
            change.fenced = -1;
            Cause::Back(id)
        }
        State::Fenced | State::ShutdownNow if broker.fenced => return,
        State::Fenced | State::ShutdownNow => {
            change.fenced = 1;
            Cause::Gone(id)
        }
        State::ControlledShutdown => {
            change.in_controlled_shutdown = 1;
            Cause::Gone(id)
        }
    };
    records.push(MetadataRecord::BrokerRegistrationChange(change));
    records.extend(leadership::changes(image, context, cause));
}

fn registration_change(broker: &Broker) -> BrokerRegistrationChangeRecord<'static> {
    BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        ..BrokerRegistrationChangeRecord::default()
    }
}

/// Directories that were online and are not any more, as the broker says. The last one is not given
/// up: a broker without any stops.
fn lost_directories(broker: &Broker, request: &BrokerHeartbeatRequest<'_>) -> Vec<Uuid> {
    let is_lost = |dir: &&Uuid| request.offline_log_dirs.contains(dir);
    let lost: Vec<Uuid> = broker.directories.iter().filter(is_lost).copied().collect();
    if lost.len() < broker.directories.len() { lost } else { Vec::new() }
}

/// Directories that the broker says went offline, or are to get no new partitions.
fn directory_changes(
    broker: &Broker,
    request: &BrokerHeartbeatRequest<'_>,
    lost: &[Uuid],
) -> Option<MetadataRecord<'static>> {
    let mut change = registration_change(broker);
    if !lost.is_empty() {
        let online = broker.directories.iter().filter(|dir| !lost.contains(dir));
        change.log_dirs = online.copied().collect();
    }
    if let Some(cordoned) = &request.cordoned_log_dirs
        && broker.cordoned.as_ref() != Some(cordoned)
    {
        change.cordoned_log_dirs = Some(cordoned.clone());
    }
    let says_something = !change.log_dirs.is_empty() || change.cordoned_log_dirs.is_some();
    says_something.then_some(MetadataRecord::BrokerRegistrationChange(change))
}

/// Fences the first broker whose session has timed out; call it again until there is none.
pub fn fence_silent_brokers(
    image: &Image,
    context: &Context<'_>,
    sessions: &Sessions,
    now_ms: i64,
) -> Decision<()> {
    let timeout = context.settings.broker_session_timeout_ms;
    let silent = sessions.silent(now_ms, timeout).filter_map(|id| image.broker(id));
    let mut records = Vec::new();
    if let Some(broker) = silent.filter(|broker| !broker.fenced).min_by_key(|broker| broker.id) {
        transition(image, context, broker, State::Fenced, &mut records);
    }
    Decision { records, response: () }
}
