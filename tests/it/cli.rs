//! The built `klamm` binary from end to end: it serves, and its commands work on what it serves.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

/// The binary, built in the profile that this test was built in.
fn klamm() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "klamm", "--message-format", "json"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let message = |line| serde_json::from_slice::<serde_json::Value>(line).ok();
        let executable = |line| message(line)?.get("executable")?.as_str().map(PathBuf::from);
        built.stdout.split(|&byte| byte == b'\n').find_map(executable).unwrap()
    })
}

/// A broker of its own on a free port.
struct Broker {
    process: Child,
    stderr: BufReader<std::process::ChildStderr>,
    bootstrap: String,
    dir: tempfile::TempDir,
}

impl Broker {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(klamm());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path().join("data"));
        Self::spawn(command, dir)
    }

    fn spawn(mut command: Command, dir: tempfile::TempDir) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let bootstrap = loop {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before it was ready");
            if let Some((_, bootstrap)) = line.trim().split_once("bootstrap.servers=") {
                break bootstrap.to_owned();
            }
        };
        Self { process, stderr, bootstrap, dir }
    }

    fn run(&self, line: &str, input: &str) -> Output {
        let mut command = Command::new(klamm());
        // Words are separated by blanks; `_` stands for a blank within one.
        command.args(line.split(' ').map(|word| word.replace('_', " ")));
        command.env("KLAMM_BOOTSTRAP", &self.bootstrap).current_dir(&self.dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that works, and compares what it prints.
    fn check(&self, line: &str, input: &str, expected: &str) {
        let output = self.run(line, input);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "klamm {line}: {err}");
        assert_eq!(out, expected, "klamm {line}\n{err}");
    }

    /// Runs a command that fails, and looks for parts of what it says.
    fn refuse(&self, line: &str, code: i32, parts: &[&str]) {
        let output = self.run(line, "");
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "klamm {line}: {err}");
        parts.iter().for_each(|part| assert!(err.contains(part), "klamm {line}: {err}"));
    }

    fn json(&self, line: &str) -> serde_json::Value {
        let output = self.run(line, "");
        assert!(output.status.success(), "klamm {line}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Gone already after a test that stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Nobody asked for the port of the metrics, so two brokers on one machine do not fight for it.
#[test]
fn every_broker_tells_its_metrics_somewhere() {
    let mut places = [Broker::start(), Broker::start()].map(|mut broker| {
        let place = loop {
            let mut line = String::new();
            assert!(broker.stderr.read_line(&mut line).unwrap() > 0, "it ended");
            if let Some(place) = line.trim().strip_prefix("metrics") {
                break place.trim().to_owned();
            }
        };
        (place, broker)
    });
    places.sort_by(|a, b| a.0.cmp(&b.0));
    assert_ne!(places[0].0, places[1].0);
    for (place, _) in &places {
        let address = place.strip_prefix("http://").and_then(|at| at.strip_suffix("/metrics"));
        let mut stream = std::net::TcpStream::connect(address.unwrap()).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{place}: {answer}");
    }
}

#[test]
fn without_arguments_it_is_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(klamm());
    // The test must not need the port that a user expects.
    command.env("KLAMM_LISTENERS", "PLAINTEXT://127.0.0.1:0").current_dir(dir.path());
    let broker = Broker::spawn(command, dir);
    broker.check("topic create t", "", "topic t created\n");
    assert!(broker.dir.path().join("klamm-data").join("t-0").is_dir());
}

#[test]
fn topics_records_groups_and_configurations() {
    let broker = Broker::start();
    broker.check("topic create orders -p 2 -c retention.ms=60000", "", "topic orders created\n");
    broker.refuse("topic create orders", 1, &["TOPIC_ALREADY_EXISTS", "--if-not-exists"]);
    broker.check("topic list", "", "NAME    PARTITIONS  REPLICAS\norders  2           1\n");

    broker.check("produce orders -k : -H h=1 -z zstd --null - -p 0", "a:1\nb:2\nc:-\n", "");
    let format = "%p/%o_%k=%s_[%h]\\n";
    let all = "0/0 a=1 [h=1]\n0/1 b=2 [h=1]\n0/2 c= [h=1]\n";
    broker.check(&format!("consume orders --exit -f {format}"), "", all);
    broker.check(&format!("consume orders --exit -o -1 -f {format}"), "", "0/2 c= [h=1]\n");
    broker.check("consume orders -n 1 -o 1 -p 0", "", "2\n");
    let json = text(&broker.run("consume orders --exit -o json", "").stdout);
    broker.check("produce copy -f json", &json, "");
    broker.check(&format!("consume copy --exit -f {format}"), "", all);

    broker.check("consume orders --exit -g g", "", "1\n2\n\n");
    let group = broker.json("group describe g -o json");
    assert_eq!((&group["lag"], &group["state"]), (&0.into(), &"Empty".into()));
    let plan = text(&broker.run("group reset-offsets g -t orders:0 --to beginning", "").stdout);
    assert!(plan.contains("Nothing was changed"), "{plan}");
    broker.json("group reset-offsets g -t orders:0 --to beginning --execute -o json");
    assert_eq!(broker.json("group describe g -o json")["lag"], 3);
    broker.refuse("group delete g", 1, &["Nobody is there to confirm it", "--yes"]);
    broker.check("group delete g --yes", "", "group g deleted\n");
    broker.refuse("group describe g", 1, &["GROUP_ID_NOT_FOUND", "klamm group list"]);

    broker.check(
        "config unset topic orders retention.ms",
        "",
        "configuration of topic orders changed\n",
    );
    let unset = broker.json("config describe topic orders -k retention.ms -o json");
    assert_eq!(unset[0]["source"], "DEFAULT_CONFIG");
    broker.refuse("config set topic orders retention.m=1", 1, &["Did you mean retention.ms?"]);

    broker.check("topic alter orders --partitions 3", "", "topic orders altered\n");
    assert_eq!(broker.json("topic describe orders -o json")[0]["partitions"][2]["end_offset"], 0);
    broker.check(
        "topic delete orders copy --yes",
        "",
        "topic orders deleted\ntopic copy deleted\n",
    );
    broker.refuse("consume orders", 1, &["topic orders does not exist", "klamm topic create"]);
}

#[test]
fn errors_say_what_to_do() {
    let broker = Broker::start();
    broker.refuse("topic list -b 127.0.0.1:1", 1, &["127.0.0.1:1", "refused", "klamm serve"]);
    broker.refuse("consume t -o soon", 2, &["`soon`", "beginning, end"]);
    broker.refuse("serve --set num.partition=1", 2, &["Did you mean num.partitions?"]);
    let taken = format!("serve --listen {} --data other", broker.bootstrap);
    broker.refuse(&taken, 1, &["cannot listen", "--listen"]);
    broker.refuse("serve --listen 127.0.0.1:0 --data data", 1, &["in use", "--data"]);
}

/// What was acknowledged before a graceful stop is there after it, and the stop is one.
#[test]
fn a_signal_stops_the_broker() {
    let mut broker = Broker::start();
    broker.check("produce t", "kept\n", "");
    let id = broker.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(broker.process.wait().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut broker.stderr, &mut rest).unwrap();
    assert!(rest.contains("stopping"), "{rest}");
    assert!(!rest.contains("ERROR") && !rest.contains("panicked"), "{rest}");
}
