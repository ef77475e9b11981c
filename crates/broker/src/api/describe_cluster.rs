//! DescribeCluster (key 60), versions 0 to 2: the brokers and who speaks for the controller.
//!
//! Version 1 says which kind of node is meant (KIP-919): this is a broker, so only brokers are
//! answered. Version 2 tells of fenced brokers as well, if asked (KIP-1073).
//!
//! Left out: authorization.

use std::borrow::Cow;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeClusterRequest, DescribeClusterResponse,
        describe_cluster_response::DescribeClusterBroker,
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeCluster,
    permissions: &[Permission::ClusterDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// The endpoint type of brokers.
const BROKER: i8 = 1;

/// The endpoint type of controllers.
const CONTROLLER: i8 = 2;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeClusterRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    if body.endpoint_type != BROKER {
        return Outcome::Now(request.answer(&refused(body.endpoint_type)));
    }
    let image = cx.broker.quorum.image();
    let nodes = cluster_view::nodes(&image, &cx.peer.listener)
        .filter(|(node, _)| body.include_fenced_brokers || !node.fenced);
    let brokers = nodes.map(|(node, endpoint)| DescribeClusterBroker {
        broker_id: node.id,
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port.into(),
        rack: node.rack.as_deref().map(Cow::Borrowed),
        is_fenced: node.fenced,
        ..DescribeClusterBroker::default()
    });
    let response = DescribeClusterResponse {
        endpoint_type: BROKER,
        cluster_id: Cow::Borrowed(&cx.broker.cluster_id),
        controller_id: cluster_view::controller_id(cx.broker, &image),
        brokers: brokers.collect(),
        cluster_authorized_operations: cluster_view::cluster_operations(
            body.include_cluster_authorized_operations,
        ),
        ..DescribeClusterResponse::default()
    };
    Outcome::Now(request.answer(&response))
}

fn refused(endpoint_type: i8) -> DescribeClusterResponse<'static> {
    let (error, text) = match endpoint_type {
        CONTROLLER => (
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type \
             CONTROLLER"
                .to_owned(),
        ),
        other => {
            (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}"))
        }
    };
    DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(Cow::Owned(text)),
        ..DescribeClusterResponse::default()
    }
}
