//! Topics that are made because somebody needs them: `auto.create.topics.enable`, and the broker's
//! own topics.

use std::{borrow::Cow, sync::Arc};

use klamm_env::net::BoxFuture;
use klamm_protocol::{
    ErrorCode,
    messages::{
        CreateTopicsRequest,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
    },
};

use crate::{
    assignments, broker::Broker, groups::OFFSETS_TOPIC, share::store::SHARE_STATE_TOPIC,
    transactions::TRANSACTIONS_TOPIC,
};

/// Makes topics and waits until this broker serves them. Gives what became of each; a topic that
/// was there already is no error.
pub(crate) fn create(
    broker: &Arc<Broker>,
    names: Vec<String>,
) -> BoxFuture<'static, Vec<(String, ErrorCode)>> {
    let broker = Arc::clone(broker);
    Box::pin(async move {
        let topics = names.iter().map(|name| wanted(&broker, name)).collect();
        let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
        let results = match broker.quorum.create_topics(request.into_static()).await {
            Ok(response) => response.topics,
            Err(error) => {
                let code = error.code();
                return names.into_iter().map(|name| (name, code)).collect();
            }
        };
        broker.caught_up_with_quorum().await;
        let outcome = |code: i16| match ErrorCode::from_code(code) {
            Some(ErrorCode::TopicAlreadyExists) => ErrorCode::None,
            Some(code) => code,
            None => ErrorCode::UnknownServerError,
        };
        let result =
            |topic: &klamm_protocol::messages::create_topics_response::CreatableTopicResult<'_>| {
                (topic.name.clone().into_owned(), outcome(topic.error_code))
            };
        results.iter().map(result).collect()
    })
}

fn wanted<'a>(broker: &Broker, name: &'a str) -> CreatableTopic<'a> {
    let settings = broker.settings.load();
    let (offsets, transactions) = (&settings.offsets, &settings.transactions);
    let (partitions, replication) = match name {
        OFFSETS_TOPIC => (offsets.topic_num_partitions, offsets.topic_replication_factor),
        TRANSACTIONS_TOPIC => {
            (transactions.topic_num_partitions, transactions.topic_replication_factor)
        }
        SHARE_STATE_TOPIC => (
            settings.share_state.topic_num_partitions,
            settings.share_state.topic_replication_factor,
        ),
        _ => (-1, -1),
    };
    let replication = replication.min(assignments::replicas_max(broker));
    let config = |(name, value): (String, String)| CreatableTopicConfig {
        name: Cow::Owned(name),
        value: Some(Cow::Owned(value)),
        ..CreatableTopicConfig::default()
    };
    CreatableTopic {
        name: Cow::Borrowed(name),
        num_partitions: partitions,
        replication_factor: replication,
        configs: assignments::internal_topic_configs(broker, name)
            .into_iter()
            .map(config)
            .collect(),
        ..CreatableTopic::default()
    }
}
