//! AlterClientQuotas: quotas of users, client ids, addresses (KIP-546, KIP-612) and, beyond Kafka,
//! of topics.

use std::{collections::BTreeSet, net::IpAddr};

use klamm_protocol::{
    ErrorCode,
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, ClientQuotaRecord,
        alter_client_quotas_request::{EntityData, EntryData, OpData},
        alter_client_quotas_response, client_quota_record,
        metadata_record::MetadataRecord,
    },
};

use super::{Decision, Refusal};
use crate::{Image, QuotaEntity};

const CLIENT: &str = "client-id";
const IP: &str = "ip";
const TOPIC: &str = "topic";
const USER: &str = "user";

/// How far a whole number may be from one.
const FRACTION_MAX: f64 = 1e-6;

/// What a key's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Double,
    Int,
    Long,
}

/// Keys of users and client ids.
const CLIENT_KEYS: &[(&str, Type)] = &[
    ("producer_byte_rate", Type::Long),
    ("consumer_byte_rate", Type::Long),
    ("request_percentage", Type::Double),
    ("controller_mutation_rate", Type::Double),
];
const IP_KEYS: &[(&str, Type)] = &[("connection_creation_rate", Type::Int)];
const TOPIC_KEYS: &[(&str, Type)] =
    &[("producer_byte_rate", Type::Long), ("consumer_byte_rate", Type::Long)];

type Records = Vec<MetadataRecord<'static>>;

/// Decides about quotas, each entity by itself.
pub fn alter_client_quotas(
    image: &Image,
    request: &AlterClientQuotasRequest<'_>,
) -> Decision<AlterClientQuotasResponse<'static>> {
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    let entries = request.entries.iter().map(|entry| {
        let altered = alter_one(image, entry, &mut seen).map(|new| records.extend(new));
        let refusal = altered.err();
        let entity = entry.entity.iter().map(|part| alter_client_quotas_response::EntityData {
            entity_type: part.entity_type.to_string().into(),
            entity_name: part.entity_name.as_deref().map(|name| name.to_owned().into()),
            ..Default::default()
        });
        alter_client_quotas_response::EntryData {
            error_code: refusal.as_ref().map_or(ErrorCode::None as i16, Refusal::number),
            error_message: refusal.map(|refusal| refusal.message.into()),
            entity: entity.collect(),
            ..Default::default()
        }
    });
    let response = AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() };
    Decision { records: if request.validate_only { Vec::new() } else { records }, response }
}

fn alter_one(
    image: &Image,
    entry: &EntryData<'_>,
    seen: &mut BTreeSet<QuotaEntity>,
) -> Result<Records, Refusal> {
    let keys = keys_of(&entry.entity)?;
    let entity = QuotaEntity::from_parts(
        entry.entity.iter().map(|part| (&*part.entity_type, part.entity_name.as_deref())),
    );
    if !seen.insert(entity.clone()) {
        let text = format!("Ignoring duplicate entity {}", entity.0.len());
        return Err(Refusal::invalid_request(text));
    }
    let mut named = BTreeSet::new();
    let mut records = Vec::new();
    for op in &entry.ops {
        if !named.insert(&*op.key) {
            let text = format!("Duplicate quota key {} not updating quota", op.key);
            return Err(Refusal::invalid_request(text));
        }
        check_value(keys, op)?;
        let old = image.quota(&entity, &op.key);
        let changes = if op.remove { old.is_some() } else { old != Some(op.value) };
        if changes {
            records.push(record(&entity, op));
        }
    }
    Ok(records)
}

fn record(entity: &QuotaEntity, op: &OpData<'_>) -> MetadataRecord<'static> {
    let data: Vec<client_quota_record::EntityData<'static>> = entity.to_record();
    MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: data,
        key: op.key.to_string().into(),
        value: if op.remove { 0.0 } else { op.value },
        remove: op.remove,
        ..ClientQuotaRecord::default()
    })
}

/// The keys that an entity may have.
fn keys_of(entity: &[EntityData<'_>]) -> Result<&'static [(&'static str, Type)], Refusal> {
    if entity.is_empty() {
        return Err(Refusal::invalid_request("Invalid empty client quota entity"));
    }
    let mut kinds = BTreeSet::new();
    for part in entity {
        let kind = &*part.entity_type;
        if !kinds.insert(kind) {
            let text = format!("Invalid client quota entity, duplicate entity entry {kind}");
            return Err(Refusal::invalid_request(text));
        }
        if ![USER, CLIENT, IP, TOPIC].contains(&kind) {
            let text = format!("Unhandled client quota entity type: {kind}");
            return Err(Refusal::invalid_request(text));
        }
        if part.entity_name.as_deref() == Some("") {
            return Err(Refusal::invalid_request(format!("Empty {kind} not supported")));
        }
    }
    if kinds.contains(IP) {
        return keys_of_ip(entity);
    }
    match (kinds.contains(TOPIC), kinds.len()) {
        (true, 1) => Ok(TOPIC_KEYS),
        (true, _) => Err(Refusal::invalid_request(
            "Invalid quota entity combination, topic entity should not be combined with User or \
             ClientId",
        )),
        (false, _) => Ok(CLIENT_KEYS),
    }
}

fn keys_of_ip(entity: &[EntityData<'_>]) -> Result<&'static [(&'static str, Type)], Refusal> {
    let [part] = entity else {
        return Err(Refusal::invalid_request(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        ));
    };
    match part.entity_name.as_deref() {
        Some(name) if name != "localhost" && name.parse::<IpAddr>().is_err() => {
            let text = format!("{name} is not a valid IP or resolvable host.");
            Err(Refusal::invalid_request(text))
        }
        _ => Ok(IP_KEYS),
    }
}

fn check_value(keys: &[(&str, Type)], op: &OpData<'_>) -> Result<(), Refusal> {
    let key = &*op.key;
    let Some((_, value_type)) = keys.iter().find(|(name, _)| *name == key) else {
        return Err(Refusal::invalid_request(format!("Invalid configuration key {key}")));
    };
    if op.remove {
        return Ok(());
    }
    let value = op.value;
    if value <= 0.0 || value.is_nan() {
        return Err(Refusal::invalid_request(format!("Quota {key} must be greater than 0")));
    }
    let (max, name) = match value_type {
        Type::Double => return Ok(()),
        Type::Int => (f64::from(i32::MAX), "an INT"),
        Type::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > max {
        let text = format!("Proposed value for {key} is too large for {name}.");
        return Err(Refusal::invalid_request(text));
    }
    if (value - value.round()).abs() > FRACTION_MAX {
        return Err(Refusal::invalid_request(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}
