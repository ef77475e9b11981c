//! What a broker tells over HTTP: metrics for Prometheus, probes, and slow requests.
//!
//! Nobody is asked who he is, so nothing here changes anything, and what names single requests is
//! told to callers on this machine only.
//!
//! *Architecture invariant:* the broker is reached by [`klamm_broker::Observe`] and nothing else.
//! The plane has sockets of its own, which are not simulated.

mod listener;
mod pages;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{Router, routing::get};
use klamm_broker::Observe;
use tokio::{net::TcpListener, sync::watch};

use crate::listener::{Caller, Limited};

/// Why the HTTP side does not start.
#[derive(Debug, thiserror::Error)]
#[error("klamm.admin.listeners: cannot listen on {address}: {error}")]
pub struct AdminError {
    /// The address.
    pub address: String,
    /// Why.
    pub error: io::Error,
}

/// What all requests share.
#[derive(Debug, Default)]
struct Shared {
    /// None until the broker has started.
    broker: OnceLock<Arc<dyn Observe>>,
}

/// The HTTP side of a broker. It ends when this is dropped.
#[derive(Debug)]
pub struct Admin {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
}

impl Admin {
    /// Listens on all addresses, `host:port` each; port 0 takes a free one. Until a broker is
    /// [attached](Self::attach) the process is alive and not ready.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn start(addresses: &[String]) -> Result<Self, AdminError> {
        let mut bound = Vec::new();
        for address in addresses {
            let listener = TcpListener::bind(with_host(address)).await;
            let failed = |error| AdminError { address: address.clone(), error };
            let listener = listener.map_err(failed)?;
            let local = listener.local_addr().map_err(failed)?;
            bound.push((listener, local));
        }
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::default());
        for (_, local) in &bound {
            if !local.ip().is_loopback() {
                tracing::warn!(
                    "metrics at http://{local}/metrics are for everyone who reaches this address: \
                     they name topics, groups and clients"
                );
            }
        }
        let addresses = bound.iter().map(|(_, local)| *local).collect();
        for (listener, _) in bound {
            tokio::spawn(serve(listener, Arc::clone(&shared), stopped.clone()));
        }
        Ok(Self { shared, addresses, stop })
    }

    /// As [`start`](Self::start) on one address that nobody asked for: if its port is taken, by
    /// another broker perhaps, a free one will do.
    ///
    /// # Errors
    /// There is no free port either.
    pub async fn start_anywhere(addresses: &[String]) -> Result<Self, AdminError> {
        match Self::start(addresses).await {
            Err(AdminError { address, error }) if error.kind() == io::ErrorKind::AddrInUse => {
                let host = address.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
                let admin = Self::start(&[format!("{host}:0")]).await?;
                tracing::info!("{address} is taken: metrics are at {:?} instead", admin.addresses);
                Ok(admin)
            }
            started => started,
        }
    }

    /// From now on this broker answers. A second one is ignored.
    pub fn attach(&self, broker: Arc<dyn Observe>) {
        drop(self.shared.broker.set(broker));
    }

    /// Where it listens, with the ports taken.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// An empty host is every interface, as in `listeners`.
fn with_host(address: &str) -> String {
    if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let app = Router::new()
        .route("/", get(pages::index))
        .route("/metrics", get(pages::metrics))
        .route("/livez", get(pages::livez))
        .route("/readyz", get(pages::readyz))
        .route("/debug/slow-requests", get(pages::slow_requests))
        .with_state(shared)
        .into_make_service_with_connect_info::<Caller>();
    let served = axum::serve(Limited::new(listener), app).into_future();
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        ended = served => if let Err(error) = ended {
            tracing::error!("the HTTP side has ended: {error}");
        }
    }
}
