//! The broker as a process: killed in the middle of its work, and talked to in other languages.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a helper of a test fails the test"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use klamm::client::{
    Client, ClientOptions, FetchOptions, Fetcher, NewTopic, OutgoingRecord, Producer,
    ProducerOptions, TopicPartition,
};
use klamm_env::Env;

/// A process that is killed, not asked, when it goes out of scope.
struct Process {
    child: Child,
    /// What it says on its standard error.
    lines: mpsc::Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(dir: &Path, port: u16, settings: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.arg("serve").arg("--data").arg(dir).arg("--listen").arg(format!("127.0.0.1:{port}"));
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    let process = Process { child, lines };
    for _ in 0..3000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return process;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("the broker did not start: {:?}", process.lines.try_iter().collect::<Vec<_>>());
}

impl Process {
    /// Waits, with a bound, for a line that holds `text`.
    fn wait_for_line(&self, text: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(20)) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line has {text:?}: {seen:#?}");
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// A client that soon gives a dead broker up.
fn impatient_client(port: u16) -> Client {
    let options = ClientOptions {
        call_timeout: Duration::from_millis(500),
        ..ClientOptions::new(&format!("127.0.0.1:{port}"))
    };
    Client::new(&Env::real(), options)
}

/// Everything in the topic, with gapless offsets.
async fn read_all(client: &Client) -> Vec<u64> {
    let mut fetcher = Fetcher::new(client.clone(), FetchOptions::default());
    fetcher.assign([(TopicPartition::new("t", 0), Some(0))].into());
    let mut values = Vec::new();
    while !fetcher.is_at_end() {
        for record in fetcher.poll().await.unwrap() {
            assert_eq!(record.offset, i64::try_from(values.len()).unwrap(), "a gap in the offsets");
            values.push(number(record.value.as_deref().unwrap()));
        }
    }
    values
}

/// Produces numbers until the broker is dead; returns the first that was not acknowledged.
async fn produce_until_killed(client: Client, mut next: u64) -> u64 {
    let mut producer = Producer::new(client, ProducerOptions::default());
    loop {
        let batch = next..next + 20;
        for n in batch.clone() {
            if producer.send("t", OutgoingRecord::value(n.to_string())).await.is_err() {
                return next;
            }
        }
        if producer.flush().await.is_err() {
            return next;
        }
        next = batch.end;
    }
}

/// `KLAMM_KILLS` says how often; the default keeps the test short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_and_synced_survives_kill_9() {
    let kills = std::env::var("KLAMM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let dir = tempfile::tempdir().unwrap();
    let settings = ["log.flush.interval.messages=1"];
    let mut acknowledged = 0;
    for kill in 0..=kills {
        let port = free_port();
        let mut process = serve(dir.path(), port, &settings);
        let client = impatient_client(port);
        if kill == 0 {
            let topic = NewTopic { partitions: Some(1), ..NewTopic::new("t") };
            client.create_topics(&[topic], false).await.unwrap();
        }
        let found = read_all(&client).await;
        let expected: Vec<u64> = (0..found.len() as u64).collect();
        assert_eq!(found, expected, "kill {kill}: each once, in order");
        assert!(
            found.len() as u64 >= acknowledged,
            "kill {kill}: {acknowledged} were acknowledged"
        );
        let first = found.len() as u64;
        let producer = tokio::spawn(produce_until_killed(client.clone(), first));
        tokio::time::sleep(Duration::from_millis(30 + 17 * (kill % 7))).await;
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        acknowledged = producer.await.unwrap();
        println!("kill {kill}: {first} found, {acknowledged} acknowledged");
    }
    assert!(acknowledged > 0, "nothing was produced between the kills");
}

/// Sends bytes that no Kafka client sends; the broker must close, say why in a line, and go on.
fn check_foreign(process: &Process, address: SocketAddr, bytes: &[u8], line: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    drop(stream.read_to_end(&mut answer));
    assert!(answer.is_empty(), "answered {answer:?}");
    let said = process.wait_for_line("closed the connection");
    assert!(said.contains(line), "{said:?} does not say {line:?}");
}

#[test]
fn what_is_not_kafka_is_closed_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let process = serve(dir.path(), port, &[]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    check_foreign(&process, address, b"GET / HTTP/1.1\r\n\r\n", "looks like HTTP");
    check_foreign(&process, address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "looks like TLS");
    check_foreign(&process, address, &[0x7f, 0xff, 0xff, 0xff], "socket.request.max.bytes");
    check_foreign(&process, address, b"hello, world, how are you?", "not a Kafka client");
    check_foreign(
        &process,
        address,
        &[0, 0, 0, 10, 0x7f, 1, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        "API key",
    );
    check_foreign(
        &process,
        address,
        &[0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff],
        "malformed",
    );
    assert!(process.lines.try_iter().next().is_none(), "one line for each");
}
