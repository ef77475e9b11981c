//! DescribeClientQuotas: the quotas that a filter asks for (KIP-546).

use std::collections::BTreeMap;

use klamm_protocol::{
    ErrorCode,
    messages::{
        DescribeClientQuotasRequest, DescribeClientQuotasResponse,
        describe_client_quotas_request::ComponentData,
        describe_client_quotas_response::{EntityData, EntryData, ValueData},
    },
};

use crate::{Image, Map, QuotaEntity, Refusal};

/// What an entity must have of a type.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    /// This name, or none: the default.
    Name(Option<&'a str>),
    /// Any name or the default.
    Any,
}

/// Answers a request.
pub fn describe_client_quotas(
    image: &Image,
    request: &DescribeClientQuotasRequest<'_>,
) -> DescribeClientQuotasResponse<'static> {
    let entries = match filter(&request.components) {
        Ok(filter) => image
            .quotas()
            .filter(|(entity, _)| matches(entity, &filter, request.strict))
            .map(|(entity, quotas)| entry(entity, quotas))
            .collect(),
        Err(refusal) => {
            return DescribeClientQuotasResponse {
                error_code: refusal.number(),
                error_message: Some(refusal.message.into()),
                ..DescribeClientQuotasResponse::default()
            };
        }
    };
    DescribeClientQuotasResponse {
        entries: Some(entries),
        ..DescribeClientQuotasResponse::default()
    }
}

fn filter<'a>(
    components: &'a [ComponentData<'_>],
) -> Result<BTreeMap<&'a str, Wanted<'a>>, Refusal> {
    let mut filter = BTreeMap::new();
    for component in components {
        let kind = &*component.entity_type;
        if kind.is_empty() {
            return Err(Refusal::invalid_request("Invalid empty entity type."));
        }
        let wanted = wanted(component)?;
        if !["ip", "user", "client-id", "topic"].contains(&kind) {
            let text = format!("Unsupported entity type {kind}");
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, text));
        }
        if filter.insert(kind, wanted).is_some() {
            let text = format!("Entity type {kind} cannot appear more than once in the filter.");
            return Err(Refusal::invalid_request(text));
        }
    }
    if filter.contains_key("ip") && filter.len() > 1 {
        return Err(Refusal::invalid_request(
            "Invalid entity filter component combination. IP filter component should not be used \
             with user or clientId filter component.",
        ));
    }
    Ok(filter)
}

fn wanted<'a>(component: &'a ComponentData<'_>) -> Result<Wanted<'a>, Refusal> {
    match (component.match_type, component.match_.as_deref()) {
        (0, Some(name)) => Ok(Wanted::Name(Some(name))),
        (0, None) => Err(Refusal::invalid_request(
            "Request specified MATCH_TYPE_EXACT, but set match string to null.",
        )),
        (1, None) => Ok(Wanted::Name(None)),
        (1, Some(_)) => Err(Refusal::invalid_request(
            "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.",
        )),
        (2, None) => Ok(Wanted::Any),
        (2, Some(_)) => Err(Refusal::invalid_request(
            "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.",
        )),
        (other, _) => Err(Refusal::invalid_request(format!("Unknown match type {other}"))),
    }
}

/// Whether an entity has all that is wanted and, if `strict`, nothing else.
fn matches(entity: &QuotaEntity, filter: &BTreeMap<&str, Wanted<'_>>, strict: bool) -> bool {
    let has = |(kind, wanted): (&&str, &Wanted<'_>)| {
        let part = entity.0.iter().find(|(name, _)| name == kind);
        part.is_some_and(|(_, name)| match wanted {
            Wanted::Any => true,
            Wanted::Name(wanted) => name.as_deref() == *wanted,
        })
    };
    filter.iter().all(has) && (!strict || entity.0.len() == filter.len())
}

fn entry(entity: &QuotaEntity, quotas: &Map<String, f64>) -> EntryData<'static> {
    let part = |(kind, name): &(String, Option<String>)| EntityData {
        entity_type: kind.clone().into(),
        entity_name: name.clone().map(Into::into),
        ..EntityData::default()
    };
    let value = |(key, value): (&String, &f64)| ValueData {
        key: key.clone().into(),
        value: *value,
        ..ValueData::default()
    };
    EntryData {
        entity: entity.0.iter().map(part).collect(),
        values: quotas.iter().map(value).collect(),
        ..EntryData::default()
    }
}
