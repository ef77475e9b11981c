//! What becomes of the keys of Kafka's `server.properties`.

use klamm_config::{
    BrokerConfig, BrokerSettings, ConfigFile, Dynamic, Effect, Layers, SecurityProtocol, keys,
};

use super::{Found, SettingFound, no_config};

/// Judges every key, and the whole. Without a file the defaults hold.
pub(super) fn look(file: Option<&ConfigFile>, found: &mut Found) -> BrokerConfig {
    let Some(file) = file else { return no_config() };
    for entry in file.entries() {
        let reason = reason_against(&entry.name);
        found.settings.push(SettingFound {
            key: entry.name.clone(),
            line: entry.line,
            honoured: reason.is_none(),
            reason,
        });
    }
    let layers = Layers { file: file.clone(), ..Layers::default() };
    let config = match BrokerConfig::resolve(layers) {
        Ok(config) => config,
        Err(problems) => {
            let lines = problems.iter().map(|problem| format!("configuration: {problem}"));
            found.refused.extend(lines);
            return no_config();
        }
    };
    check_listeners(&config, found);
    let authorizer = config.statics().get("authorizer.class.name");
    if authorizer.is_some_and(|class| !class.trim().is_empty()) && !super::metadata::has_acls() {
        found
            .not_carried_over
            .push("authorizer.class.name has no effect: every client may do everything".to_owned());
    }
    config
}

/// Why a key does not do what its documentation says.
pub(super) fn reason_against(name: &str) -> Option<String> {
    let Some(key) = keys::find_broker(name) else {
        return Some("neither Kafka nor Klamm knows it".to_owned());
    };
    match key.effect {
        Effect::Honoured => None,
        Effect::Accepted(reason) => Some(reason.to_owned()),
        Effect::JvmOnly => Some("it configures a Java process".to_owned()),
    }
}

/// A listener that promised encryption or authentication must not be opened without them.
fn check_listeners(config: &BrokerConfig, found: &mut Found) {
    let Ok(settings) = BrokerSettings::of(&config.effective(Dynamic::NONE)) else { return };
    let served = settings.network.listeners.iter().filter(|endpoint| !endpoint.controller);
    for endpoint in served.filter(|endpoint| endpoint.protocol != SecurityProtocol::Plaintext) {
        found.refused.push(format!(
            "listener {} is {}: listeners speak PLAINTEXT only so far. Give a configuration without \
             it to go on",
            endpoint.name, endpoint.protocol
        ));
    }
}
