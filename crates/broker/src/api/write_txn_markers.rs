//! WriteTxnMarkers (key 27), versions 0 to 2: a transaction coordinator, or an administrator in its
//! place, ends transactions in partitions that this broker leads.

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        write_txn_markers_request::WritableTxnMarker,
        write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    broker::Broker,
    groups::OFFSETS_TOPIC,
    request::{Outcome, Request},
    transactions::{EndMarker, Written, write_marker},
};

pub(crate) const API: Api = Api {
    key: ApiKey::WriteTxnMarkers,
    permissions: &[Permission::ClusterAction],
    quota: QuotaClass::Exempt,
    audit: None,
    handle,
};

/// The markers of a producer in one topic: the topic, and what became of each partition.
type Topic = (String, Vec<(i32, Result<Written, ErrorCode>)>);

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: WriteTxnMarkersRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let written: Vec<(i64, Vec<Topic>)> =
        body.markers.iter().map(|of| (of.producer_id, write(cx.broker, of))).collect();
    let envelope = request.envelope();
    Outcome::Later(Box::pin(async move {
        let mut markers = Vec::new();
        for (producer_id, topics) in written {
            let mut told = Vec::new();
            for (name, partitions) in topics {
                told.push(topic_result(name, partitions).await);
            }
            let result =
                WritableTxnMarkerResult { producer_id, topics: told, ..Default::default() };
            markers.push(result);
        }
        envelope.answer(&WriteTxnMarkersResponse { markers, ..Default::default() })
    }))
}

fn write(broker: &Arc<Broker>, of: &WritableTxnMarker<'_>) -> Vec<Topic> {
    let marker = EndMarker {
        producer_id: of.producer_id,
        epoch: of.producer_epoch,
        committed: of.transaction_result,
        coordinator_epoch: of.coordinator_epoch,
        version: of.transaction_version.into(),
    };
    let topic =
        |topic: &klamm_protocol::messages::write_txn_markers_request::WritableTxnMarkerTopic<
            '_,
        >| {
            let indexes = topic.partition_indexes.iter();
            let written =
                indexes.map(|index| (*index, write_marker(broker, &topic.name, *index, &marker)));
            (topic.name.clone().into_owned(), written.collect())
        };
    of.topics.iter().map(topic).collect()
}

async fn topic_result(
    name: String,
    partitions: Vec<(i32, Result<Written, ErrorCode>)>,
) -> WritableTxnMarkerTopicResult<'static> {
    let mut results = Vec::new();
    for (partition_index, written) in partitions {
        let result = match written {
            Ok(written) => written.settle().await,
            Err(error) => Err(error),
        };
        let error = told(&name, result.err().unwrap_or(ErrorCode::None));
        results.push(WritableTxnMarkerPartitionResult {
            partition_index,
            error_code: error.code(),
            ..WritableTxnMarkerPartitionResult::default()
        });
    }
    WritableTxnMarkerTopicResult {
        name: name.into(),
        partitions: results,
        ..WritableTxnMarkerTopicResult::default()
    }
}

/// That a group coordinator is not here is told as if its partition were not.
fn told(topic: &str, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::CoordinatorNotAvailable
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::NotCoordinator
            if topic == OFFSETS_TOPIC =>
        {
            ErrorCode::NotLeaderOrFollower
        }
        error => error,
    }
}
