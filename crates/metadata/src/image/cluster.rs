//! Registered brokers and controllers.

use klamm_protocol::{
    messages::{
        BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord,
        register_broker_record::{BrokerEndpoint, BrokerFeature},
        register_controller_record::{ControllerEndpoint, ControllerFeature},
    },
    wire::Uuid,
};

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the listener.
    pub name: String,
    /// Host that clients are told.
    pub host: String,
    /// Port that clients are told.
    pub port: u16,
    /// Kafka's number of the security protocol.
    pub security_protocol: i16,
}

/// The levels of a feature that a node supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSpan {
    /// The feature.
    pub feature: String,
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
}

/// A broker as it registered, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Node id.
    pub id: i32,
    /// Offset of its registration in the metadata log.
    pub epoch: i64,
    /// New for each start of the process.
    pub incarnation: Uuid,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// What it supports, by feature name.
    pub features: Vec<VersionSpan>,
    /// Rack, if it has one.
    pub rack: Option<String>,
    /// Whether it may not lead partitions: it is starting, or was silent.
    pub fenced: bool,
    /// Whether it has asked to stop and hands over its leaderships.
    pub in_controlled_shutdown: bool,
    /// Log directories that are online, ascending.
    pub directories: Vec<Uuid>,
    /// Log directories that get no new partitions (KIP-1066); none if it never said.
    pub cordoned: Option<Vec<Uuid>>,
}

impl Broker {
    /// Whether it may lead partitions and be in their ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The endpoint of a listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// Whether one of its directories may take new partitions.
    pub(crate) fn takes_partitions(&self) -> bool {
        let cordoned = self.cordoned.as_deref().unwrap_or_default();
        self.directories.is_empty() || self.directories.iter().any(|dir| !cordoned.contains(dir))
    }

    /// The directory that a new partition goes to if there is only one; else the broker chooses.
    pub(crate) fn directory_for_new(&self) -> Uuid {
        match &*self.directories {
            [only] => *only,
            _ => Uuid::ZERO,
        }
    }

    pub(super) fn from_record(record: &RegisterBrokerRecord<'_>) -> Self {
        let mut directories = record.log_dirs.clone();
        directories.sort_unstable();
        let mut features: Vec<VersionSpan> =
            record.features.iter().map(VersionSpan::from).collect();
        features.sort_by(|a, b| a.feature.cmp(&b.feature));
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation: record.incarnation_id,
            endpoints: record.end_points.iter().map(Endpoint::from).collect(),
            features,
            rack: record.rack.as_deref().map(str::to_owned),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories,
            cordoned: record.cordoned_log_dirs.clone(),
        }
    }

    pub(super) fn to_record(&self) -> RegisterBrokerRecord<'static> {
        RegisterBrokerRecord {
            broker_id: self.id,
            incarnation_id: self.incarnation,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(Endpoint::of_broker).collect(),
            features: self.features.iter().map(VersionSpan::of_broker).collect(),
            rack: self.rack.clone().map(Into::into),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned.clone(),
            ..RegisterBrokerRecord::default()
        }
    }

    /// -1 takes a state away, 1 sets it, 0 leaves it; empty directories leave them.
    pub(super) fn change(&mut self, record: &BrokerRegistrationChangeRecord<'_>) {
        match record.fenced {
            1 => self.fenced = true,
            -1 => self.fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == 1 {
            self.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            self.directories.clone_from(&record.log_dirs);
            self.directories.sort_unstable();
        }
        if record.cordoned_log_dirs.is_some() {
            self.cordoned.clone_from(&record.cordoned_log_dirs);
        }
    }
}

/// A controller as it registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Node id.
    pub id: i32,
    /// New for each start of the process.
    pub incarnation: Uuid,
    /// Whether it could take part in a migration from ZooKeeper; always false here.
    pub zk_migration_ready: bool,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// What it supports, in the order it said.
    pub features: Vec<VersionSpan>,
}

impl Controller {
    pub(super) fn from_record(record: &RegisterControllerRecord<'_>) -> Self {
        Self {
            id: record.controller_id,
            incarnation: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: record.end_points.iter().map(Endpoint::from).collect(),
            features: record.features.iter().map(VersionSpan::from).collect(),
        }
    }

    pub(super) fn to_record(&self) -> RegisterControllerRecord<'static> {
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.iter().map(Endpoint::of_controller).collect(),
            features: self.features.iter().map(VersionSpan::of_controller).collect(),
            ..RegisterControllerRecord::default()
        }
    }
}

/// Kafka gives brokers and controllers the same fields in different structs.
macro_rules! convert {
    ($endpoint:ident, $feature:ident, $of:ident) => {
        impl From<&$endpoint<'_>> for Endpoint {
            fn from(wire: &$endpoint<'_>) -> Self {
                Self {
                    name: wire.name.to_string(),
                    host: wire.host.to_string(),
                    port: wire.port,
                    security_protocol: wire.security_protocol,
                }
            }
        }

        impl Endpoint {
            fn $of(&self) -> $endpoint<'static> {
                $endpoint {
                    name: self.name.clone().into(),
                    host: self.host.clone().into(),
                    port: self.port,
                    security_protocol: self.security_protocol,
                    ..$endpoint::default()
                }
            }
        }

        impl From<&$feature<'_>> for VersionSpan {
            fn from(wire: &$feature<'_>) -> Self {
                Self {
                    feature: wire.name.to_string(),
                    min: wire.min_supported_version,
                    max: wire.max_supported_version,
                }
            }
        }

        impl VersionSpan {
            fn $of(&self) -> $feature<'static> {
                $feature {
                    name: self.feature.clone().into(),
                    min_supported_version: self.min,
                    max_supported_version: self.max,
                    ..$feature::default()
                }
            }
        }
    };
}

convert!(BrokerEndpoint, BrokerFeature, of_broker);
convert!(ControllerEndpoint, ControllerFeature, of_controller);
