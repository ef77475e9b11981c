//! The coordinator against scripts: one step a line, one line of what became of it.

use super::*;

const SETTINGS: Settings =
    Settings { timeout_max_ms: 900_000, two_phase_commit: false, version: 2 };

struct Script {
    coordinator: Coordinator,
    settings: Settings,
    now_ms: i64,
    next_id: i64,
    log: Vec<Record>,
}

impl Script {
    fn step(&mut self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let verb = words.next().expect("a verb");
        let rest: Vec<&str> = words.collect();
        match verb {
            "at" => {
                self.now_ms = number(rest[0]);
                return String::new();
            }
            "version" => {
                self.settings.version = number(rest[0]);
                return String::new();
            }
            "epoch" => return self.set_epoch(number(rest[0])),
            "late" => return self.coordinator.late(self.now_ms).join(" "),
            "verify" => return self.verify(producer(rest[0]), &rest[1..]),
            "forget" => return self.forget(number(rest[0])),
            _ => {}
        }
        let command = command(verb, &rest);
        let answer = self.decide(&command);
        format!("{answer}; {}", self.show())
    }

    /// Decides, with a fresh producer id if one is needed, and applies what was decided.
    fn decide(&mut self, command: &Command) -> String {
        let ask = |this: &Self, fresh| {
            this.coordinator.decide(this.now_ms, &this.settings, "x", command, fresh)
        };
        let mut decided = ask(self, None);
        if decided == Err(Refusal::NeedsProducerId) {
            self.next_id += 1;
            decided = ask(self, Some(self.next_id));
        }
        match decided {
            Err(Refusal::Error(error)) => error.name().to_owned(),
            Err(Refusal::NeedsProducerId) => "NEEDS_PRODUCER_ID".to_owned(),
            Ok(Decision { change, answer }) => {
                if let Some(value) = change {
                    self.apply(Change { id: "x".to_owned(), value: Some(value) });
                }
                match answer.error {
                    ErrorCode::None => format!("{}/{}", answer.producer.0, answer.producer.1),
                    error => error.name().to_owned(),
                }
            }
        }
    }

    fn apply(&mut self, change: Change) {
        self.log.push(change.to_record(self.settings.version));
        self.coordinator.apply(change);
    }

    fn set_epoch(&mut self, epoch: i16) -> String {
        let mut value = self.coordinator.get("x").expect("known").clone();
        value.epoch = epoch;
        self.apply(Change { id: "x".to_owned(), value: Some(value) });
        self.show()
    }

    fn verify(&self, producer: (i64, i16), partitions: &[&str]) -> String {
        match self.coordinator.verify("x", producer, &parse(partitions)) {
            Ok(missing) => format!("missing {missing:?}"),
            Err(error) => error.name().to_owned(),
        }
    }

    fn forget(&mut self, expiration_ms: i64) -> String {
        let expired = self.coordinator.expired(self.now_ms, expiration_ms);
        let count = expired.len();
        expired.into_iter().for_each(|change| self.apply(change));
        format!("{count} forgotten, {} left", self.coordinator.len())
    }

    fn show(&self) -> String {
        let Some(of) = self.coordinator.get("x") else { return "nothing".to_owned() };
        let marker = self.coordinator.ending("x");
        let marker = marker.map(|of| format!(" marker {}/{}", of.producer_id, of.epoch));
        format!("{} {}/{}{}", of.state.name(), of.producer_id, of.epoch, marker.unwrap_or_default())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("a number: {text}"))
}

fn producer(text: &str) -> (i64, i16) {
    let (id, epoch) = text.split_once('/').expect("id/epoch");
    (number(id), number(epoch))
}

fn parse(partitions: &[&str]) -> Partitions {
    let mut parsed = Partitions::new();
    for partition in partitions {
        let (topic, index) = partition.split_once('-').expect("topic-index");
        parsed.entry(topic.to_owned()).or_default().insert(number(index));
    }
    parsed
}

fn command(verb: &str, rest: &[&str]) -> Command {
    let end = |committed, client_version| Command::End {
        producer: producer(rest[0]),
        committed,
        client_version,
    };
    match verb {
        "init" => Command::InitProducerId {
            timeout_ms: rest.get(1).map_or(60_000, |timeout| number(timeout)),
            two_phase: rest.contains(&"2pc"),
            keep_prepared: rest.contains(&"keep"),
            expected: rest.first().filter(|text| text.contains('/')).map(|text| producer(text)),
        },
        "add" | "add1" => Command::AddPartitions {
            producer: producer(rest[0]),
            partitions: parse(&rest[1..]),
            client_version: if verb == "add" { 2 } else { 0 },
        },
        "commit" => end(true, 2),
        "abort" => end(false, 2),
        "commit1" => end(true, 0),
        "abort1" => end(false, 0),
        "timeout" => Command::TimeOut,
        "complete" => Command::Complete,
        other => panic!("unknown verb {other}"),
    }
}

/// Runs a script; replaying what it has written gives the state that it left.
fn check(steps: &str, expected: &str) {
    let mut script = Script {
        coordinator: Coordinator::default(),
        settings: SETTINGS,
        now_ms: 1000,
        next_id: 6,
        log: Vec::new(),
    };
    let lines = steps.lines().map(str::trim).filter(|line| !line.is_empty());
    let told: Vec<String> =
        lines.map(|line| script.step(line)).filter(|told| !told.is_empty()).collect();
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, expected);
    let mut replayed = Coordinator::default();
    for record in &script.log {
        let change = Change::from_record(&record.key, record.value.as_deref());
        replayed.apply(change.expect("readable").expect("known"));
    }
    let mut live = script.coordinator;
    for of in live.transactions.values_mut() {
        of.last_epoch = -1;
        if script.settings.version == 0 {
            (of.previous_producer_id, of.next_producer_id, of.client_version) = (-1, -1, 0);
        }
    }
    assert_eq!(replayed, live, "replay gives the live state");
}

#[test]
fn a_transaction_of_version_two_gets_a_new_epoch_with_every_end() {
    check(
        "init
         add 7/0 a-0 b-1
         verify 7/0 a-0 a-1
         add 7/0 a-0
         commit 7/0
         commit 7/0
         add 7/1 a-0
         complete
         commit 7/0
         abort 7/0
         add 7/1 a-0
         abort 7/1
         complete
         abort 7/1
         abort 7/2",
        r#"7/0; Empty 7/0
         7/0; Ongoing 7/0
         missing {"a": {1}}
         7/0; Ongoing 7/0
         7/1; PrepareCommit 7/1 marker 7/1
         CONCURRENT_TRANSACTIONS; PrepareCommit 7/1 marker 7/1
         CONCURRENT_TRANSACTIONS; PrepareCommit 7/1 marker 7/1
         7/1; CompleteCommit 7/1
         7/1; CompleteCommit 7/1
         INVALID_TXN_STATE; CompleteCommit 7/1
         7/1; Ongoing 7/1
         7/2; PrepareAbort 7/2 marker 7/2
         7/2; CompleteAbort 7/2
         7/2; CompleteAbort 7/2
         7/3; PrepareAbort 7/3 marker 7/3"#,
    );
}

#[test]
fn a_transaction_of_version_one_keeps_its_epoch() {
    check(
        "version 1
         init
         commit1 7/0
         add1 7/0 a-0
         commit1 7/1
         commit1 8/0
         commit1 7/0
         abort1 7/0
         complete
         commit1 7/0
         abort1 7/0
         add1 7/0 a-0
         abort1 7/0
         complete",
        "7/0; Empty 7/0
         INVALID_TXN_STATE; Empty 7/0
         7/0; Ongoing 7/0
         PRODUCER_FENCED; Ongoing 7/0
         INVALID_PRODUCER_ID_MAPPING; Ongoing 7/0
         7/0; PrepareCommit 7/0 marker 7/0
         INVALID_TXN_STATE; PrepareCommit 7/0 marker 7/0
         7/0; CompleteCommit 7/0
         7/0; CompleteCommit 7/0
         INVALID_TXN_STATE; CompleteCommit 7/0
         7/0; Ongoing 7/0
         7/0; PrepareAbort 7/0 marker 7/0
         7/0; CompleteAbort 7/0",
    );
}

#[test]
fn a_producer_that_begins_again_fences_the_one_before() {
    check(
        "init
         add 7/0 a-0
         init
         init
         complete
         init
         add 7/0 a-0
         commit 7/0
         add 7/2 a-0",
        "7/0; Empty 7/0
         7/0; Ongoing 7/0
         CONCURRENT_TRANSACTIONS; PrepareAbort 7/1 marker 7/1
         CONCURRENT_TRANSACTIONS; PrepareAbort 7/1 marker 7/1
         7/1; CompleteAbort 7/1
         7/2; Empty 7/2
         PRODUCER_FENCED; Empty 7/2
         PRODUCER_FENCED; Empty 7/2
         7/2; Ongoing 7/2",
    );
    check(
        "version 1
         init
         add1 7/0 a-0
         init
         complete
         init",
        "7/0; Empty 7/0
         7/0; Ongoing 7/0
         CONCURRENT_TRANSACTIONS; PrepareAbort 7/1 marker 7/1
         7/1; CompleteAbort 7/1
         7/2; Empty 7/2",
    );
}

#[test]
fn a_producer_that_names_what_it_has_goes_on() {
    check(
        "init
         init 7/0
         init 7/0
         init 7/1
         init 7/0
         init 9/0",
        "7/0; Empty 7/0
         7/1; Empty 7/1
         7/1; Empty 7/1
         7/2; Empty 7/2
         PRODUCER_FENCED; Empty 7/2
         PRODUCER_FENCED; Empty 7/2",
    );
}

#[test]
fn used_up_epochs_bring_another_producer_id() {
    check(
        "init
         epoch 32765
         add 7/32765 a-0
         commit 7/32765
         complete
         add 7/32766 a-0
         commit 7/32766
         complete
         commit 7/32766
         add 8/0 a-0",
        "7/0; Empty 7/0
         Empty 7/32765
         7/32765; Ongoing 7/32765
         7/32766; PrepareCommit 7/32766 marker 7/32766
         7/32766; CompleteCommit 7/32766
         7/32766; Ongoing 7/32766
         8/0; PrepareCommit 7/32767 marker 7/32767
         8/0; CompleteCommit 8/0
         8/0; CompleteCommit 8/0
         8/0; Ongoing 8/0",
    );
    check(
        "init
         epoch 32766
         init 7/32766
         init 7/32766
         init",
        "7/0; Empty 7/0
         Empty 7/32766
         8/0; Empty 8/0
         8/0; Empty 8/0
         8/1; Empty 8/1",
    );
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    check(
        "init - 5000
         add 7/0 a-0
         at 6000
         late
         timeout
         at 6001
         late
         timeout
         complete
         commit 7/0
         at 9000
         forget 3000
         forget 2999",
        "7/0; Empty 7/0
         7/0; Ongoing 7/0
         INVALID_TXN_STATE; Ongoing 7/0
         x
         7/1; PrepareAbort 7/1 marker 7/1
         7/1; CompleteAbort 7/1
         INVALID_TXN_STATE; CompleteAbort 7/1
         0 forgotten, 1 left
         1 forgotten, 0 left",
    );
}

#[test]
fn what_is_not_offered_is_refused() {
    check(
        "init - 0
         init - 900001
         init - 1000 2pc
         init - 1000 keep
         add 7/0 a-0
         commit 7/0
         init
         abort1 7/0
         verify 7/1 a-0
         verify 8/0 a-0",
        "INVALID_TRANSACTION_TIMEOUT; nothing
         INVALID_TRANSACTION_TIMEOUT; nothing
         TRANSACTIONAL_ID_AUTHORIZATION_FAILED; nothing
         UNSUPPORTED_VERSION; nothing
         INVALID_PRODUCER_ID_MAPPING; nothing
         INVALID_PRODUCER_ID_MAPPING; nothing
         7/0; Empty 7/0
         INVALID_TXN_STATE; Empty 7/0
         PRODUCER_FENCED
         INVALID_PRODUCER_ID_MAPPING",
    );
}
