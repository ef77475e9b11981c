//! DescribeClientQuotas (key 48), versions 0 to 1: the quotas that a filter asks for (KIP-546).
//! Beyond Kafka it knows entities of the type `topic`.

use klamm_metadata::describe_client_quotas;
use klamm_protocol::{ApiKey, messages::DescribeClientQuotasRequest};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeClientQuotas,
    permissions: &[Permission::ClusterDescribeConfigs],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeClientQuotasRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let response = describe_client_quotas(&cx.broker.quorum.image(), &body);
    Outcome::Now(request.answer(&response))
}
