//! Quotas of clients, addresses and topics.

use std::collections::BTreeMap;

use klamm_protocol::{
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
        DescribeClientQuotasResponse,
        alter_client_quotas_request::{EntityData, EntryData, OpData},
        describe_client_quotas_response,
    },
    wire::VersionRange,
};

use crate::{
    Client, ClientError,
    client::{Lane, Target},
};

const DESCRIBE_CLIENT_QUOTAS: VersionRange = VersionRange::new(0, 1);
const ALTER_CLIENT_QUOTAS: VersionRange = VersionRange::new(0, 1);

/// Whom a quota is for: names by type (`user`, `client-id`, `ip`, `topic`); none is the default of
/// that type. Only a Klamm knows topics.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// Quotas of one entity, by Kafka's keys.
pub type QuotaValues = BTreeMap<String, f64>;

impl Client {
    /// All quotas.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe_quotas(&self) -> Result<BTreeMap<QuotaEntity, QuotaValues>, ClientError> {
        let request = DescribeClientQuotasRequest::default();
        let reply = self.call(Target::Any, Lane::Main, DESCRIBE_CLIENT_QUOTAS, &request).await?;
        let answer = reply.decode::<DescribeClientQuotasResponse<'_>>()?;
        let message = answer.error_message.as_deref();
        ClientError::check(answer.error_code, message, || "quotas".to_owned())?;
        Ok(answer.entries.iter().flatten().map(entry).collect())
    }

    /// Sets (`Some`) and removes (`None`) quotas of one entity.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` where the entity, a key or a value is not allowed.
    pub async fn alter_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &[(&str, Option<f64>)],
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let part = |(kind, name): (&String, &Option<String>)| EntityData {
            entity_type: kind.clone().into(),
            entity_name: name.clone().map(Into::into),
            ..EntityData::default()
        };
        let change = |(key, value): &(&str, Option<f64>)| OpData {
            key: (*key).to_owned().into(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
            ..OpData::default()
        };
        let entry = EntryData {
            entity: entity.iter().map(part).collect(),
            ops: changes.iter().map(change).collect(),
            ..EntryData::default()
        };
        let request = AlterClientQuotasRequest {
            entries: vec![entry],
            validate_only,
            ..AlterClientQuotasRequest::default()
        };
        let reply =
            self.call(Target::Controller, Lane::Main, ALTER_CLIENT_QUOTAS, &request).await?;
        let answer = reply.decode::<AlterClientQuotasResponse<'_>>()?;
        answer.entries.iter().try_for_each(|one| {
            let message = one.error_message.as_deref();
            ClientError::check(one.error_code, message, || "the quota".to_owned())
        })
    }
}

fn entry(entry: &describe_client_quotas_response::EntryData<'_>) -> (QuotaEntity, QuotaValues) {
    let part = |part: &describe_client_quotas_response::EntityData<'_>| {
        (part.entity_type.to_string(), part.entity_name.as_deref().map(str::to_owned))
    };
    let values = entry.values.iter().map(|value| (value.key.to_string(), value.value));
    (entry.entity.iter().map(part).collect(), values.collect())
}
