//! DescribeConfigs (key 32), versions 0 to 4: configurations with their values, where those come
//! from, and what else could have supplied them.
//!
//! Resources are topics, this broker (by its id) and all brokers (by the empty name), groups,
//! client metrics, and this broker's loggers. A list of keys, if not empty, says which are wanted;
//! unknown ones are left out. A type that is not known fails the request as a whole.
//!
//! Left out: authorization.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_config::{
    ConfigError, Dynamic,
    describe::{self, ConfigEntry, Describer, SynonymEntry},
};
use klamm_metadata::{Image, Resource, ResourceKind, decide::validate_topic_name};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{
            DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    loggers::Level,
    request::{Outcome, Request},
    rules::configured,
};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeConfigs,
    permissions: &[Permission::ClusterDescribeConfigs, Permission::TopicDescribeConfigs],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// Kafka's text for a request that makes no sense.
const MALFORMED: &str = "This most likely occurs because of a request being malformed by the \
                         client library or the message was sent to an incompatible broker. See the \
                         broker logs for more details.";

/// Kafka's number of the source of log levels.
const SOURCE_LOGGER: i8 = 6;

/// Kafka's number of the source of values that nobody set.
const SOURCE_DEFAULT: i8 = 5;

/// Why a resource is not described.
struct Fault {
    code: ErrorCode,
    text: String,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeConfigsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let kind =
        |resource: &DescribeConfigsResource<'_>| ResourceKind::from_number(resource.resource_type);
    let is_unknown =
        |resource: &DescribeConfigsResource<'_>| matches!(kind(resource), ResourceKind::Other(_));
    let malformed = body.resources.iter().any(is_unknown);
    let image = cx.broker.quorum.image();
    let results = body.resources.iter().map(|resource| {
        let described = if malformed {
            Err(Fault { code: ErrorCode::InvalidRequest, text: MALFORMED.to_owned() })
        } else {
            describe(cx, &image, kind(resource), &resource.resource_name)
        };
        result(resource, described, &body)
    });
    Outcome::Now(request.answer(&DescribeConfigsResponse {
        results: results.collect(),
        ..DescribeConfigsResponse::default()
    }))
}

/// What is said of a resource, before it is cut down to what was asked for.
enum Described {
    Entries(Vec<ConfigEntry>),
    Loggers(BTreeMap<String, Level>),
}

fn describe(
    cx: &Context<'_>,
    image: &Image,
    kind: ResourceKind,
    name: &str,
) -> Result<Described, Fault> {
    let broker = cx.broker;
    let default = configured(image, &Resource::all_brokers());
    let own = configured(image, &Resource::broker(broker.node_id));
    let describer =
        Describer { config: &broker.config, dynamic: Dynamic { default: &default, broker: &own } };
    let overrides = || configured(image, &Resource::new(kind, name));
    match kind {
        ResourceKind::Topic => {
            check_topic(image, name)?;
            entries(describer.topic(&overrides()))
        }
        ResourceKind::Broker if name.is_empty() => Ok(Described::Entries(describer.all_brokers())),
        ResourceKind::Broker => {
            check_broker(name, broker.node_id, " or empty string,")?;
            Ok(Described::Entries(describer.broker()))
        }
        ResourceKind::BrokerLogger if name.is_empty() => {
            Err(Fault::invalid("Broker id must not be empty"))
        }
        ResourceKind::BrokerLogger => {
            check_broker(name, broker.node_id, "")?;
            Ok(Described::Loggers(broker.loggers.all()))
        }
        ResourceKind::ClientMetrics if name.is_empty() => {
            Err(Fault::invalid("Client metrics subscription name must not be empty"))
        }
        ResourceKind::ClientMetrics => {
            Ok(Described::Entries(describe::client_metrics(&overrides())))
        }
        ResourceKind::Group if name.is_empty() => {
            Err(Fault::invalid("Group name must not be empty"))
        }
        ResourceKind::Group => entries(describer.group(&overrides())),
        ResourceKind::Other(_) => Err(Fault::invalid(MALFORMED)),
    }
}

fn entries(described: Result<Vec<ConfigEntry>, ConfigError>) -> Result<Described, Fault> {
    let invalid =
        |error: ConfigError| Fault { code: ErrorCode::InvalidConfig, text: error.to_string() };
    described.map(Described::Entries).map_err(invalid)
}

fn check_topic(image: &Image, name: &str) -> Result<(), Fault> {
    if let Err(refusal) = validate_topic_name(name) {
        return Err(Fault { code: refusal.code, text: refusal.message });
    }
    match image.topic(name) {
        Some(_) => Ok(()),
        None => Err(Fault { code: ErrorCode::UnknownTopicOrPartition, text: String::new() }),
    }
}

fn check_broker(name: &str, node_id: i32, or: &str) -> Result<(), Fault> {
    match name.parse::<i32>() {
        Ok(id) if id == node_id => Ok(()),
        Ok(id) => {
            let text = format!("Unexpected broker id, expected {node_id}{or} but received {id}");
            Err(Fault::invalid(&text))
        }
        Err(_) => Err(Fault::invalid(&format!("Broker id must be an integer, but it is: {name}"))),
    }
}

impl Fault {
    fn invalid(text: &str) -> Self {
        Self { code: ErrorCode::InvalidRequest, text: text.to_owned() }
    }
}

fn result<'a>(
    resource: &'a DescribeConfigsResource<'_>,
    described: Result<Described, Fault>,
    body: &DescribeConfigsRequest<'_>,
) -> DescribeConfigsResult<'a> {
    let head = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: Cow::Borrowed(&resource.resource_name),
        ..DescribeConfigsResult::default()
    };
    let keys = resource.configuration_keys.as_deref().unwrap_or_default();
    let is_wanted = |name: &str| keys.is_empty() || keys.iter().any(|key| key == name);
    let configs = match described {
        Ok(Described::Entries(entries)) => {
            let wanted = entries.into_iter().filter(|entry| is_wanted(&entry.name));
            wanted.map(|entry| config(entry, body)).collect()
        }
        Ok(Described::Loggers(levels)) => {
            let wanted = levels.into_iter().filter(|(name, _)| is_wanted(name));
            wanted.map(|(name, level)| logger(name, level, body.include_documentation)).collect()
        }
        Err(fault) => {
            return DescribeConfigsResult {
                error_code: fault.code.code(),
                error_message: Some(Cow::Owned(fault.text)),
                ..head
            };
        }
    };
    DescribeConfigsResult { configs, ..head }
}

fn config(
    entry: ConfigEntry,
    body: &DescribeConfigsRequest<'_>,
) -> DescribeConfigsResourceResult<'static> {
    let synonyms = if body.include_synonyms { entry.synonyms } else { Vec::new() };
    let documentation = entry.documentation.filter(|_| body.include_documentation);
    DescribeConfigsResourceResult {
        name: Cow::Owned(entry.name),
        value: entry.value.map(Cow::Owned),
        read_only: entry.read_only,
        is_default: entry.source.wire() == SOURCE_DEFAULT,
        config_source: entry.source.wire(),
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms.into_iter().map(synonym).collect(),
        config_type: entry.kind.map_or(0, klamm_config::Type::wire),
        documentation: documentation.map(Cow::Borrowed),
        ..DescribeConfigsResourceResult::default()
    }
}

fn synonym(synonym: SynonymEntry) -> DescribeConfigsSynonym<'static> {
    DescribeConfigsSynonym {
        name: Cow::Owned(synonym.name),
        value: synonym.value.map(Cow::Owned),
        source: synonym.source.wire(),
        ..DescribeConfigsSynonym::default()
    }
}

/// The level of a logger.
fn logger(name: String, level: Level, documented: bool) -> DescribeConfigsResourceResult<'static> {
    DescribeConfigsResourceResult {
        name: Cow::Owned(name),
        value: Some(Cow::Borrowed(level.name())),
        config_source: SOURCE_LOGGER,
        documentation: documented.then_some(Cow::Borrowed("")),
        ..DescribeConfigsResourceResult::default()
    }
}
