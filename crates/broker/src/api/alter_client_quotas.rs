//! AlterClientQuotas (key 49), versions 0 to 1: quotas of users, client ids, addresses and, beyond
//! Kafka, of topics (entity type `topic`). In effect on this broker when it is answered.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse,
        alter_client_quotas_response::{EntityData, EntryData},
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::AlterClientQuotas,
    permissions: &[Permission::ClusterAlterConfigs],
    quota: QuotaClass::Request,
    audit: Some("quota.alter"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AlterClientQuotasRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let change = Change::new(body.into_static(), None, refused);
    change.ask(cx, &request, |quorum, body| async move { quorum.alter_client_quotas(body).await })
}

/// The answer that nothing was changed.
fn refused(
    body: &AlterClientQuotasRequest<'_>,
    error: ErrorCode,
) -> AlterClientQuotasResponse<'static> {
    let entries = body.entries.iter().map(|entry| EntryData {
        error_code: error.code(),
        entity: entry
            .entity
            .iter()
            .map(|part| EntityData {
                entity_type: part.entity_type.to_string().into(),
                entity_name: part.entity_name.as_deref().map(|name| name.to_owned().into()),
                ..EntityData::default()
            })
            .collect(),
        ..EntryData::default()
    });
    AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() }
}
