//! Brokers and controllers come and go.

use std::collections::BTreeSet;

use klamm_protocol::{
    ErrorCode,
    messages::{
        BrokerRegistrationRequest, BrokerRegistrationResponse, ControllerRegistrationRequest,
        ControllerRegistrationResponse, RegisterBrokerRecord, RegisterControllerRecord,
        UnregisterBrokerRecord, UnregisterBrokerRequest, UnregisterBrokerResponse,
        metadata_record::MetadataRecord,
        register_broker_record::{BrokerEndpoint, BrokerFeature},
        register_controller_record::{ControllerEndpoint, ControllerFeature},
    },
    wire::Uuid,
};

use super::{
    Context, Decision, Refusal, Sessions,
    leadership::{self, Cause},
};
use crate::{Broker, Image, features};

/// Ids below this number mean something special and are no directory's.
const RESERVED_IDS: u128 = 100;

/// What the controller knows beside the image when a broker registers.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Id of this cluster.
    pub cluster_id: &'a str,
    /// Offset that the first record of the decision gets if it is the next to be written.
    pub next_offset: i64,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// Who was heard when.
    pub sessions: &'a Sessions,
}

/// Decides about a broker that starts. It is fenced until it has caught up.
///
/// Its epoch is the offset of its registration record, which comes first in the decision.
///
/// # Errors
/// A refusal with the code that Kafka gives.
pub fn register_broker(
    image: &Image,
    context: &Context<'_>,
    arrival: &Arrival<'_>,
    request: &BrokerRegistrationRequest<'_>,
) -> Result<Decision<BrokerRegistrationResponse<'static>>, Refusal> {
    if request.cluster_id != arrival.cluster_id {
        let (ours, theirs) = (arrival.cluster_id, &request.cluster_id);
        let text = format!("Expected cluster ID {ours}, but got cluster ID {theirs}");
        return Err(Refusal::new(ErrorCode::InconsistentClusterId, text));
    }
    let known = image.broker(request.broker_id);
    let same = known.is_some_and(|known| known.incarnation == request.incarnation_id);
    if let Some(known) = known.filter(|_| !same) {
        refuse_duplicate(context, arrival, known)?;
    }
    if request.is_migrating_zk_broker {
        let text = "Controller does not support registering ZK brokers.";
        return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, text));
    }
    check_directories(image, request)?;
    check_features(image, request)?;
    let known_epoch = known.map(|known| known.epoch);
    let epoch = known_epoch.filter(|_| same).unwrap_or(arrival.next_offset);
    let mut records = vec![MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        broker_epoch: epoch,
        end_points: request.listeners.iter().map(endpoint).collect(),
        features: request.features.iter().map(feature).collect(),
        rack: request.rack.as_deref().map(|rack| rack.to_owned().into()),
        fenced: known.filter(|_| same).is_none_or(|known| known.fenced),
        in_controlled_shutdown: same && known.is_some_and(|known| known.in_controlled_shutdown),
        log_dirs: request.log_dirs.clone(),
        ..RegisterBrokerRecord::default()
    })];
    // A broker that did not stop cleanly may have lost what it had not synced (KIP-966).
    let unclean = known_epoch.is_some_and(|old| !same && old != request.previous_broker_epoch);
    if unclean && image.features().eligible_leader_replicas() {
        let cause = Cause::UncleanShutdown(request.broker_id);
        records.extend(leadership::changes(image, context, cause));
    }
    let response =
        BrokerRegistrationResponse { broker_epoch: epoch, ..BrokerRegistrationResponse::default() };
    Ok(Decision { records, response })
}

/// Two processes with the same id: the one that is heard stays.
fn refuse_duplicate(
    context: &Context<'_>,
    arrival: &Arrival<'_>,
    known: &Broker,
) -> Result<(), Refusal> {
    let timeout = context.settings.broker_session_timeout_ms;
    let heard = arrival.sessions.is_heard(known.id, known.epoch, arrival.now_ms, timeout);
    if heard && !known.in_controlled_shutdown {
        let text = "Another broker is registered with that broker id. If the broker was recently \
                    restarted this should self-resolve once the heartbeat manager expires the \
                    broker's session.";
        return Err(Refusal::new(ErrorCode::DuplicateBrokerRegistration, text));
    }
    Ok(())
}

fn check_directories(
    image: &Image,
    request: &BrokerRegistrationRequest<'_>,
) -> Result<(), Refusal> {
    if image.features().metadata_version() < features::DIRECTORY_ASSIGNMENT {
        return Ok(());
    }
    if request.log_dirs.is_empty() {
        return Err(Refusal::invalid_request("No directories specified in request"));
    }
    if request.log_dirs.iter().any(|dir| dir.as_u128() < RESERVED_IDS) {
        return Err(Refusal::invalid_request("Reserved directory ID in request"));
    }
    let distinct: BTreeSet<Uuid> = request.log_dirs.iter().copied().collect();
    if distinct.len() < request.log_dirs.len() {
        return Err(Refusal::invalid_request("Duplicate directory ID in request"));
    }
    for other in image.brokers().filter(|other| other.id != request.broker_id) {
        if let Some(dir) = other.directories.iter().find(|dir| distinct.contains(dir)) {
            let id = other.id;
            let text = format!("Broker {id} is already registered with directory {dir}");
            return Err(Refusal::invalid_request(text));
        }
    }
    Ok(())
}

fn check_features(image: &Image, request: &BrokerRegistrationRequest<'_>) -> Result<(), Refusal> {
    let is_metadata = |name: &str| name == features::METADATA_VERSION;
    if !request.features.iter().any(|feature| is_metadata(&feature.name)) {
        let text = "Request features do not contain 'metadata.version'";
        return Err(Refusal::new(ErrorCode::InvalidRegistration, text));
    }
    for feature in request.features.iter().filter(|f| f.name != features::KRAFT_VERSION) {
        let level = image.features().level(&feature.name);
        let (min, max) = (feature.min_supported_version, feature.max_supported_version);
        if !(min..=max).contains(&level) {
            let name = &feature.name;
            let text = format!(
                "Unable to register because the broker does not support finalized version {level} \
                 of {name}. The broker wants a version between {min} and {max}, inclusive."
            );
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, text));
        }
    }
    Ok(())
}

fn endpoint(
    listener: &klamm_protocol::messages::broker_registration_request::Listener<'_>,
) -> BrokerEndpoint<'static> {
    BrokerEndpoint {
        name: listener.name.to_string().into(),
        host: listener.host.to_string().into(),
        port: listener.port,
        security_protocol: listener.security_protocol,
        ..BrokerEndpoint::default()
    }
}

fn feature(
    feature: &klamm_protocol::messages::broker_registration_request::Feature<'_>,
) -> BrokerFeature<'static> {
    BrokerFeature {
        name: feature.name.to_string().into(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
        ..BrokerFeature::default()
    }
}

/// Decides about the end of a broker's registration: it leads nothing and is in no ISR then.
///
/// # Errors
/// `BROKER_ID_NOT_REGISTERED`.
pub fn unregister_broker(
    image: &Image,
    context: &Context<'_>,
    request: &UnregisterBrokerRequest<'_>,
) -> Result<Decision<UnregisterBrokerResponse<'static>>, Refusal> {
    let id = request.broker_id;
    let broker = image.broker(id).ok_or_else(|| {
        let text = format!("Broker ID {id} is not currently registered");
        Refusal::new(ErrorCode::BrokerIdNotRegistered, text)
    })?;
    let mut records = leadership::changes(image, context, Cause::Gone(id));
    records.push(MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
        broker_id: id,
        broker_epoch: broker.epoch,
        ..UnregisterBrokerRecord::default()
    }));
    Ok(Decision { records, response: UnregisterBrokerResponse::default() })
}

/// Notes a controller with its listeners and features.
pub fn register_controller(
    request: &ControllerRegistrationRequest<'_>,
) -> Decision<ControllerRegistrationResponse<'static>> {
    let end_points = request.listeners.iter().map(|listener| ControllerEndpoint {
        name: listener.name.to_string().into(),
        host: listener.host.to_string().into(),
        port: listener.port,
        security_protocol: listener.security_protocol,
        ..ControllerEndpoint::default()
    });
    let features = request.features.iter().map(|feature| ControllerFeature {
        name: feature.name.to_string().into(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
        ..ControllerFeature::default()
    });
    let record = RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: request.zk_migration_ready,
        end_points: end_points.collect(),
        features: features.collect(),
        ..RegisterControllerRecord::default()
    };
    Decision {
        records: vec![MetadataRecord::RegisterController(record)],
        response: ControllerRegistrationResponse::default(),
    }
}

/// The broker with this id and epoch.
///
/// # Errors
/// `STALE_BROKER_EPOCH`.
pub(super) fn current_broker(image: &Image, id: i32, epoch: i64) -> Result<&Broker, Refusal> {
    let stale = |text: String| Refusal::new(ErrorCode::StaleBrokerEpoch, text);
    let broker = image
        .broker(id)
        .ok_or_else(|| stale(format!("No broker registration found for broker id {id}")))?;
    if broker.epoch != epoch {
        let ours = broker.epoch;
        return Err(stale(format!("Expected broker epoch {ours}, but got broker epoch {epoch}")));
    }
    Ok(broker)
}
