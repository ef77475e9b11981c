//! Metadata (key 3), versions 0 to 13: brokers, topics, and who leads what.
//!
//! Topics are asked for by name, from version 12 on also by id; no list (in version 0 an empty
//! one) asks for all. Names that are asked for and do not exist are made, if the request and
//! `auto.create.topics.enable` allow it, and are in the same answer; Kafka tells the client to ask
//! again.
//!
//! Cost: per topic asked for one look-up in the image, whatever else is in the cluster.
//!
//! Left out: authorization; all operations are answered as allowed.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use klamm_metadata::{Image, Partition, Topic};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        MetadataRequest, MetadataResponse,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
    },
    wire::Uuid,
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::{
    assignments::is_internal,
    auto_create,
    broker::Broker,
    request::{Answer, Envelope, Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::Metadata,
    permissions: &[Permission::TopicDescribe, Permission::TopicCreate],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// Which topics are wanted.
enum Wanted {
    All,
    /// Without duplicates, in the order of the request.
    Names(Vec<String>),
    /// Without duplicates, in the order of the request.
    Ids(Vec<Uuid>),
}

/// A request, independent of its frame.
struct Plan {
    envelope: Envelope,
    listener: Arc<str>,
    wanted: Wanted,
    creates: bool,
    cluster_operations: bool,
    topic_operations: bool,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: MetadataRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    if let Some(error) = fault(request.version, &body) {
        return Outcome::Now(request.answer(&refused(&body, error)));
    }
    let auto_create = cx.broker.settings.load().topics.auto_create_topics_enable;
    let plan = Plan {
        envelope: request.envelope(),
        listener: Arc::clone(&cx.peer.listener),
        wanted: wanted(request.version, &body),
        creates: auto_create && (request.version < 4 || body.allow_auto_topic_creation),
        cluster_operations: body.include_cluster_authorized_operations,
        topic_operations: body.include_topic_authorized_operations,
    };
    let missing = plan.missing(&cx.broker.quorum.image());
    if missing.is_empty() {
        return Outcome::Now(plan.answer(cx.broker));
    }
    let broker = Arc::clone(cx.broker);
    Outcome::Later(Box::pin(async move {
        for (name, error) in auto_create::create(&broker, missing).await {
            if error != ErrorCode::None {
                tracing::info!("topic {name} is asked for and cannot be made: {error:?}");
            }
        }
        plan.answer(&broker)
    }))
}

/// What is wrong with a request as a whole. A topic needs a name, or an id in versions that
/// promise to look at it (KAFKA-13111 took that back for 10 and 11).
fn fault(version: i16, body: &MetadataRequest<'_>) -> Option<ErrorCode> {
    let topics = body.topics.as_deref().unwrap_or_default();
    if version < 12 && topics.iter().any(|t| t.name.is_none() || !t.topic_id.is_zero()) {
        return Some(ErrorCode::InvalidRequest);
    }
    let by_id = topics.iter().any(|topic| !topic.topic_id.is_zero());
    // Kafka's code stumbles over this one.
    (!by_id && topics.iter().any(|t| t.name.is_none())).then_some(ErrorCode::UnknownServerError)
}

fn refused<'a>(body: &'a MetadataRequest<'_>, error: ErrorCode) -> MetadataResponse<'a> {
    let topics = body.topics.iter().flatten().map(|topic| MetadataResponseTopic {
        error_code: error.code(),
        name: Some(Cow::Borrowed(topic.name.as_deref().unwrap_or_default())),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    });
    MetadataResponse {
        topics: topics.collect(),
        error_code: error.code(),
        ..MetadataResponse::default()
    }
}

fn wanted(version: i16, body: &MetadataRequest<'_>) -> Wanted {
    let Some(topics) = &body.topics else { return Wanted::All };
    if version == 0 && topics.is_empty() {
        return Wanted::All;
    }
    let mut ids_seen = BTreeSet::new();
    let ids = topics.iter().map(|topic| topic.topic_id);
    let ids: Vec<Uuid> = ids.filter(|id| !id.is_zero() && ids_seen.insert(*id)).collect();
    if !ids.is_empty() {
        return Wanted::Ids(ids);
    }
    let mut names_seen = BTreeSet::new();
    let names = topics.iter().filter_map(|topic| topic.name.as_deref());
    Wanted::Names(names.filter(|name| names_seen.insert(*name)).map(str::to_owned).collect())
}

impl Plan {
    /// The topics that are to be made.
    fn missing(&self, image: &Image) -> Vec<String> {
        let Wanted::Names(names) = &self.wanted else { return Vec::new() };
        let is_missing = |name: &&String| {
            image.topic(name).is_none()
                && cluster_view::missing_topic(name) == ErrorCode::UnknownTopicOrPartition
        };
        if !self.creates {
            return Vec::new();
        }
        names.iter().filter(is_missing).cloned().collect()
    }

    fn answer(&self, broker: &Broker) -> Answer {
        let image = broker.quorum.image();
        let alive = cluster_view::nodes(&image, &self.listener).filter(|(node, _)| !node.fenced);
        let brokers = alive.map(|(node, endpoint)| MetadataResponseBroker {
            node_id: node.id,
            host: Cow::Borrowed(&endpoint.host),
            port: endpoint.port.into(),
            rack: node.rack.as_deref().map(Cow::Borrowed),
            ..MetadataResponseBroker::default()
        });
        self.envelope.answer(&MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: Some(Cow::Borrowed(&broker.cluster_id)),
            controller_id: cluster_view::controller_id(broker, &image),
            topics: self.topics(&image),
            cluster_authorized_operations: cluster_view::cluster_operations(
                self.cluster_operations,
            ),
            ..MetadataResponse::default()
        })
    }

    /// Kafka's order: ids that do not exist, topics that do, names that do not; where names could
    /// be made, invalid ones before the others.
    fn topics<'a>(&'a self, image: &'a Image) -> Vec<MetadataResponseTopic<'a>> {
        match &self.wanted {
            Wanted::All => image.topics().map(|topic| self.topic(image, topic)).collect(),
            Wanted::Ids(ids) => {
                let missing = ids.iter().filter(|id| image.topic_by_id(**id).is_none());
                let found = ids.iter().filter_map(|id| image.topic_by_id(*id));
                let missing = missing.map(|id| unknown_id(*id));
                missing.chain(found.map(|topic| self.topic(image, topic))).collect()
            }
            Wanted::Names(names) => {
                let mut topics = Vec::with_capacity(names.len());
                let mut missing = Vec::new();
                for name in names {
                    match image.topic(name) {
                        Some(topic) => topics.push(self.topic(image, topic)),
                        None => missing.push(self.unknown_name(name)),
                    }
                }
                if self.creates {
                    let invalid = ErrorCode::InvalidTopicException.code();
                    missing.sort_by_key(|topic| topic.error_code != invalid);
                }
                topics.extend(missing);
                topics
            }
        }
    }

    fn topic<'a>(&self, image: &Image, topic: &'a Topic) -> MetadataResponseTopic<'a> {
        let partitions = topic.partitions();
        MetadataResponseTopic {
            name: Some(Cow::Borrowed(&topic.name)),
            topic_id: topic.id,
            is_internal: is_internal(&topic.name),
            partitions: partitions.map(|(n, part)| self.partition(image, n, part)).collect(),
            topic_authorized_operations: cluster_view::topic_operations(self.topic_operations),
            ..MetadataResponseTopic::default()
        }
    }

    fn unknown_name<'a>(&self, name: &'a str) -> MetadataResponseTopic<'a> {
        MetadataResponseTopic {
            error_code: cluster_view::missing_topic(name).code(),
            name: Some(Cow::Borrowed(name)),
            is_internal: is_internal(name),
            topic_authorized_operations: cluster_view::topic_operations(self.topic_operations),
            ..MetadataResponseTopic::default()
        }
    }

    fn partition(
        &self,
        image: &Image,
        index: i32,
        partition: &Partition,
    ) -> MetadataResponsePartition<'static> {
        let (version, listener) = (self.envelope.version, &*self.listener);
        // A client of version 0 looks up each replica among the brokers of the answer.
        let reachable = |id: &i32| {
            version > 0 || image.broker(*id).is_some_and(|node| node.endpoint(listener).is_some())
        };
        let all_or_reachable =
            |ids: &[i32]| ids.iter().copied().filter(reachable).collect::<Vec<i32>>();
        let replica_nodes = all_or_reachable(&partition.replicas);
        let isr_nodes = all_or_reachable(&partition.isr);
        let (leader_id, mut error) = cluster_view::leader(image, partition, listener, version >= 6);
        let is_cut =
            replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len();
        if error == ErrorCode::None && is_cut {
            error = ErrorCode::ReplicaNotAvailable;
        }
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: cluster_view::offline_replicas(image, partition, listener),
            ..MetadataResponsePartition::default()
        }
    }
}

fn unknown_id(id: Uuid) -> MetadataResponseTopic<'static> {
    MetadataResponseTopic {
        error_code: ErrorCode::UnknownTopicId.code(),
        name: None,
        topic_id: id,
        ..MetadataResponseTopic::default()
    }
}
