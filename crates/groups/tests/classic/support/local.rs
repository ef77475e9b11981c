//! Runs a script on a coordinator, in virtual time.

use std::collections::{BTreeMap, VecDeque};

use klamm_groups::{
    AppendId, Coordinator, CoordinatorRecord, Effect, EndTransaction, Response, Settings, Token,
};
use klamm_protocol::ErrorCode;
use klamm_protocol::wire::Uuid;

use super::command::{Client, Command};
use super::names::Names;
use super::{commands, show};

/// What came of a command.
enum Event {
    Heard(String, Response),
    Written(Entry),
}

/// What is in the log.
#[derive(Clone)]
enum Entry {
    Record(CoordinatorRecord),
    InTransaction(i64, CoordinatorRecord),
    End(EndTransaction),
}

pub(crate) struct Local {
    settings: Settings,
    shard: Coordinator,
    names: Names,
    clients: BTreeMap<String, Client>,
    /// Who waits for which answer.
    waiting: BTreeMap<Token, (String, i16)>,
    log: Vec<Entry>,
    /// Appends are reported by commands only.
    holds: bool,
    held: VecDeque<(AppendId, Vec<Entry>)>,
    ids: u64,
    tokens: u64,
    topics: super::consumer::Topics,
    events: Vec<Event>,
}

/// The transcript of a script: its commands, and what came of each.
pub(crate) fn run(settings: Settings, script: &str) -> String {
    let mut local = Local::new(settings);
    let mut transcript = String::new();
    let mut commands = commands(script).peekable();
    while let Some(command) = commands.next() {
        local.obey(&command);
        let until = commands.peek().map_or(command.at_ms, |next| next.at_ms);
        local.pass_time(until);
        transcript += &format!("{}\n", command.text);
        // Only now is every member that the events speak of known by name.
        for event in std::mem::take(&mut local.events) {
            transcript += &match event {
                Event::Heard(name, response) => {
                    format!("  {name}: {}\n", show::response(&response, &local.names))
                }
                Event::Written(Entry::Record(record)) => {
                    format!("  log: {}\n", show::record(&record, &local.names))
                }
                Event::Written(Entry::InTransaction(producer_id, record)) => {
                    format!("  log: txn {producer_id} {}\n", show::record(&record, &local.names))
                }
                Event::Written(Entry::End(end)) => {
                    let how = if end.committed { "commit" } else { "abort" };
                    format!("  log: {how} of txn {}\n", end.producer_id)
                }
            };
        }
    }
    transcript
}

impl Local {
    fn new(settings: Settings) -> Self {
        let mut shard = Coordinator::new(settings.clone());
        shard.loaded(0);
        Self {
            settings,
            shard,
            names: Names::default(),
            clients: BTreeMap::new(),
            waiting: BTreeMap::new(),
            log: Vec::new(),
            holds: false,
            held: VecDeque::new(),
            ids: 0,
            tokens: 0,
            topics: super::consumer::Topics::default(),
            events: Vec::new(),
        }
    }

    fn obey(&mut self, command: &Command<'_>) {
        let now = command.at_ms;
        match command.client {
            "-" => {}
            "hold" => self.holds = true,
            "written" => self.report(now, Ok(())),
            "failed" => {
                let code = ErrorCode::ALL.iter().find(|e| e.name() == command.verb);
                self.report(now, Err(*code.expect("an error's name")));
            }
            "drop" => {
                let effects = self.shard.topics_deleted(now, &[(command.verb, Uuid::ONE)]);
                self.carry_out(now, effects);
            }
            "topics" => self.change_topics(now, command),
            "unload" => {
                let effects = self.shard.unload(now);
                self.carry_out(now, effects);
            }
            "restart" => self.restart(now),
            _ => self.request(now, command),
        }
    }

    fn change_topics(&mut self, now: i64, command: &Command<'_>) {
        let (changed, created) = self.topics.change(command, &mut self.names);
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        self.shard.metadata_changed(now, self.topics.image(), &changed, created);
    }

    fn request(&mut self, now: i64, command: &Command<'_>) {
        self.tokens += 1;
        let token = Token(self.tokens);
        let client = self
            .clients
            .entry(command.client.to_owned())
            .or_insert_with(|| Client { generation: -1, ..Client::default() });
        let context = command.context();
        let request = show::as_sent(command.request(client, &self.names), context.version);
        self.waiting.insert(token, (command.client.to_owned(), context.version));
        let ids = &mut self.ids;
        let mut next_id = || {
            *ids += 1;
            format!("{ids:08}")
        };
        let effects = self.shard.handle(now, token, &context, request, &mut next_id);
        self.carry_out(now, effects);
    }

    fn carry_out(&mut self, now: i64, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Respond { token, response } => self.hear(token, &response),
                append => {
                    let (id, entries) = entries(append);
                    if self.holds {
                        self.held.push_back((id, entries));
                    } else {
                        self.write(&entries);
                        effects.extend(self.shard.on_appended(now, id, Ok(())));
                    }
                }
            }
        }
    }

    fn hear(&mut self, token: Token, response: &Response) {
        let who = self.waiting.remove(&token);
        let (name, version) = who.expect("an answer to somebody who waits");
        let response = show::as_read(response, version);
        learn(&name, &response, &mut self.names, &mut self.clients);
        self.events.push(Event::Heard(name, response));
    }

    fn write(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.events.push(Event::Written(entry.clone()));
            self.log.push(entry.clone());
        }
    }

    fn report(&mut self, now: i64, result: Result<(), ErrorCode>) {
        let (id, records) = self.held.pop_front().expect("an append");
        if result.is_ok() {
            self.write(&records);
        }
        let effects = self.shard.on_appended(now, id, result);
        self.carry_out(now, effects);
    }

    fn pass_time(&mut self, until: i64) {
        while let Some(at) = self.shard.next_deadline().filter(|at| *at < until) {
            let effects = self.shard.on_deadline(at);
            self.carry_out(at, effects);
        }
    }

    /// A new process reads what the old one wrote.
    fn restart(&mut self, now: i64) {
        self.shard = Coordinator::new(self.settings.clone());
        self.waiting.clear();
        self.held.clear();
        self.holds = false;
        for entry in &self.log {
            let (producer_id, record) = match entry {
                Entry::Record(record) => (None, record),
                Entry::InTransaction(producer_id, record) => (Some(*producer_id), record),
                Entry::End(end) => {
                    self.shard.apply_end(end.producer_id, end.committed);
                    continue;
                }
            };
            let value = record.value.as_deref();
            self.shard.apply_in(now, producer_id, &record.key, value).expect("our own record");
        }
        self.shard.metadata_changed(now, self.topics.image(), &[], false);
        let effects = self.shard.loaded(now);
        self.carry_out(now, effects);
    }
}

/// What an append puts into the log.
fn entries(append: Effect) -> (AppendId, Vec<Entry>) {
    match append {
        Effect::Append { id, records } => (id, records.into_iter().map(Entry::Record).collect()),
        Effect::AppendInTransaction { id, records, transaction } => {
            let of = |record| Entry::InTransaction(transaction.producer_id, record);
            (id, records.into_iter().map(of).collect())
        }
        Effect::AppendMarker { id, end } => (id, vec![Entry::End(end)]),
        Effect::Respond { .. } => panic!("not an append"),
    }
}

/// What a client learns from a response.
pub(crate) fn learn(
    name: &str,
    response: &Response,
    names: &mut Names,
    clients: &mut BTreeMap<String, Client>,
) {
    let client = clients.entry(name.to_owned()).or_default();
    if let Response::Share(share) = response {
        super::share::learn(name, share, names, client);
    }
    if let Response::ConsumerHeartbeat(beat) = response
        && beat.error_code == 0
    {
        let id = beat.member_id.as_deref().unwrap_or_default();
        names.learn(name, id);
        client.member = id.to_owned();
        client.generation = beat.member_epoch;
    }
    if let Response::StreamsHeartbeat(told) = response
        && told.response.error_code == 0
    {
        names.learn(name, &told.response.member_id);
        client.member = told.response.member_id.to_string();
        client.generation = told.response.member_epoch;
    }
    if let Response::Join(join) = response {
        names.learn(name, &join.member_id);
        if !join.member_id.is_empty() {
            client.member = join.member_id.to_string();
        }
        if join.error_code == 0 {
            client.generation = join.generation_id;
            client.protocol = join.protocol_name.as_deref().unwrap_or_default().to_owned();
        }
    }
}
