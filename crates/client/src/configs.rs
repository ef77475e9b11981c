//! Describing and altering configurations.

use klamm_protocol::{
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    wire::VersionRange,
};

use crate::{
    Client, ClientError,
    client::{Lane, Target},
};

/// From version 1 a value's source is told.
const DESCRIBE_CONFIGS: VersionRange = VersionRange::new(1, 4);
const INCREMENTAL_ALTER_CONFIGS: VersionRange = VersionRange::new(0, 1);

/// Kafka's numbers of alterations (`AlterConfigOp.OpType`).
const SET: i8 = 0;
const DELETE: i8 = 1;

/// The kinds of things that have a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// A topic, by name.
    Topic,
    /// A broker, by id; the empty name stands for all brokers.
    Broker,
    /// A group, by id (KIP-848).
    Group,
}

impl ResourceType {
    /// Kafka's number of the kind (`ConfigResource.Type`).
    #[must_use]
    pub fn wire(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::Group => 32,
        }
    }

    /// The kind in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
            Self::Group => "group",
        }
    }
}

/// Something that has a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ResourceType,
    /// Its name.
    pub name: String,
}

/// A configuration's value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value; none where it is secret, or unset.
    pub value: Option<String>,
    /// Kafka's name of the source, such as `DYNAMIC_TOPIC_CONFIG`.
    pub source: &'static str,
    /// Whether it was not set anywhere.
    pub is_default: bool,
    /// Whether it can only be set in the broker's file.
    pub is_read_only: bool,
    /// Whether the value is secret.
    pub is_sensitive: bool,
    /// Values that would hold if stronger ones were taken away, the strongest first.
    pub synonyms: Vec<ConfigSynonym>,
    /// What the key is for.
    pub documentation: Option<String>,
}

/// One of the places where a value may be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key there.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// Kafka's name of the source.
    pub source: &'static str,
}

/// Kafka's name of a source and whether it is the default.
fn source(number: i8) -> (&'static str, bool) {
    match number {
        1 => ("DYNAMIC_TOPIC_CONFIG", false),
        2 => ("DYNAMIC_BROKER_CONFIG", false),
        3 => ("DYNAMIC_DEFAULT_BROKER_CONFIG", false),
        4 => ("STATIC_BROKER_CONFIG", false),
        5 => ("DEFAULT_CONFIG", true),
        6 => ("DYNAMIC_BROKER_LOGGER_CONFIG", false),
        7 => ("DYNAMIC_CLIENT_METRICS_CONFIG", false),
        8 => ("DYNAMIC_GROUP_CONFIG", false),
        _ => ("UNKNOWN", false),
    }
}

impl ConfigResource {
    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self { kind: ResourceType::Topic, name: name.into() }
    }

    /// A broker must be asked itself: only it knows its file.
    fn target(&self) -> Target<'static> {
        match (self.kind, self.name.parse()) {
            (ResourceType::Broker, Ok(id)) => Target::Broker(id),
            _ => Target::Any,
        }
    }

    fn subject(&self) -> String {
        match self.name.as_str() {
            "" => format!("all {}s", self.kind.name()),
            name => format!("{} {name}", self.kind.name()),
        }
    }
}

impl Client {
    /// The configuration of one resource.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` where there is no such resource.
    pub async fn describe_config(
        &self,
        resource: &ConfigResource,
        documentation: bool,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let wanted = DescribeConfigsResource {
            resource_type: resource.kind.wire(),
            resource_name: resource.name.as_str().into(),
            configuration_keys: None,
            ..DescribeConfigsResource::default()
        };
        let request = DescribeConfigsRequest {
            resources: vec![wanted],
            include_synonyms: true,
            include_documentation: documentation,
            ..DescribeConfigsRequest::default()
        };
        let mut retry = self.retry();
        loop {
            let sent = self.call(resource.target(), Lane::Main, DESCRIBE_CONFIGS, &request).await;
            let result = sent.and_then(|reply| {
                let answer = reply.decode::<DescribeConfigsResponse<'_>>()?;
                answer.results.iter().try_for_each(|one| check(one, resource))?;
                Ok(answer.results.iter().flat_map(|one| &one.configs).map(entry).collect())
            });
            match result {
                // The table calls an unknown topic retriable; here it is simply not there.
                Err(error) if self.is_hopeless(&error) || error.code().is_some() => {
                    return Err(error);
                }
                Err(error) => retry.after(error).await?,
                Ok(entries) => return Ok(entries),
            }
        }
    }

    /// Sets (`Some`) and removes (`None`) configurations of one resource.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` where a key or value is not allowed.
    pub async fn alter_config(
        &self,
        resource: &ConfigResource,
        changes: &[(String, Option<String>)],
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let change = |(name, value): &(String, Option<String>)| AlterableConfig {
            name: name.clone().into(),
            config_operation: if value.is_some() { SET } else { DELETE },
            value: value.clone().map(Into::into),
            ..AlterableConfig::default()
        };
        let altered = AlterConfigsResource {
            resource_type: resource.kind.wire(),
            resource_name: resource.name.as_str().into(),
            configs: changes.iter().map(change).collect(),
            ..AlterConfigsResource::default()
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![altered],
            validate_only,
            ..IncrementalAlterConfigsRequest::default()
        };
        let target = match resource.target() {
            Target::Any => Target::Controller,
            target => target,
        };
        let reply = self.call(target, Lane::Main, INCREMENTAL_ALTER_CONFIGS, &request).await?;
        let answer = reply.decode::<IncrementalAlterConfigsResponse<'_>>()?;
        answer.responses.iter().try_for_each(|one| {
            let message = one.error_message.as_deref();
            ClientError::check(one.error_code, message, || resource.subject())
        })
    }
}

fn check(result: &DescribeConfigsResult<'_>, resource: &ConfigResource) -> Result<(), ClientError> {
    ClientError::check(result.error_code, result.error_message.as_deref(), || resource.subject())
}

fn entry(config: &DescribeConfigsResourceResult<'_>) -> ConfigEntry {
    let (name, is_default) = source(config.config_source);
    let text = |value: &Option<std::borrow::Cow<'_, str>>| value.as_deref().map(str::to_owned);
    let synonyms = config.synonyms.iter().map(|synonym| ConfigSynonym {
        name: synonym.name.to_string(),
        value: text(&synonym.value),
        source: source(synonym.source).0,
    });
    ConfigEntry {
        name: config.name.to_string(),
        value: text(&config.value),
        source: name,
        is_default,
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        synonyms: synonyms.collect(),
        documentation: text(&config.documentation),
    }
}
