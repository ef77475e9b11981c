//! Requests, connections, records and quotas.

use klamm_metrics::Page;
use klamm_protocol::ErrorCode;

use super::definitions::{
    CLIENT_CONNECTIONS, CONNECTIONS, CONNECTIONS_ACCEPTED, CONNECTIONS_REFUSED, FETCH_SESSIONS,
    NETWORK_BYTES_IN, NETWORK_BYTES_OUT, RECORD_BYTES_IN, RECORD_BYTES_OUT, RECORDS_IN,
    REQUEST_DURATION, REQUEST_ERRORS, REQUEST_MEMORY, REQUEST_STAGE_DURATION, REQUESTS,
    REQUESTS_WAITING, SLOW_REQUESTS, THROTTLE_SECONDS, THROTTLED,
};
use crate::{api::APIS, broker::Broker, metrics::ApiSnapshot};

pub(super) fn write(broker: &Broker, page: &mut Page) {
    apis(broker, page);
    errors(broker, page);
    let (records_in, bytes_in, bytes_out) = broker.metrics.records();
    page.single(&RECORD_BYTES_IN, bytes_in);
    page.single(&RECORD_BYTES_OUT, bytes_out);
    page.single(&RECORDS_IN, records_in);
    page.single(&REQUEST_MEMORY, broker.request_memory.used());
    page.single(&SLOW_REQUESTS, broker.metrics.slow.count.get());
    page.single(&FETCH_SESSIONS, broker.fetch_sessions.len());
    listeners(broker, page);
    let mut family = page.family(&THROTTLED);
    for (quota, count, _) in broker.metrics.throttles() {
        family.sample(&[quota], count);
    }
    let mut family = page.family(&THROTTLE_SECONDS);
    for (quota, _, millis) in broker.metrics.throttles() {
        family.sample(&[quota], millis as f64 / 1000.0);
    }
}

/// Only APIs that were ever asked for: most of the table is not.
fn apis(broker: &Broker, page: &mut Page) {
    let all = APIS.iter().enumerate().map(|(row, api)| (api.key.name(), broker.metrics.api(row)));
    let asked = |(_, api): &(_, ApiSnapshot)| api.total.count() > 0 || api.waiting != 0;
    let apis: Vec<_> = all.filter(asked).collect();
    let mut family = page.family(&REQUESTS);
    for (name, api) in &apis {
        family.sample(&[name], api.total.count());
    }
    let mut family = page.family(&REQUESTS_WAITING);
    for (name, api) in &apis {
        // Added up while requests begin and end, the shards may not quite fit each other.
        family.sample(&[name], api.waiting.max(0));
    }
    let mut family = page.family(&REQUEST_DURATION);
    for (name, api) in &apis {
        family.histogram(&[name], &api.total);
    }
    let mut family = page.family(&REQUEST_STAGE_DURATION);
    for (name, api) in &apis {
        for (stage, snapshot) in &api.stages {
            family.histogram(&[name, stage], snapshot);
        }
    }
}

fn errors(broker: &Broker, page: &mut Page) {
    let mut family = page.family(&REQUEST_ERRORS);
    for ((row, code), count) in broker.metrics.errors() {
        let name = ErrorCode::from_code(code).map_or("UNKNOWN", ErrorCode::name);
        family.sample(&[APIS[row].key.name(), name], count);
    }
}

fn listeners(broker: &Broker, page: &mut Page) {
    let listeners = broker.metrics.listeners.all();
    let mut family = page.family(&NETWORK_BYTES_IN);
    for (name, traffic) in &listeners {
        family.sample(&[name], traffic.bytes().0);
    }
    let mut family = page.family(&NETWORK_BYTES_OUT);
    for (name, traffic) in &listeners {
        family.sample(&[name], traffic.bytes().1);
    }
    let mut family = page.family(&CONNECTIONS);
    for (name, _) in &listeners {
        family.sample(&[name], broker.connections.open_of(name));
    }
    let mut family = page.family(&CONNECTIONS_ACCEPTED);
    for (name, traffic) in &listeners {
        family.sample(&[name], traffic.accepted.get());
    }
    let mut family = page.family(&CONNECTIONS_REFUSED);
    for (name, traffic) in &listeners {
        family.sample(&[name, "too_many"], traffic.too_many.get());
        family.sample(&[name, "too_fast"], traffic.too_fast.get());
    }
    let mut family = page.family(&CLIENT_CONNECTIONS);
    for (software, count) in broker.metrics.clients.counts() {
        family.sample(&[&software.name, &software.version, &software.listener], count);
    }
}
