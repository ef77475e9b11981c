//! The scripts against Apache Kafka: with `KAFKA_BOOTSTRAP=host:port` set, `check` also plays its
//! script there, in real time, and compares what clients are told.
//!
//! Kafka needs `group.min.session.timeout.ms=100`, the rebalance delays
//! `group.initial.rebalance.delay.ms=0` and `group.streams.initial.rebalance.delay.ms=0`,
//! `group.{consumer,streams}.assignment.interval.ms=0`, and the topics `t` and `u` with four
//! partitions.

#![expect(clippy::disallowed_methods, reason = "Apache Kafka lives in real time")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use klamm_groups::{Request, Response, StreamsBeaten, fetch_response};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use klamm_protocol::messages::{
    ConsumerGroupDescribeRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest,
    IncrementalAlterConfigsRequest, LeaveGroupRequest, ListGroupsRequest, MetadataRequest,
    OffsetFetchRequest, StreamsGroupDescribeRequest,
};
use klamm_protocol::wire::{Message, Reader, Request as WireRequest, Writer};

use crate::support::command::{Client, Command};
use crate::support::consumer;
use crate::support::local::learn;
use crate::support::names::Names;
use crate::support::{commands, dedent, show};

/// What clients are told, per command, in an order that chance does not decide.
pub(crate) fn told(transcript: &str) -> String {
    let mut steps: Vec<Vec<&str>> = Vec::new();
    for line in transcript.lines().filter(|l| !l.starts_with("  log:")) {
        match steps.last_mut() {
            Some(step) if line.starts_with(' ') => step.push(line),
            _ => steps.push(vec![line]),
        }
    }
    for step in &mut steps {
        step[1..].sort_unstable();
    }
    without_sizes(&steps.concat().join("\n"))
}

/// Names of topics are longer there, and so is what speaks of them.
fn without_sizes(text: &str) -> String {
    let mut parts = text.split(" bytes").peekable();
    let mut out = String::new();
    while let Some(part) = parts.next() {
        match parts.peek() {
            Some(_) => out += &format!("{}* bytes", part.trim_end_matches(char::is_numeric)),
            None => out += part,
        }
    }
    out
}

/// Plays a script against the Kafka that the environment names.
#[track_caller]
pub(crate) fn compare(configs: &[(&str, &str)], script: &str) {
    let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") else { return };
    let expected = told(&dedent(script));
    let kafka = told(&play(&bootstrap, configs, &dedent(script)));
    assert!(kafka == expected, "Kafka says\n{kafka}\n\nand we say\n{expected}\n");
}

fn play(bootstrap: &str, configs: &[(&str, &str)], script: &str) -> String {
    let nonce = format!("-{:08x}", rand::random::<u32>());
    wait_for_coordinator(bootstrap);
    configure(bootstrap, &format!("g{nonce}"), configs);
    let mut names = Names::default();
    names.nonce.clone_from(&nonce);
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    let (answers, told) = mpsc::channel::<(String, Response)>();
    let begin = Instant::now();
    let mut transcript = String::new();
    let mut commands = commands(script).peekable();
    while let Some(command) = commands.next() {
        let at = |ms: i64| begin + Duration::from_millis(ms.try_into().expect("a time"));
        std::thread::sleep(at(command.at_ms).saturating_duration_since(Instant::now()));
        if command.client == "topics" {
            change_topics(bootstrap, &command, &nonce, &mut names);
        } else if !["-", "restart"].contains(&command.client) {
            let name = command.client.to_owned();
            let new = || Client { generation: -1, ..Client::default() };
            let client = clients.entry(name.clone()).or_insert_with(new);
            let request = with_nonce(command.request(client, &names), &nonce);
            let (version, bootstrap) = (command.context().version, bootstrap.to_owned());
            let answers = answers.clone();
            std::thread::spawn(move || {
                if let Some(response) = send(&bootstrap, &name, request, version) {
                    let _ = answers.send((name, response));
                }
            });
        }
        transcript += &format!("{}\n", command.text);
        let until = at(commands.peek().map_or(command.at_ms, |next| next.at_ms));
        let mut heard = Vec::new();
        while let Ok((name, response)) =
            told.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            learn(&name, &response, &mut names, &mut clients);
            heard.push((name, of_this_run(response, &nonce)));
        }
        for (name, response) in heard {
            let line = show::response(&response, &names).replace(&nonce, "");
            transcript += &format!("  {name}: {line}\n");
        }
    }
    transcript
}

fn configure(bootstrap: &str, group: &str, configs: &[(&str, &str)]) {
    let config = |(name, value): &(&str, &str)| AlterableConfig {
        name: (*name).to_owned().into(),
        config_operation: 0,
        value: Some((*value).to_owned().into()),
        ..Default::default()
    };
    let group = AlterConfigsResource {
        resource_type: 32,
        resource_name: group.to_owned().into(),
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![group], ..Default::default() };
    if !configs.is_empty() {
        let answer = call((bootstrap, "test", 1), &request).expect("configs");
        assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    }
}

/// Topics are of this run alone; `joins` and commits name them as they are.
fn change_topics(bootstrap: &str, command: &Command<'_>, nonce: &str, names: &mut Names) {
    let to = |version| (bootstrap, "test", version);
    for (topic, count) in consumer::counts(command.group) {
        let name: std::borrow::Cow<'static, str> = format!("{topic}{nonce}").into();
        match command.verb {
            "new" => {
                let topic = CreatableTopic {
                    name,
                    num_partitions: count,
                    replication_factor: 1,
                    ..Default::default()
                };
                let request = CreateTopicsRequest {
                    topics: vec![topic],
                    timeout_ms: 5000,
                    ..Default::default()
                };
                call(to(5), &request).expect("topics");
            }
            "grow" => {
                let topic =
                    CreatePartitionsTopic { name, count, assignments: None, ..Default::default() };
                let request = CreatePartitionsRequest {
                    topics: vec![topic],
                    timeout_ms: 5000,
                    ..Default::default()
                };
                call(to(1), &request).expect("partitions");
            }
            _ => {
                let request = DeleteTopicsRequest {
                    topic_names: vec![name],
                    timeout_ms: 5000,
                    ..Default::default()
                };
                call(to(3), &request).expect("topics");
            }
        }
    }
    let wanted = || consumer::counts(command.group).into_iter().filter(|_| command.verb == "new");
    for _ in 0..100 {
        let described = call(to(12), &MetadataRequest { topics: None, ..Default::default() });
        for topic in described.expect("metadata").topics {
            let name = topic.name.as_deref().unwrap_or_default();
            if let Some(name) = name.strip_suffix(nonce) {
                names.learn_topic(name, topic.topic_id);
            }
        }
        if wanted().all(|(topic, _)| names.topic_id(&topic).is_some()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn of_this_run(response: Response, nonce: &str) -> Response {
    match response {
        Response::List(mut groups) => {
            groups.retain(|g| g.group_id.ends_with(nonce));
            groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
            Response::List(groups)
        }
        other => other,
    }
}

/// Groups are of this run alone.
fn with_nonce(mut request: Request, nonce: &str) -> Request {
    let mark = |id: &mut std::borrow::Cow<'static, str>| {
        if !id.is_empty() {
            *id = format!("{id}{nonce}").into();
        }
    };
    match &mut request {
        Request::Join(r) => mark(&mut r.group_id),
        Request::Sync(r) => mark(&mut r.group_id),
        Request::Heartbeat(r) => mark(&mut r.group_id),
        Request::Leave(r) => mark(&mut r.group_id),
        Request::Commit(r) => mark(&mut r.group_id),
        Request::Fetch { group, .. } => mark(&mut group.group_id),
        Request::OffsetDelete(r) => mark(&mut r.group_id),
        Request::ConsumerHeartbeat(r) => {
            mark(&mut r.group_id);
            r.subscribed_topic_names.iter_mut().flatten().for_each(mark);
        }
        Request::StreamsHeartbeat(r) => {
            mark(&mut r.group_id);
            for sub in r.topology.iter_mut().flat_map(|topology| &mut topology.subtopologies) {
                sub.source_topics.iter_mut().for_each(mark);
                sub.repartition_sink_topics.iter_mut().for_each(mark);
                let infos = sub.repartition_source_topics.iter_mut();
                infos.chain(&mut sub.state_changelog_topics).for_each(|info| mark(&mut info.name));
            }
        }
        Request::ConsumerDescribe(names)
        | Request::StreamsDescribe(names)
        | Request::Describe(names)
        | Request::DeleteGroups(names) => {
            names.iter_mut().for_each(|name| name.push_str(nonce));
        }
        Request::TxnCommit { request, .. } => mark(&mut request.group_id),
        Request::List { .. } | Request::EndTransaction(_) | Request::Share(_) => {}
    }
    request
}

fn send(bootstrap: &str, client: &str, request: Request, version: i16) -> Option<Response> {
    let to = (bootstrap, client, version);
    Some(match request {
        Request::Join(r) => Response::Join(call(to, &r)?.into_static()),
        Request::Sync(r) => Response::Sync(call(to, &r)?.into_static()),
        Request::Heartbeat(r) => Response::Heartbeat(call(to, &r)?.into_static()),
        Request::Leave(r) => Response::Leave(call(to, &r)?.into_static()),
        Request::ConsumerHeartbeat(r) => Response::ConsumerHeartbeat(call(to, &r)?.into_static()),
        Request::ConsumerDescribe(groups) => {
            let group_ids = groups.into_iter().map(Into::into).collect();
            let request = ConsumerGroupDescribeRequest { group_ids, ..Default::default() };
            Response::ConsumerDescribe(call(to, &request)?.into_static().groups)
        }
        Request::StreamsHeartbeat(r) => {
            let response = call(to, &r)?.into_static();
            Response::StreamsHeartbeat(Box::new(StreamsBeaten { response, missing: Vec::new() }))
        }
        Request::StreamsDescribe(groups) => {
            let group_ids = groups.into_iter().map(Into::into).collect();
            let request = StreamsGroupDescribeRequest { group_ids, ..Default::default() };
            Response::StreamsDescribe(call(to, &request)?.into_static().groups)
        }
        Request::Commit(r) => Response::Commit(call(to, &r)?.into_static()),
        Request::OffsetDelete(r) => Response::OffsetDelete(call(to, &r)?.into_static()),
        Request::TxnCommit { request, .. } => {
            Response::TxnCommit(call(to, &request)?.into_static())
        }
        // A client has no such request, or not alone.
        Request::EndTransaction(_) | Request::Share(_) => return None,
        Request::Fetch { group, require_stable } => {
            let groups = vec![group];
            let request = OffsetFetchRequest { groups, require_stable, ..Default::default() };
            Response::Fetch(call(to, &request)?.into_static().groups.remove(0))
        }
        Request::Describe(groups) => {
            let groups = groups.into_iter().map(Into::into).collect();
            let request = DescribeGroupsRequest { groups, ..Default::default() };
            Response::Describe(call(to, &request)?.into_static().groups)
        }
        Request::List { states, types } => {
            let request = ListGroupsRequest {
                states_filter: states.into_iter().map(Into::into).collect(),
                types_filter: types.into_iter().map(Into::into).collect(),
                ..Default::default()
            };
            Response::List(call(to, &request)?.into_static().groups)
        }
        Request::DeleteGroups(names) => {
            let groups_names = names.into_iter().map(Into::into).collect();
            let request = DeleteGroupsRequest { groups_names, ..Default::default() };
            Response::DeleteGroups(call(to, &request)?.into_static().results)
        }
    })
}

/// Sends one request on a connection of its own. The frame leaks: this is a test.
fn call<R: WireRequest<'static>>(
    (bootstrap, client, version): (&str, &str, i16),
    request: &R,
) -> Option<R::Response<'static>> {
    let is_flexible = R::FLEXIBLE_FROM.is_some_and(|from| version >= from);
    let mut w = Writer::new();
    w.i16(R::KEY as i16);
    w.i16(version);
    w.i32(7);
    w.string(false, client);
    if is_flexible {
        w.unknown_tags(&[]);
    }
    request.encode(&mut w, version);
    let body = w.into_parts().0;
    let mut stream = TcpStream::connect(bootstrap).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.write_all(&u32::try_from(body.len()).ok()?.to_be_bytes()).ok()?;
    stream.write_all(&body).ok()?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).ok()?;
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(size)).ok()?];
    stream.read_exact(&mut frame).ok()?;
    let frame: &'static [u8] = frame.leak();
    let mut reader = Reader::new(frame);
    reader.i32().ok()?;
    if is_flexible {
        reader.unknown_tags().ok()?;
    }
    R::Response::decode(&mut reader, version).ok()
}

fn wait_for_coordinator(bootstrap: &str) {
    let request = FindCoordinatorRequest { key: "any".into(), ..Default::default() };
    for _ in 0..100 {
        let found = call((bootstrap, "test", 0), &request);
        let beat = call(
            (bootstrap, "test", 0),
            &LeaveGroupRequest { group_id: "any".into(), ..Default::default() },
        );
        let is_loaded = beat.is_some_and(|r| r.error_code == ErrorCode::UnknownMemberId.code());
        if is_loaded && found.is_some_and(|r| r.error_code == 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no coordinator at {bootstrap}");
}

#[test]
fn an_offset_fetch_of_one_group_reads_as_in_every_version() {
    let group = klamm_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup {
        group_id: "g".into(),
        error_code: 16,
        ..Default::default()
    };
    assert_eq!(fetch_response(vec![group.clone()], 7).error_code, 16);
    assert_eq!(fetch_response(vec![group], 8).groups[0].error_code, 16);
}
