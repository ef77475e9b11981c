//! Listeners, security protocols, quorum voters: the values that have a syntax of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::effective::Effective;
use crate::error::ConfigError;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encryption nor authentication.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// The protocol of this name, in any case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Some(Self::Plaintext),
            "SSL" => Some(Self::Ssl),
            "SASL_PLAINTEXT" => Some(Self::SaslPlaintext),
            "SASL_SSL" => Some(Self::SaslSsl),
            _ => None,
        }
    }

    /// The protocol's code in metadata records (`BrokerEndpoint.SecurityProtocol`).
    #[must_use]
    pub fn wire(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

/// One entry of `listeners` or `advertised.listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the listener, in upper case.
    pub name: String,
    /// Host name or address; empty means every interface, or the machine's own name when it is
    /// advertised.
    pub host: String,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// What is spoken on it.
    pub protocol: SecurityProtocol,
    /// Whether it is named in `controller.listener.names`.
    pub controller: bool,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// One entry of `controller.quorum.voters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// The controller's `node.id`.
    pub id: i32,
    /// Where it listens.
    pub at: HostPort,
}

/// The listeners of a node, as its keys give them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listeners {
    pub(crate) listeners: Vec<Endpoint>,
    pub(crate) advertised: Vec<Endpoint>,
    pub(crate) inter_broker: String,
}

impl Listeners {
    pub(crate) fn of(config: &Effective) -> Result<Self, ConfigError> {
        let protocols = protocol_map(config)?;
        let listeners = parse_endpoints(config, &protocols, "listeners", true)?;
        let advertised = match config.list("advertised.listeners") {
            Some(_) => parse_endpoints(config, &protocols, "advertised.listeners", false)?,
            None => listeners.iter().filter(|endpoint| !endpoint.controller).cloned().collect(),
        };
        Ok(Self { listeners, advertised, inter_broker: inter_broker_name(config, &protocols)? })
    }
}

/// `listener.security.protocol.map`. Unless it was set, controller listeners that it lacks speak
/// PLAINTEXT, provided that no listener is named after TLS or SASL.
fn protocol_map(config: &Effective) -> Result<BTreeMap<String, SecurityProtocol>, ConfigError> {
    const KEY: &str = "listener.security.protocol.map";
    let text = config.text(KEY).unwrap_or_default();
    let mut map = BTreeMap::new();
    for pair in crate::value::split_list(text.trim()) {
        let Some((name, protocol)) = pair.rsplit_once(':') else {
            return Err(ConfigError::Rule(format!(
                "Error parsing configuration property '{KEY}': {pair} is not NAME:PROTOCOL"
            )));
        };
        let protocol = SecurityProtocol::of_name(protocol.trim()).ok_or_else(|| {
            ConfigError::Rule(format!("Invalid security protocol `{protocol}` defined in {KEY}"))
        })?;
        map.insert(name.trim().to_uppercase(), protocol);
    }
    let controllers = config.list("controller.listener.names").unwrap_or_default();
    let secured = |name: &str| {
        SecurityProtocol::of_name(name).is_some_and(|p| p != SecurityProtocol::Plaintext)
    };
    let listeners = config.list("listeners").unwrap_or_default();
    let mut names = listeners
        .iter()
        .filter_map(|l| l.split(':').next())
        .chain(controllers.iter().map(String::as_str));
    if !config.is_set(KEY) && !names.any(secured) {
        for name in controllers {
            map.entry(name.to_uppercase()).or_insert(SecurityProtocol::Plaintext);
        }
    }
    Ok(map)
}

fn parse_endpoints(
    config: &Effective,
    protocols: &BTreeMap<String, SecurityProtocol>,
    key: &str,
    distinct_ports: bool,
) -> Result<Vec<Endpoint>, ConfigError> {
    let texts = config.list(key).unwrap_or_default();
    let all = format!("[{}]", texts.join(", "));
    let fail = |reason: String| {
        ConfigError::Rule(format!("Error creating broker listeners from '{all}': {reason}"))
    };
    let controllers = config.list("controller.listener.names").unwrap_or_default();
    let mut endpoints = Vec::with_capacity(texts.len());
    for text in texts {
        let (name, at) = parse_endpoint(text)
            .ok_or_else(|| fail(format!("Unable to parse {text} to a broker endpoint")))?;
        let protocol = protocols
            .get(&name)
            .ok_or_else(|| fail(format!("No security protocol defined for listener {name}")))?;
        let controller = controllers.iter().any(|c| c.to_uppercase() == name);
        endpoints.push(Endpoint {
            name,
            host: at.host,
            port: at.port,
            protocol: *protocol,
            controller,
        });
    }
    let names: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    if names.len() < endpoints.len() {
        return Err(fail(format!("Each listener must have a different name, listeners: {all}")));
    }
    if distinct_ports && shares_a_port(&endpoints) {
        return Err(fail(format!("Each listener must have a different port, listeners: {all}")));
    }
    Ok(endpoints)
}

/// Two listeners may share a port if one has an IPv4 address and the other an IPv6 address.
fn shares_a_port(endpoints: &[Endpoint]) -> bool {
    let mut by_port: BTreeMap<u16, Vec<Option<bool>>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.port != 0) {
        let is_v4 = endpoint.host.parse().ok().map(|address: IpAddr| address.is_ipv4());
        by_port.entry(endpoint.port).or_default().push(is_v4);
    }
    by_port.values().any(|versions| {
        let pair = matches!(versions[..], [Some(a), Some(b)] if a != b);
        versions.len() > 1 && !pair
    })
}

fn parse_endpoint(text: &str) -> Option<(String, HostPort)> {
    let (name, address) = text.split_once("://")?;
    Some((name.to_uppercase(), parse_host_port(address)?))
}

/// `host:port` or `[address]:port`; the host may be empty.
fn parse_host_port(text: &str) -> Option<HostPort> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    let port = port.parse().ok()?;
    host.chars().all(allowed).then(|| HostPort { host: host.to_owned(), port })
}

/// Parses `controller.quorum.voters`.
pub(crate) fn parse_voters(items: &[String]) -> Result<Vec<Voter>, ConfigError> {
    const KEY: &str = "controller.quorum.voters";
    let parse = |item: &String| {
        let (id, address) = item.split_once('@').ok_or_else(|| {
            ConfigError::Rule(format!(
                "Invalid configuration value for {KEY}. Each entry should be in the form \
                 `{{id}}@{{host}}:{{port}}`."
            ))
        })?;
        let id = id.parse().map_err(|_| {
            ConfigError::Rule(format!("Failed to parse voter ID as an integer from {id}"))
        })?;
        let at = parse_host_port(address).ok_or_else(|| {
            ConfigError::Rule(format!(
                "Failed to parse host name from entry {item} for the configuration {KEY}. Each \
                 entry should be in the form `{{id}}@{{host}}:{{port}}`."
            ))
        })?;
        Ok(Voter { id, at })
    };
    items.iter().map(parse).collect()
}

/// Parses a list of `host:port`.
pub(crate) fn parse_host_ports(key: &str, items: &[String]) -> Result<Vec<HostPort>, ConfigError> {
    let parse = |item: &String| {
        parse_host_port(item).filter(|at| !at.host.is_empty()).ok_or_else(|| {
            ConfigError::Rule(format!(
                "Failed to parse host name from {item} for the configuration {key}. Each entry \
                 should be in the form \"{{host}}:{{port}}\""
            ))
        })
    };
    items.iter().map(parse).collect()
}

/// `max.connections.per.ip.overrides`: connection limits by host name or address.
pub(crate) fn parse_ip_overrides(text: &str) -> Result<BTreeMap<String, i32>, ConfigError> {
    const KEY: &str = "max.connections.per.ip.overrides";
    let mut limits = BTreeMap::new();
    for pair in crate::value::split_list(text.trim()) {
        let wrong = || {
            ConfigError::Rule(format!(
                "Error parsing configuration property '{KEY}': {pair} is not host:count"
            ))
        };
        let (host, count) = pair.rsplit_once(':').ok_or_else(wrong)?;
        let count = count.trim().parse().map_err(|_| wrong())?;
        let host = host.trim();
        if !is_host(host) {
            return Err(ConfigError::Rule(format!("{KEY} contains invalid addresses : {host}")));
        }
        limits.insert(host.to_owned(), count);
    }
    Ok(limits)
}

/// An IP address, or a name made of the letters a DNS name has.
fn is_host(host: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(name))
}

fn inter_broker_name(
    config: &Effective,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<String, ConfigError> {
    let Some(name) = config.text("inter.broker.listener.name") else {
        return Ok(config.text("security.inter.broker.protocol").unwrap_or_default().to_owned());
    };
    if config.is_set("security.inter.broker.protocol") {
        return Err(ConfigError::rule(
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be \
             set.",
        ));
    }
    let name = name.to_uppercase();
    if protocols.contains_key(&name) {
        return Ok(name);
    }
    Err(ConfigError::Rule(format!(
        "Listener with name {name} defined in inter.broker.listener.name not found in \
         listener.security.protocol.map."
    )))
}
