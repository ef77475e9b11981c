//! Which listeners are open: those of the start, and what changes of `listeners` make of them.
//!
//! A listener that is taken away ends with its connections. What clients are told to connect to was
//! registered at the start and stays.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use klamm_config::{BrokerSettings, Endpoint};
use klamm_env::{
    Env,
    net::{ListenOptions, Listener},
};
use tokio::sync::Notify;

use crate::{
    broker::Broker,
    listener::{self, StopBell},
    server::StartError,
};

/// A listener that is open but not yet served.
pub(crate) struct Bound {
    pub(crate) endpoint: Endpoint,
    pub(crate) listener: Box<dyn Listener>,
}

/// Rung when the settings change.
#[derive(Debug, Default)]
pub(crate) struct Listening(Notify);

impl Listening {
    /// The settings may have changed.
    pub(crate) fn look_again(&self) {
        self.0.notify_one();
    }
}

/// Opens all listeners of the settings.
pub(crate) async fn bind(env: &Env, settings: &BrokerSettings) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    for endpoint in wanted(settings) {
        match open(env, settings, &endpoint).await {
            Ok(listener) => bound.push(Bound { endpoint, listener }),
            Err((address, error)) => return Err(StartError::Listen { address, error }),
        }
    }
    Ok(bound)
}

fn wanted(settings: &BrokerSettings) -> Vec<Endpoint> {
    let all = settings.network.listeners.iter();
    all.filter(|endpoint| !endpoint.controller).cloned().collect()
}

async fn open(
    env: &Env,
    settings: &BrokerSettings,
    endpoint: &Endpoint,
) -> Result<Box<dyn Listener>, (String, io::Error)> {
    let (network, usual) = (&settings.network, ListenOptions::default());
    let options = ListenOptions {
        backlog: network.socket_listen_backlog_size.unwrap_or(usual.backlog),
        send_buffer_bytes: network.socket_send_buffer_bytes,
        receive_buffer_bytes: network.socket_receive_buffer_bytes,
    };
    let host = if endpoint.host.is_empty() { "0.0.0.0" } else { &endpoint.host };
    let address = format!("{host}:{}", endpoint.port);
    env.net.listen(&address, options).await.map_err(|error| (address, error))
}

/// The listeners that are served, with what ends each.
type Served = BTreeMap<String, (Endpoint, StopBell)>;

/// Serves listeners, and follows changes of `listeners` until the broker stops.
pub(crate) fn serve(broker: &Arc<Broker>, bound: Vec<Bound>) -> Vec<(String, SocketAddr)> {
    let mut served = Served::new();
    let mut addresses = Vec::new();
    for bound in bound {
        addresses.push((bound.endpoint.name.clone(), bound.listener.local_addr()));
        begin(broker, &mut served, bound);
    }
    tokio::spawn(follow(Arc::clone(broker), served));
    addresses
}

fn begin(broker: &Arc<Broker>, served: &mut Served, Bound { endpoint, listener }: Bound) {
    let (name, bell) = (endpoint.name.clone(), StopBell::new());
    let accepted =
        listener::accept(Arc::clone(broker), listener, name.as_str().into(), bell.listen());
    tokio::spawn(accepted);
    served.insert(name, (endpoint, bell));
}

async fn follow(broker: Arc<Broker>, mut served: Served) {
    let stop = broker.stop.listen();
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => break,
            () = broker.listening.0.notified() => {}
        }
        let settings = broker.settings.load_full();
        let resolved = broker.connections.resolve_hosts(&*broker.env.net, &settings.network).await;
        if let Err(error) = resolved {
            tracing::error!("{error}");
        }
        let wanted = wanted(&settings);
        let stays = |endpoint: &Endpoint| wanted.contains(endpoint);
        for (endpoint, bell) in served.values().filter(|(endpoint, _)| !stays(endpoint)) {
            tracing::info!("listener {} is closed", endpoint.name);
            bell.ring();
        }
        served.retain(|_, (endpoint, _)| stays(endpoint));
        for endpoint in wanted {
            if served.contains_key(&endpoint.name) {
                continue;
            }
            match open(&broker.env, &settings, &endpoint).await {
                Ok(listener) => {
                    let address = listener.local_addr();
                    tracing::info!("listener {} is open at {address}", endpoint.name);
                    begin(&broker, &mut served, Bound { endpoint, listener });
                }
                Err((address, error)) => {
                    tracing::error!(
                        "listener {} cannot listen on {address}: {error}",
                        endpoint.name
                    );
                }
            }
        }
    }
    served.values().for_each(|(_, bell)| bell.ring());
}
