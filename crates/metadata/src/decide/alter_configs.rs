//! IncrementalAlterConfigs, and AlterConfigs, which replaces all that is configured.

use std::collections::BTreeMap;

use klamm_protocol::{
    ErrorCode,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, ConfigRecord, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, alter_configs_response,
        incremental_alter_configs_response, metadata_record::MetadataRecord,
    },
};

use super::{ConfigChange, Context, Decision, Refusal, topic_name::validate_topic_name};
use crate::{Image, Resource, ResourceKind};

const MIN_ISR: &str = "min.insync.replicas";

type Records = Vec<MetadataRecord<'static>>;

/// One resource of a request and what is to be changed.
struct Wanted<'a> {
    kind: i8,
    name: &'a str,
    changes: Vec<ConfigChange<'a>>,
    /// Whether what is not named is taken away.
    replaces: bool,
}

/// Decides about changes of configurations, each resource by itself.
pub fn incremental_alter_configs(
    image: &Image,
    context: &Context<'_>,
    request: &IncrementalAlterConfigsRequest<'_>,
) -> Decision<IncrementalAlterConfigsResponse<'static>> {
    let wanted = request.resources.iter().map(|resource| Wanted {
        kind: resource.resource_type,
        name: &resource.resource_name,
        changes: resource
            .configs
            .iter()
            .map(|config| ConfigChange {
                name: &config.name,
                operation: config.config_operation,
                value: config.value.as_deref(),
            })
            .collect(),
        replaces: false,
    });
    let (records, results) = alter(image, context, &wanted.collect::<Vec<_>>());
    let responses = request.resources.iter().zip(results).map(|(resource, refusal)| {
        let refusal = refusal.err();
        incremental_alter_configs_response::AlterConfigsResourceResponse {
            error_code: refusal.as_ref().map_or(ErrorCode::None as i16, Refusal::number),
            error_message: refusal.map(|refusal| refusal.message.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.to_string().into(),
            ..Default::default()
        }
    });
    let response = IncrementalAlterConfigsResponse {
        responses: responses.collect(),
        ..IncrementalAlterConfigsResponse::default()
    };
    Decision { records: if request.validate_only { Vec::new() } else { records }, response }
}

/// Decides about configurations that replace what is there, each resource by itself.
pub fn alter_configs(
    image: &Image,
    context: &Context<'_>,
    request: &AlterConfigsRequest<'_>,
) -> Decision<AlterConfigsResponse<'static>> {
    let wanted = request.resources.iter().map(|resource| Wanted {
        kind: resource.resource_type,
        name: &resource.resource_name,
        changes: resource
            .configs
            .iter()
            .map(|config| ConfigChange::set(&config.name, config.value.as_deref()))
            .collect(),
        replaces: true,
    });
    let (records, results) = alter(image, context, &wanted.collect::<Vec<_>>());
    let responses = request.resources.iter().zip(results).map(|(resource, refusal)| {
        let refusal = refusal.err();
        alter_configs_response::AlterConfigsResourceResponse {
            error_code: refusal.as_ref().map_or(ErrorCode::None as i16, Refusal::number),
            error_message: refusal.map(|refusal| refusal.message.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.to_string().into(),
            ..Default::default()
        }
    });
    let response =
        AlterConfigsResponse { responses: responses.collect(), ..AlterConfigsResponse::default() };
    Decision { records: if request.validate_only { Vec::new() } else { records }, response }
}

fn alter(
    image: &Image,
    context: &Context<'_>,
    wanted: &[Wanted<'_>],
) -> (Records, Vec<Result<(), Refusal>>) {
    let mut records = Vec::new();
    let mut results = Vec::new();
    for one in wanted {
        let same = |other: &&Wanted<'_>| (other.kind, other.name) == (one.kind, one.name);
        let altered = if wanted.iter().filter(same).count() > 1 {
            Err(Refusal::invalid_request("Each resource must appear at most once."))
        } else {
            alter_one(image, context, one)
        };
        results.push(altered.map(|new| records.extend(new)));
    }
    (records, results)
}

fn alter_one(
    image: &Image,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
) -> Result<Records, Refusal> {
    let kind = ResourceKind::from_number(wanted.kind);
    let resource = Resource::new(kind, wanted.name);
    must_exist(image, &resource, wanted)?;
    let old: BTreeMap<&str, &str> = image.config(&resource).collect();
    let mut changes = wanted.changes.clone();
    if wanted.replaces {
        let named = |name: &str| wanted.changes.iter().any(|change| change.name == name);
        let gone = old.keys().filter(|name| !named(name));
        changes.extend(gone.map(|name| ConfigChange {
            name,
            operation: ConfigChange::DELETE,
            value: None,
        }));
    }
    let new = context.rules.alter(image, &resource, &changes)?;
    let records = difference(&resource, &old, &new, &changes);
    keep_min_isr(image, &resource, &old, &new)?;
    Ok(records)
}

fn must_exist(image: &Image, resource: &Resource, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    let name = &resource.name;
    match resource.kind {
        ResourceKind::Topic if name.is_empty() => {
            Err(Refusal::invalid_request("Default topic resources are not allowed."))
        }
        ResourceKind::Topic if image.topic(name).is_none() => {
            validate_topic_name(name)?;
            let text = format!("The topic '{name}' does not exist.");
            Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, text))
        }
        ResourceKind::Broker if !name.is_empty() => {
            let id: i32 = name.parse().map_err(|_| {
                Refusal::invalid_request(format!("Broker id must be an integer, but it is: {name}"))
            })?;
            let unknown = || {
                let text = format!("No broker with id {id} found.");
                Refusal::new(ErrorCode::BrokerIdNotRegistered, text)
            };
            image.broker(id).map(drop).ok_or_else(unknown)
        }
        ResourceKind::BrokerLogger => {
            let logger = wanted.changes.first().map_or("", |change| change.name);
            let text = format!("Logger {logger} does not exist!");
            Err(Refusal::new(ErrorCode::InvalidConfig, text))
        }
        ResourceKind::Other(number) => {
            let text = format!("Unknown resource type {number}.");
            Err(Refusal::invalid_request(text))
        }
        _ => Ok(()),
    }
}

/// Records for what differs. A broker's key that is named is written even if it stays as it is:
/// that makes brokers load files again that a value names.
fn difference(
    resource: &Resource,
    old: &BTreeMap<&str, &str>,
    new: &BTreeMap<String, String>,
    changes: &[ConfigChange<'_>],
) -> Records {
    let record = |name: &str, value: Option<&str>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.kind.number(),
            resource_name: resource.name.clone().into(),
            name: name.to_owned().into(),
            value: value.map(|value| value.to_owned().into()),
            ..ConfigRecord::default()
        })
    };
    let named = |name: &str| {
        resource.kind == ResourceKind::Broker && changes.iter().any(|change| change.name == name)
    };
    let set = new
        .iter()
        .filter(|(name, value)| old.get(name.as_str()) != Some(&value.as_str()) || named(name));
    let gone = old.keys().filter(|name| !new.contains_key(**name));
    let set = set.map(|(name, value)| record(name, Some(value)));
    set.chain(gone.map(|name| record(name, None))).collect()
}

/// With eligible leader replicas the cluster has one `min.insync.replicas` and no broker its own.
fn keep_min_isr(
    image: &Image,
    resource: &Resource,
    old: &BTreeMap<&str, &str>,
    new: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let unchanged = old.get(MIN_ISR).copied() == new.get(MIN_ISR).map(String::as_str);
    if resource.kind != ResourceKind::Broker
        || unchanged
        || !image.features().eligible_leader_replicas()
    {
        return Ok(());
    }
    let text = match (resource.name.is_empty(), new.contains_key(MIN_ISR)) {
        (false, _) => "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        (true, false) => {
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
        }
        (true, true) => return Ok(()),
    };
    Err(Refusal::new(ErrorCode::InvalidConfig, text))
}
