//! UpdateFeatures (key 57), versions 0 to 2: the levels that the cluster finalizes for its features
//! (KIP-584), all of the request's or none. What a level turns on or off is so on this broker when
//! it is answered.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{UpdateFeaturesRequest, UpdateFeaturesResponse},
};
use klamm_quorum::QuorumError;

use super::{Api, Context, Permission, QuotaClass, change::Change};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::UpdateFeatures,
    permissions: &[Permission::ClusterAlter],
    quota: QuotaClass::Request,
    audit: Some("feature.update"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: UpdateFeaturesRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    // The request's time limit is not looked at, as in Kafka.
    let change = Change::new(body.into_static(), None, |_, error| refused(error, error.message()));
    change.ask(cx, &request, |quorum, body| async move {
        match quorum.update_features(body).await {
            Err(QuorumError::Refused(refusal)) => Ok(refused(refusal.code, &refusal.message)),
            answer => answer,
        }
    })
}

/// The answer that nothing was changed.
fn refused(error: ErrorCode, text: &str) -> UpdateFeaturesResponse<'static> {
    UpdateFeaturesResponse {
        error_code: error.code(),
        error_message: Some(text.to_owned().into()),
        ..Default::default()
    }
}
