//! A share group (KIP-932): who produces for it, and members that accept, release, reject, take
//! too long, leave, die.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::ErrorCode;

use crate::{
    calls::{
        Said, Shared, SharedRecord, Sharer, TxnTopic, first_offset, produce_values,
        share_acknowledge, share_fetch, share_heartbeat,
    },
    client::Client,
    machine::SHARE_LOCK_MS,
    world::World,
};

/// The group that all take part in.
pub(crate) const GROUP: &str = "sharing";

/// How often it is asked where a log begins: links may break.
const ATTEMPTS: usize = 5;

/// The partitions of the topic of the group.
pub(crate) const PARTITIONS: i32 = 2;

/// Produces for the group.
pub(crate) async fn produce(world: Arc<World>, name: String) {
    let Some(topic) = world.share_topic.lock().clone() else { return };
    let mut client = world.client(&name);
    let random = client.random.clone();
    while world.is_running() {
        world.pause(&random, world.plan.think_ms).await;
        let index = i32::from(random.chance(1, 2));
        let values: Vec<u64> = (0..1 + random.below(5)).map(|_| world.number()).collect();
        let produced = produce_values(&mut client, (&topic, index), &values).await;
        world.note(&name, &format!("{values:?} in {index}: {produced:?}"));
        if let Some(Ok(first)) = produced {
            world.oracle().shared(index, first, &values);
            world.stats().batches += 1;
        }
    }
}

/// What is said of each partition, and of each record.
type Told = (BTreeMap<i32, Vec<Said>>, Vec<(SharedRecord, i8)>);

/// A member and what it holds.
pub(crate) struct Member {
    world: Arc<World>,
    client: Client,
    name: String,
    topic: TxnTopic,
    sharer: Sharer,
    held: Vec<SharedRecord>,
}

/// Takes part in the group.
pub(crate) async fn take_part(world: Arc<World>, name: String) {
    let Some(mut member) = Member::new(&world, &name) else { return };
    let random = member.client.random.clone();
    while world.is_running() {
        world.pause(&random, world.plan.think_ms).await;
        if member.sharer.epoch == 0 || random.chance(1, 3) {
            member.beat().await;
        }
        if member.sharer.epoch > 0 {
            member.work(true).await;
        }
        match random.below(50) {
            0 => member.leave().await,
            // Dies without a word, and comes back as somebody new.
            1 => {
                member.begin_anew("dies");
                world.pause(&random, 3_000).await;
            }
            _ => {}
        }
    }
    // With it goes its connection.
    member.lose_connection();
}

impl Member {
    pub(crate) fn new(world: &Arc<World>, name: &str) -> Option<Self> {
        let topic = world.share_topic.lock().clone()?;
        let id = format!("{name}-{}", world.number());
        let sharer = Sharer { group: GROUP, id, epoch: 0, session: 0, has: Vec::new() };
        Some(Self {
            world: Arc::clone(world),
            client: world.client(name),
            name: name.to_owned(),
            topic,
            sharer,
            held: Vec::new(),
        })
    }

    fn begin_anew(&mut self, why: &str) {
        self.world.note(&self.name, &format!("{}: {why}", self.sharer.id));
        self.lose_connection();
        self.sharer.id = format!("{}-{}", self.name, self.world.number());
        self.sharer.epoch = 0;
        self.sharer.has.clear();
    }

    /// With the connection goes the session, and with that everything that is held.
    fn lose_connection(&mut self) {
        self.world.oracle().lets_go(&self.sharer.id);
        self.client.disconnect();
        self.sharer.session = 0;
        self.held.clear();
    }

    /// A heartbeat, and what follows from it.
    pub(crate) async fn beat(&mut self) {
        let name = self.topic.name.clone();
        let heard = share_heartbeat(&mut self.client, &mut self.sharer, &name, false).await;
        let Sharer { id, epoch, has, .. } = &self.sharer;
        self.world.note(&self.name, &format!("{id} at {epoch}: {heard:?} {}", has.len()));
        match heard {
            Some(ErrorCode::None) => self.world.stats().assignments += 1,
            Some(
                ErrorCode::FencedMemberEpoch
                | ErrorCode::UnknownMemberId
                | ErrorCode::GroupIdNotFound,
            ) => {
                self.sharer.epoch = 0;
                self.sharer.has.clear();
            }
            Some(_) => {}
            None => self.lose_connection(),
        }
    }

    /// Acknowledges some of what it holds and fetches more. A patient member keeps some.
    pub(crate) async fn work(&mut self, is_patient: bool) {
        let (said, told) = self.say(is_patient);
        if !told.is_empty() && self.client.random.chance(1, 2) {
            let (client, id) = (&mut self.client, self.topic.id);
            let done = share_acknowledge(client, &mut self.sharer, id, &said, false).await;
            self.world.note(&self.name, &format!("{said:?}: {done:?}"));
            match done {
                Some(Ok(done)) => self.acknowledged(&told, &done),
                Some(Err(_)) | None => return self.lose_connection(),
            }
            self.fetch(&BTreeMap::new(), &[]).await;
        } else {
            self.fetch(&said, &told).await;
        }
    }

    /// Decides what to say of what it holds.
    fn say(&mut self, is_patient: bool) -> Told {
        let mut told = Vec::new();
        if self.sharer.session > 0 {
            let random = &self.client.random;
            self.held.retain(|record| {
                let kind = match random.below(8) {
                    _ if !is_patient => 1,
                    0 => 2,
                    1 => 3,
                    2 => return true,
                    _ => 1,
                };
                told.push((*record, kind));
                false
            });
        }
        told.sort_unstable_by_key(|(record, _)| (record.index, record.offset));
        let mut said: BTreeMap<i32, Vec<Said>> = BTreeMap::new();
        for (record, kind) in &told {
            self.world.oracle().gives_back(record);
            said.entry(record.index).or_default().push((record.offset, record.offset, *kind));
        }
        (said, told)
    }

    async fn fetch(&mut self, said: &BTreeMap<i32, Vec<Said>>, told: &[(SharedRecord, i8)]) {
        let (sent_ms, ends) = (self.world.clock.now_ms(), self.world.oracle().shares.ends);
        let (client, id) = (&mut self.client, self.topic.id);
        let fetched = share_fetch(client, &mut self.sharer, id, said).await;
        let places = |shared: &Shared| -> Vec<(i32, i64)> {
            shared.records.iter().map(|record| (record.index, record.offset)).collect()
        };
        let shown = fetched.as_ref().map(|got| got.as_ref().map(places));
        self.world.note(&self.name, &format!("{said:?}, fetched: {shown:?}"));
        let Some(Ok(Shared { records, acknowledged })) = fetched else {
            self.world.oracle().share_fetch_lost();
            return self.lose_connection();
        };
        self.acknowledged(told, &acknowledged);
        let mut oracle = self.world.oracle();
        // An answer of a broker that has ended since holds nothing.
        let is_certain = oracle.shares.ends == ends && self.world.has_good_links();
        let until_ms = if is_certain { sent_ms + SHARE_LOCK_MS } else { 0 };
        oracle.acquired(&self.sharer.id, &records, (self.world.clock.now_ms(), until_ms));
        drop(oracle);
        self.world.stats().records_read += records.len() as u64;
        self.held.extend(records);
    }

    fn acknowledged(&self, told: &[(SharedRecord, i8)], done: &BTreeMap<i32, ErrorCode>) {
        let is_done = |record: &SharedRecord| done.get(&record.index) == Some(&ErrorCode::None);
        for (record, kind) in told.iter().filter(|(record, _)| is_done(record)) {
            if *kind != 2 {
                self.world.oracle().share_done(record.value);
            }
        }
    }

    async fn leave(&mut self) {
        self.world.oracle().lets_go(&self.sharer.id);
        if self.sharer.session > 0 {
            let (client, id, said) = (&mut self.client, self.topic.id, BTreeMap::new());
            let ended = share_acknowledge(client, &mut self.sharer, id, &said, true).await;
            self.world.note(&self.name, &format!("ends its session: {ended:?}"));
        }
        let name = self.topic.name.clone();
        let left = share_heartbeat(&mut self.client, &mut self.sharer, &name, true).await;
        self.begin_anew(&format!("leaves: {left:?}"));
    }

    /// Where the logs begin, if room may have been made on a full volume.
    pub(crate) async fn log_starts(&mut self) -> BTreeMap<i32, i64> {
        let mut starts = BTreeMap::new();
        if self.world.plan.may_delete() {
            for index in (0..PARTITIONS).flat_map(|index| [index; ATTEMPTS]) {
                let start = first_offset(&mut self.client, (&self.topic.name, index)).await;
                starts.extend(start.map(|start| (index, start)));
            }
        }
        starts
    }

    /// Whether it has all partitions and fetches from them.
    pub(crate) fn is_served(&self) -> bool {
        self.sharer.session > 1 && self.sharer.has.len() == PARTITIONS as usize
    }
}
