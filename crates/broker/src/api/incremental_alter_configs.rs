//! IncrementalAlterConfigs (key 44), versions 0 and 1: single keys of a resource are set, taken back,
//! or have entries added or removed (KIP-339).
//!
//! Levels of this broker's loggers (KIP-412) are changed here; all else is the controller's.

use klamm_metadata::ResourceKind;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_request::AlterConfigsResource,
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
use crate::{
    broker::Broker,
    loggers::Refused,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::IncrementalAlterConfigs,
    permissions: &[Permission::TopicAlterConfigs, Permission::ClusterAlterConfigs],
    quota: QuotaClass::Request,
    audit: Some("config.alter"),
    handle,
};

/// An answer about one resource.
type Response = AlterConfigsResourceResponse<'static>;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let mut body: IncrementalAlterConfigsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let loggers = loggers(cx.broker, &body);
    if loggers.iter().all(Option::is_some) {
        let responses = loggers.into_iter().flatten().collect();
        return Outcome::Now(request.answer(&IncrementalAlterConfigsResponse {
            responses,
            ..IncrementalAlterConfigsResponse::default()
        }));
    }
    let mut settled = loggers.iter();
    body.resources.retain(|_| settled.next().is_some_and(Option::is_none));
    let change = Change::new(body.into_static(), None, refused);
    change.ask(cx, &request, |quorum, body| async move {
        let mut response = quorum.incremental_alter_configs(body).await?;
        let mut asked = response.responses.into_iter();
        // In the order of the request.
        let all = loggers.into_iter().map(|settled| settled.or_else(|| asked.next()));
        response.responses = all.flatten().collect();
        Ok(response)
    })
}

/// Changes levels of loggers: an answer for each resource that is loggers, none for the others.
fn loggers(broker: &Broker, body: &IncrementalAlterConfigsRequest<'_>) -> Vec<Option<Response>> {
    let is_loggers = |resource: &AlterConfigsResource<'_>| {
        ResourceKind::from_number(resource.resource_type) == ResourceKind::BrokerLogger
    };
    let answer = |resource: &AlterConfigsResource<'_>| {
        let same = |other: &&AlterConfigsResource<'_>| {
            (other.resource_type, &other.resource_name)
                == (resource.resource_type, &resource.resource_name)
        };
        let result = if body.resources.iter().filter(same).count() > 1 {
            Err(invalid("Each resource must appear at most once.".to_owned()))
        } else {
            change_levels(broker, resource, body.validate_only)
        };
        let refused = result.err();
        Response {
            error_code: refused.as_ref().map_or(ErrorCode::None, |refused| refused.code).code(),
            error_message: refused.map(|refused| refused.text.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.to_string().into(),
            ..Response::default()
        }
    };
    body.resources.iter().map(|resource| is_loggers(resource).then(|| answer(resource))).collect()
}

fn change_levels(
    broker: &Broker,
    resource: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<(), Refused> {
    let name = &*resource.resource_name;
    let node_id = broker.node_id;
    match name.parse::<i32>() {
        Ok(id) if id == node_id => {}
        Ok(id) => {
            return Err(invalid(format!(
                "Unexpected node id. Expected {node_id}, but received {id}"
            )));
        }
        Err(_) => return Err(invalid(format!("Node id must be an integer, but it is: {name}"))),
    }
    let mut names: Vec<&str> = resource.configs.iter().map(|config| &*config.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid(format!("Error due to duplicate config keys : {}", twice[0])));
    }
    broker.loggers.check(&resource.configs)?;
    if !validate_only {
        broker.loggers.change(&resource.configs);
    }
    Ok(())
}

fn invalid(text: String) -> Refused {
    Refused { code: ErrorCode::InvalidRequest, text }
}

/// The answer that nothing was changed.
fn refused(
    body: &IncrementalAlterConfigsRequest<'_>,
    error: ErrorCode,
) -> IncrementalAlterConfigsResponse<'static> {
    let resource = |kind: i8, name: &str| AlterConfigsResourceResponse {
        error_code: error.code(),
        resource_type: kind,
        resource_name: name.to_owned().into(),
        ..Default::default()
    };
    let resources = body.resources.iter();
    IncrementalAlterConfigsResponse {
        responses: resources.map(|r| resource(r.resource_type, &r.resource_name)).collect(),
        ..Default::default()
    }
}
