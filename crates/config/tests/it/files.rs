//! Reading `klamm.toml` and `server.properties`, the samples in `config/`, and the layers.

use klamm_config::{BrokerConfig, BrokerSettings, ConfigFile, Dynamic, Layers, Origin, Problem};

use crate::map;

/// The file as `line name=value` and `warning`, or its problems.
#[track_caller]
fn check(file: Result<ConfigFile, Vec<Problem>>, expected: &str) {
    let lines: Vec<String> = match file {
        Ok(file) => {
            let entries =
                file.entries().iter().map(|e| format!("{} {}={}", e.line, e.name, e.value));
            entries.chain(file.warnings().iter().map(|w| format!("warning {w}"))).collect()
        }
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn toml_takes_quoted_dotted_and_nested_keys() {
    check(
        ConfigFile::toml(
            "\"log.retention.ms\" = 1_000\nlog.dirs = [\"/a\", '/b']\n\n[log.flush]\n\
             interval.ms = 20\nscheduler.interval.ms = 25\n[auto]\ncreate.topics.enable = false\n",
        ),
        "1 log.retention.ms=1000\n2 log.dirs=/a,/b\n5 log.flush.interval.ms=20\n\
         6 log.flush.scheduler.interval.ms=25\n8 auto.create.topics.enable=false",
    );
}

#[test]
fn toml_problems_have_lines_and_hints() {
    check(
        ConfigFile::toml(
            "\nlog.retenton.ms = 5\nnum.partitions = 0\nlog.segment.bytes = \"big\"\n",
        ),
        "line 2: Unknown broker config name: log.retenton.ms. Did you mean log.retention.ms?\n\
         line 3: Invalid value 0 for configuration num.partitions: Value must be at least 1\n\
         line 4: Invalid value big for configuration log.segment.bytes: Not a number of type INT",
    );
    check(
        ConfigFile::toml("replica.alter.log.dirs.io.max.bytes.per.second = 1\nx = 1979-05-27\n"),
        "line 2: x: a date is not a value of any key\n\
         line 1: replica.alter.log.dirs.io.max.bytes.per.second can only be set dynamically",
    );
    check(
        ConfigFile::toml("\"log.dir\" = \"a\"\n[log]\ndir = \"b\"\n"),
        "line 3: log.dir was already given in line 1",
    );
    let clash = ConfigFile::toml("max.connections = 5\nmax.connections.per.ip = 3\n");
    let text = clash.unwrap_err()[0].to_string();
    assert!(text.starts_with("line 2: ") && text.contains("quote it"), "{text}");
}

#[test]
fn properties_are_read_as_java_reads_them() {
    check(
        ConfigFile::properties(
            b"# comment\n! another\nlog.dirs = /a,\\\n   /b\nbroker.rack:r\\u00e9 \nbroker.rack r\xe9\n",
        ),
        "3 log.dirs=/a,/b\n5 broker.rack=r\u{e9} \n6 broker.rack=r\u{e9}",
    );
}

#[test]
fn unknown_properties_are_warnings() {
    check(
        ConfigFile::properties(
            b"log.retension.ms=5\nmetric.reporters=com.example.R\nnum.io.threads=8\nmy.plugin.x=1\n\
              listener.name.ext.ssl.key.password=p\n",
        ),
        "1 log.retension.ms=5\n2 metric.reporters=com.example.R\n3 num.io.threads=8\n\
         4 my.plugin.x=1\n5 listener.name.ext.ssl.key.password=p\n\
         warning line 1: log.retension.ms is not a known key and has no effect. Did you mean \
         log.retention.ms?\n\
         warning line 2: metric.reporters has no effect: it configures a Java process.\n\
         warning line 3: num.io.threads has no effect: One pool of threads does all work: \
         `klamm.worker.threads`.\n\
         warning line 4: my.plugin.x is not a known key and has no effect.\n\
         warning line 5: listener.name.ext.ssl.key.password has no effect: Listeners speak \
         PLAINTEXT only.",
    );
    check(
        ConfigFile::properties(b"\nssl.key.password=p\nlog.segment.bytes=1\n"),
        "line 3: Invalid value 1 for configuration log.segment.bytes: Value must be at least \
         1048576",
    );
}

#[test]
fn stronger_layers_win() {
    let file = ConfigFile::toml("log.retention.hours = 1\nnum.partitions = 2\n").unwrap();
    let environment = map(["KLAMM_NUM_PARTITIONS=3", "KLAMM_LOG=debug", "KLAMM_WORKER_THREADS=2"]);
    let command_line = map(["log.retention.minutes=5"]);
    let config = BrokerConfig::resolve(Layers { file, environment, command_line }).unwrap();
    assert_eq!(config.origin("num.partitions"), Origin::Environment);
    assert_eq!(config.origin("klamm.worker.threads"), Origin::Environment);
    assert_eq!(config.origin("log.retention.minutes"), Origin::CommandLine);
    assert_eq!(config.origin("log.dirs"), Origin::Default);
    let statics = config.statics();
    assert_eq!(statics.get("num.partitions").map(String::as_str), Some("3"));
    // The file's hours would otherwise be hidden behind, or hide, what the command line said.
    assert_eq!(statics.get("log.retention.hours"), None);
}

#[test]
fn broken_rules_name_their_line() {
    let file = ConfigFile::toml("node.id = 3\n\"broker.id\" = 4\n").unwrap();
    let problems = BrokerConfig::resolve(Layers { file, ..Layers::default() }).unwrap_err();
    let text = "line 2: You must set `node.id` to the same value as `broker.id`.";
    assert_eq!(problems[0].to_string(), text);
}

#[test]
fn samples_load() {
    let samples = [
        include_str!("../../../../config/single-node.toml"),
        include_str!("../../../../config/dev.toml"),
    ];
    for sample in samples {
        let file = ConfigFile::toml(sample).unwrap();
        let config = BrokerConfig::resolve(Layers { file, ..Layers::default() }).unwrap();
        assert_eq!(config.warnings(), []);
        BrokerSettings::of(&config.effective(Dynamic::NONE)).unwrap();
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let dots = format!("a{} = 1", ".a".repeat(100_000));
    let brackets = format!("a = {}", "[".repeat(100_000));
    for text in [dots, brackets] {
        assert!(ConfigFile::toml(&text).is_err());
    }
}
