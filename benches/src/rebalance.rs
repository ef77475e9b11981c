//! A group with many members: all join, then one more comes and all have to join again.
//!
//! Every member has a connection of its own. Requests go out on all of them before the first
//! answer is read: the time counts until the last answer is there.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::messages::{
    FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, SyncGroupRequest,
};
use serde_json::Value;

use crate::Target;
use crate::meter::Report;
use crate::process::spent;
use crate::wire::{Connection, PATIENCE, decode};

const FIND_COORDINATOR_VERSION: i16 = 2;
const JOIN_GROUP_VERSION: i16 = 5;
const SYNC_GROUP_VERSION: i16 = 3;
const HEARTBEAT_VERSION: i16 = 3;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;
/// What a member says of its subscription, to one topic: Kafka's coordinator reads it.
const SUBSCRIPTION: &[u8] = b"\0\0\0\0\0\x01\0\x04load\xff\xff\xff\xff";
/// What it is assigned: partition 0 of the topic.
const ASSIGNMENT: &[u8] = b"\0\0\0\0\0\x01\0\x04load\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";

/// Options of `load rebalance`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1000)]
    members: usize,
}

struct Member {
    connection: Connection,
    id: String,
    generation: i32,
    /// The ids of all members, where this one is the leader.
    assigns: Vec<String>,
}

/// Joins, rebalances, and reports how long that took.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let group = &target.topic;
    find_coordinator(target)?;
    let members = (0..options.members).map(|_| Member::new(target));
    let mut members = members.collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    for member in &mut members {
        member.learn_id(group)?;
    }
    rebalance(&mut members, group)?;
    let mut report = Report::default();
    report.set("first_join_seconds", start.elapsed().as_secs_f64());
    let cpu = || target.broker_pid.map(spent).transpose();
    let before = cpu()?;
    let mut late = Member::new(target)?;
    late.learn_id(group)?;
    let start = Instant::now();
    late.send_join(group)?;
    members.push(late);
    members[0].await_rebalance(group)?;
    rebalance_others(&mut members, group)?;
    report.set("rebalance_seconds", start.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (before, cpu()?) {
        report.set("broker_cpu_seconds", after.cpu_seconds - before.cpu_seconds);
        report.set("broker_rss_bytes", after.rss_bytes as f64);
    }
    Ok(report.into_json())
}

/// Waits until the group has a coordinator.
fn find_coordinator(target: &Target) -> Result<()> {
    let mut connection = Connection::open(&target.bootstrap)?;
    let end = Instant::now() + PATIENCE;
    let request = FindCoordinatorRequest {
        key: target.topic.as_str().into(),
        ..FindCoordinatorRequest::default()
    };
    while Instant::now() < end {
        let frame = connection.call(FIND_COORDINATOR_VERSION, &request)?;
        let answer = decode::<FindCoordinatorRequest<'_>>(FIND_COORDINATOR_VERSION, &frame)?;
        if answer.error_code == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the group has no coordinator after {PATIENCE:?}")
}

/// All join, and all get their assignment.
fn rebalance(members: &mut [Member], group: &str) -> Result<()> {
    for member in members.iter_mut() {
        member.send_join(group)?;
    }
    finish(members, group)
}

/// All but the last join, who has done so, and all get their assignment.
fn rebalance_others(members: &mut [Member], group: &str) -> Result<()> {
    let (_, others) = members.split_last_mut().context("the late member is there")?;
    for member in others {
        member.send_join(group)?;
    }
    finish(members, group)
}

fn finish(members: &mut [Member], group: &str) -> Result<()> {
    for member in members.iter_mut() {
        member.receive_join().context("an answer to a member that joins")?;
    }
    let generation = members.first().context("there are members")?.generation;
    let leaders = members.iter().filter(|m| !m.assigns.is_empty()).count();
    ensure!(members.iter().all(|m| m.generation == generation), "generations differ");
    ensure!(leaders == 1, "{leaders} members are leaders");
    for member in members.iter_mut() {
        member.send_sync(group)?;
    }
    members.iter_mut().try_for_each(Member::receive_sync)
}

impl Member {
    fn new(target: &Target) -> Result<Self> {
        let connection = Connection::open(&target.bootstrap)?;
        Ok(Member { connection, id: String::new(), generation: -1, assigns: Vec::new() })
    }

    /// The first request only yields an id (KIP-394). The coordinator may still be loading.
    fn learn_id(&mut self, group: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.send_join(group)?;
            let frame = self.connection.receive()?;
            let answer = decode::<JoinGroupRequest<'_>>(JOIN_GROUP_VERSION, &frame)?;
            if answer.error_code == MEMBER_ID_REQUIRED {
                self.id = answer.member_id.into_owned();
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("a member has no id after {PATIENCE:?}")
    }

    /// Waits until the coordinator asks the members to join again. A member that does so before
    /// would be told that it is in the group already.
    fn await_rebalance(&mut self, group: &str) -> Result<()> {
        let request = HeartbeatRequest {
            group_id: group.into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            ..HeartbeatRequest::default()
        };
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let frame = self.connection.call(HEARTBEAT_VERSION, &request)?;
            let answer = decode::<HeartbeatRequest<'_>>(HEARTBEAT_VERSION, &frame)?;
            match answer.error_code {
                0 => std::thread::sleep(Duration::from_millis(1)),
                REBALANCE_IN_PROGRESS => return Ok(()),
                code => bail!("a heartbeat is answered with error {code}"),
            }
        }
        bail!("no rebalance begins after {PATIENCE:?}")
    }

    fn send_join(&mut self, group: &str) -> Result<()> {
        let protocol = JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: SUBSCRIPTION.into(),
            ..JoinGroupRequestProtocol::default()
        };
        let request = JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms: 60_000,
            rebalance_timeout_ms: 60_000,
            member_id: self.id.as_str().into(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        self.connection.send(JOIN_GROUP_VERSION, &request)
    }

    fn receive_join(&mut self) -> Result<()> {
        let frame = self.connection.receive()?;
        let answer = decode::<JoinGroupRequest<'_>>(JOIN_GROUP_VERSION, &frame)?;
        ensure!(answer.error_code == 0, "joining: error {}", answer.error_code);
        self.generation = answer.generation_id;
        self.assigns = answer.members.into_iter().map(|m| m.member_id.into_owned()).collect();
        Ok(())
    }

    fn send_sync(&mut self, group: &str) -> Result<()> {
        let assignments = self.assigns.iter().map(|id| SyncGroupRequestAssignment {
            member_id: id.as_str().into(),
            assignment: ASSIGNMENT.into(),
            ..SyncGroupRequestAssignment::default()
        });
        let request = SyncGroupRequest {
            group_id: group.into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        };
        self.connection.send(SYNC_GROUP_VERSION, &request)
    }

    fn receive_sync(&mut self) -> Result<()> {
        let frame = self.connection.receive()?;
        let answer = decode::<SyncGroupRequest<'_>>(SYNC_GROUP_VERSION, &frame)?;
        ensure!(answer.error_code == 0, "syncing: error {}", answer.error_code);
        ensure!(*answer.assignment == *ASSIGNMENT, "a member has no assignment");
        Ok(())
    }
}
