//! A controller without a log: decisions are applied at once.

use std::collections::BTreeMap;

use klamm_metadata::{
    ConfigChange, ConfigRules, Entropy, Image, Refusal, Resource, Settings, TopicConfigEntry,
    decide::{self, Arrival, Context, Decision, Sessions},
    features,
};
use klamm_protocol::{
    ErrorCode,
    messages::{
        BrokerHeartbeatRequest, BrokerRegistrationRequest, broker_registration_request::Feature,
        metadata_record::MetadataRecord,
    },
    wire::Uuid,
};

/// Keys that begin with `no.` are unknown.
#[derive(Debug)]
struct Rules;

impl ConfigRules for Rules {
    fn alter(
        &self,
        image: &Image,
        resource: &Resource,
        changes: &[ConfigChange<'_>],
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut map: BTreeMap<String, String> =
            image.config(resource).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for change in changes {
            if change.name.starts_with("no.") {
                let text = format!("Unknown topic config name: {}", change.name);
                return Err(Refusal::new(ErrorCode::InvalidConfig, text));
            }
            match change.value.filter(|_| change.operation == ConfigChange::SET) {
                Some(value) => map.insert(change.name.to_owned(), value.to_owned()),
                None => map.remove(change.name),
            };
        }
        Ok(map)
    }

    fn describe_topic(
        &self,
        _image: &Image,
        overrides: &BTreeMap<String, String>,
    ) -> Vec<TopicConfigEntry> {
        let entry = |(name, value): (&String, &String)| TopicConfigEntry {
            name: name.clone(),
            value: Some(value.clone()),
            read_only: false,
            source: 1,
            is_sensitive: false,
        };
        overrides.iter().map(entry).collect()
    }
}

/// A small generator; the same numbers for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for Numbers {
    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(u128::from(self.next()) << 64 | 1_000)
    }
}

/// An image, and all that was written to make it.
pub(crate) struct Controller {
    pub(crate) image: Image,
    pub(crate) records: Vec<MetadataRecord<'static>>,
    pub(crate) numbers: Numbers,
    pub(crate) settings: Settings,
    sessions: Sessions,
}

impl Controller {
    /// A new cluster without brokers.
    pub(crate) fn new(seed: u64) -> Self {
        let settings = Settings { node_id: 1, ..Settings::default() };
        let mut controller = Self {
            image: Image::default(),
            records: Vec::new(),
            numbers: Numbers(seed),
            settings,
            sessions: Sessions::default(),
        };
        controller.write(decide::initial_features(&Settings::default()));
        controller
    }

    /// A new cluster with active brokers of these ids, on racks `r0`, `r1` and `r2` in turn.
    pub(crate) fn with_brokers(seed: u64, ids: std::ops::Range<i32>) -> Self {
        let mut controller = Self::new(seed);
        for id in ids {
            controller.join(id, 1);
        }
        controller
    }

    pub(crate) fn write(&mut self, records: Vec<MetadataRecord<'static>>) {
        for record in records {
            self.image.apply(&record);
            self.records.push(record);
        }
    }

    /// Decides, and applies what was decided.
    pub(crate) fn run<R>(
        &mut self,
        decide: impl FnOnce(&Image, &mut Context<'_>) -> Result<Decision<R>, Refusal>,
    ) -> Result<R, Refusal> {
        let mut context =
            Context { settings: &self.settings, rules: &Rules, entropy: &mut self.numbers };
        let decision = decide(&self.image, &mut context)?;
        self.write(decision.records);
        Ok(decision.response)
    }

    pub(crate) fn register(&mut self, id: i32, incarnation: u64) -> Result<i64, Refusal> {
        let offset = self.records.len() as i64;
        let request = registration(id, incarnation);
        let sessions = self.sessions.clone();
        let response = self.run(|image, context| {
            let arrival =
                Arrival { cluster_id: "c", next_offset: offset, now_ms: 0, sessions: &sessions };
            decide::register_broker(image, context, &arrival, &request)
        });
        response.map(|response| response.broker_epoch)
    }

    /// A heartbeat; gives whether the broker may stop.
    pub(crate) fn heartbeat(&mut self, id: i32, fence: bool, stop: bool) -> Result<bool, Refusal> {
        let epoch = self.image.broker(id).map_or(-1, |broker| broker.epoch);
        let request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: epoch,
            current_metadata_offset: i64::MAX,
            want_fence: fence,
            want_shut_down: stop,
            ..BrokerHeartbeatRequest::default()
        };
        let answer = self.run(|image, context| decide::broker_heartbeat(image, context, &request));
        answer.map(|answer| answer.should_shut_down)
    }

    pub(crate) fn join(&mut self, id: i32, incarnation: u64) {
        self.register(id, incarnation).expect("registered");
        self.heartbeat(id, false, false).expect("heard");
    }

    /// Partitions of a topic as `number: leader/epoch isr=.. elr=..`.
    pub(crate) fn show(&self, topic: &str) -> String {
        let topic = self.image.topic(topic).expect("the topic exists");
        let lines = topic.partitions().map(|(number, p)| {
            let recovering = if p.recovering { " recovering" } else { "" };
            format!(
                "{number}: {}/{} isr={:?} elr={:?} last={:?}{recovering}",
                p.leader, p.leader_epoch, p.isr, p.elr, p.last_known_elr
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn registration(id: i32, incarnation: u64) -> BrokerRegistrationRequest<'static> {
    let features = features::SUPPORTED.iter().map(|feature| Feature {
        name: feature.name.into(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..Feature::default()
    });
    BrokerRegistrationRequest {
        broker_id: id,
        cluster_id: "c".into(),
        incarnation_id: Uuid::from_u128(u128::from(incarnation) + 1_000),
        features: features.collect(),
        rack: Some(format!("r{}", id % 3).into()),
        log_dirs: vec![Uuid::from_u128((u128::from(id.unsigned_abs()) + 1) << 32)],
        previous_broker_epoch: -1,
        ..BrokerRegistrationRequest::default()
    }
}

/// A refusal or its absence, as one line.
pub(crate) fn line(code: i16, message: Option<&str>) -> String {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => "ok".to_owned(),
        code => format!("{:?} {}", code, message.unwrap_or_default())
            .replace("Some(", "")
            .replacen(") ", " ", 1),
    }
}
