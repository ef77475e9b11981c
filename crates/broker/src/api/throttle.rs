//! Holding clients back: charging requests, and saying so in answers.

use klamm_protocol::ApiKey;
use klamm_security::quota::Kind;

use super::{Api, Context, QuotaClass};
use crate::{
    quotas::Payer,
    request::{Outcome, Request, ThrottleAt},
};

/// Where the throttle time is in a response's body, if it is at a fixed place; and the first
/// version that has it.
fn throttle_at(key: ApiKey) -> Option<(usize, i16)> {
    match key {
        // At the end.
        ApiKey::Produce
        // In the middle or at the end; they are not charged, or are not served.
        | ApiKey::ApiVersions
        | ApiKey::CreateDelegationToken
        | ApiKey::RenewDelegationToken
        | ApiKey::ExpireDelegationToken
        | ApiKey::DescribeDelegationToken
        // They have none.
        | ApiKey::SaslHandshake
        | ApiKey::SaslAuthenticate
        | ApiKey::WriteTxnMarkers
        | ApiKey::DescribeQuorum
        | ApiKey::InitializeShareGroupState
        | ApiKey::ReadShareGroupState
        | ApiKey::WriteShareGroupState
        | ApiKey::DeleteShareGroupState
        | ApiKey::ReadShareGroupStateSummary => None,
        // After the error code.
        ApiKey::OffsetDelete => Some((2, 0)),
        ApiKey::Metadata | ApiKey::OffsetCommit | ApiKey::OffsetFetch => Some((0, 3)),
        ApiKey::ListOffsets
        | ApiKey::JoinGroup
        | ApiKey::CreateTopics
        | ApiKey::OffsetForLeaderEpoch => Some((0, 2)),
        ApiKey::Fetch
        | ApiKey::FindCoordinator
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteTopics
        | ApiKey::ShareGroupHeartbeat
        | ApiKey::ShareGroupDescribe
        | ApiKey::ShareFetch
        | ApiKey::ShareAcknowledge => Some((0, 1)),
        _ => Some((0, 0)),
    }
}

/// Where the throttle time of an answer is in its frame.
fn place(key: ApiKey, version: i16) -> Option<ThrottleAt> {
    if key == ApiKey::Produce {
        // Followed by tagged fields from version 9 on, none of which a single node has.
        return (version >= 1).then_some(ThrottleAt::End(if version >= 9 { 5 } else { 4 }));
    }
    let (at, since) = throttle_at(key)?;
    // Length, correlation id, and from header version 1 on the count of tagged fields.
    let header = if key.response_header_version(version) >= 1 { 9 } else { 8 };
    (version >= since).then_some(ThrottleAt::Head(header + at))
}

/// Handles a request and charges the client for the time that this took, if it has a quota.
pub(super) fn charged(api: &Api, cx: &Context<'_>, request: Request) -> Outcome {
    let quotas = &cx.broker.quotas;
    if api.quota == QuotaClass::Exempt || !quotas.limits(Kind::Request) {
        return (api.handle)(cx, request);
    }
    let payer = Payer::new(request.client_id(), &cx.peer.mute);
    let (key, version) = (request.key, request.version);
    let clock = &cx.broker.env.clock;
    let begun = clock.monotonic();
    let outcome = (api.handle)(cx, request);
    let percent = clock.worked_since(begun).as_secs_f64() * 100.0;
    let settings = cx.broker.settings.load();
    let charged = quotas.charge(Kind::Request, &payer, percent, cx.now_ms, &settings.quotas);
    cx.broker.metrics.throttled(Kind::Request, charged.throttle_ms);
    throttled(outcome, cx, &payer, (key, version), charged.throttle_ms)
}

/// Holds the client back, and says so in the answer.
pub(super) fn throttled(
    outcome: Outcome,
    cx: &Context<'_>,
    payer: &Payer,
    (key, version): (ApiKey, i16),
    throttle_ms: i64,
) -> Outcome {
    if throttle_ms <= 0 {
        return outcome;
    }
    payer.hold_back(throttle_ms, cx.now_ms);
    let Some(at) = place(key, version) else { return outcome };
    let throttle_ms = i32::try_from(throttle_ms).unwrap_or(i32::MAX);
    match outcome {
        Outcome::Now(answer) => Outcome::Now(answer.throttled(at, throttle_ms)),
        Outcome::Later(later) => {
            Outcome::Later(Box::pin(async move { later.await.throttled(at, throttle_ms) }))
        }
        Outcome::Pipelined(later) => {
            Outcome::Pipelined(Box::pin(async move { later.await.throttled(at, throttle_ms) }))
        }
    }
}

/// Takes what a client's quota for changes to the metadata does not allow out of a request: those
/// items are answered with THROTTLING_QUOTA_EXCEEDED if the version knows it, else everything is
/// allowed and only the connection held back. Gives what is left out and the throttle time.
pub(super) fn admit<T>(
    cx: &Context<'_>,
    request: &Request,
    strict_since: i16,
    items: &mut Vec<T>,
    partitions: impl Fn(&T) -> u32,
) -> Admission<T> {
    let quotas = &cx.broker.quotas;
    let payer = Payer::new(request.client_id(), &cx.peer.mute);
    if !quotas.limits(Kind::Mutation) {
        return Admission { payer, refused: Vec::new(), throttle_ms: 0 };
    }
    let settings = cx.broker.settings.load();
    let is_strict = request.version >= strict_since;
    let mut is_allowed = |item: &mut T| {
        let partitions = partitions(item);
        let taken =
            quotas.take_mutations(&payer, partitions, is_strict, cx.now_ms, &settings.quotas);
        taken.is_none()
    };
    let refused = items.extract_if(.., &mut is_allowed).collect();
    let throttle_ms = quotas.mutation_throttle_ms(&payer, cx.now_ms, &settings.quotas);
    cx.broker.metrics.throttled(Kind::Mutation, throttle_ms);
    Admission { payer, refused, throttle_ms }
}

/// What [`admit`] came to.
pub(super) struct Admission<T> {
    payer: Payer,
    /// What the quota does not allow.
    pub(super) refused: Vec<T>,
    throttle_ms: i64,
}

impl<T> Admission<T> {
    /// Holds the client back, and says so in the answer.
    pub(super) fn throttle(
        &self,
        cx: &Context<'_>,
        request: &Request,
        outcome: Outcome,
    ) -> Outcome {
        throttled(outcome, cx, &self.payer, (request.key, request.version), self.throttle_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema says where the throttle time of each response is.
    #[test]
    fn places_are_those_of_the_schema() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/schema/api");
        let mut checked = 0;
        for entry in std::fs::read_dir(folder).expect("the schema") {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let Some((_, response)) = text.split_once("\nresponse ") else { continue };
            let head = response.lines().next().unwrap();
            let key = head.split(" key ").nth(1).and_then(|rest| rest.split(' ').next());
            let Some(key) = key.and_then(|key| ApiKey::from_i16(key.parse().unwrap())) else {
                continue;
            };
            let fields: Vec<&str> = response
                .lines()
                .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
                .filter(|line| line.contains(": "))
                .map(str::trim)
                .collect();
            let since = |field: &str| -> i16 {
                let versions = field.split(' ').nth(2).unwrap();
                versions.split(['+', '-']).next().unwrap().parse().unwrap()
            };
            let found = match fields.as_slice() {
                [first, ..] if first.starts_with("throttle_time_ms") => Some((0, since(first))),
                [first, second, ..]
                    if first.starts_with("error_code: int16 0+")
                        && second.starts_with("throttle_time_ms") =>
                {
                    Some((2, since(second)))
                }
                _ => None,
            };
            if super::super::row(key).is_some() {
                assert_eq!(throttle_at(key), found, "{}", key.name());
                checked += 1;
            }
        }
        assert_eq!(checked, super::super::APIS.len());
    }
}
