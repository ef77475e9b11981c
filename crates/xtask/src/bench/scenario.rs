//! The table of scenarios: what is run and what is read from it. To add one, add a row.

/// One row.
#[derive(Debug)]
pub(super) struct Scenario {
    /// In `--only`, results and the page.
    pub(super) name: &'static str,
    /// What is measured, for the page.
    pub(super) what: &'static str,
    pub(super) how: How,
    /// The figures, the most important first.
    pub(super) figures: &'static [Figure],
    /// Whether `--quick` runs it.
    pub(super) quick: bool,
}

/// How a row is run against a broker. The words are arguments of `load`.
#[derive(Debug)]
pub(super) enum How {
    /// One load against the brokers that run all the time.
    Load(&'static [&'static str]),
    /// As `Load`, reading once through files that were put out of the page cache.
    Cold(&'static [&'static str]),
    /// As `Load`, at half of the rate of requests that Apache Kafka reached in another row.
    HalfOf(&'static str, &'static [&'static str]),
    /// No broker: what the machine can do.
    Machine(&'static [&'static str]),
    /// A tool of Kafka's distribution (its class, records, arguments) against the topic.
    Tool(Tool),
    /// A broker of its own with an empty folder: started, left idle, stopped.
    Start,
    /// A broker of its own that is filled with so many GB, stopped this way, and started again.
    Restart(Stop, Fill),
    /// A broker of its own with 10 topics of so many partitions each: made, produced to, stopped
    /// in order and started again.
    Partitions(u64),
    /// A broker of its own with so many topics of one partition: made, asked for one of them at a
    /// time, stopped in order and started again.
    Topics(u64),
}

impl How {
    /// Whether the load fills the page cache.
    pub(super) fn writes(&self) -> bool {
        match self {
            Self::Load(words) | Self::HalfOf(_, words) => {
                words.first().is_some_and(|word| word.ends_with("produce"))
            }
            _ => false,
        }
    }
}

/// How a broker is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// SIGTERM.
    InOrder,
    /// SIGKILL.
    Killed,
}

/// GB to fill a broker with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    /// What `--restart-gb` says.
    Asked,
    /// So many.
    Gb(f64),
}

/// A performance tool of Kafka's distribution.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) class: &'static str,
    /// Records that it sends or reads.
    pub(super) records: u64,
    /// Its arguments; `{topic}` and `{bootstrap}` are filled in.
    pub(super) arguments: &'static [&'static str],
    /// A tool that fills the topic first.
    pub(super) before: Option<&'static Tool>,
}

/// A number of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// In the results.
    pub(super) key: &'static str,
    /// On the page, with the unit.
    pub(super) label: &'static str,
    pub(super) better: Better,
    /// How many times as good as Apache Kafka it is to be.
    pub(super) goal: Option<f64>,
    /// A row of the machine, and the part of its `mb_per_cpu_second` that is to be reached.
    pub(super) of_machine: Option<(&'static str, f64)>,
}

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Higher,
    Lower,
}

const fn higher(key: &'static str, label: &'static str) -> Figure {
    Figure { key, label, better: Better::Higher, goal: None, of_machine: None }
}

const fn lower(key: &'static str, label: &'static str) -> Figure {
    Figure { key, label, better: Better::Lower, goal: None, of_machine: None }
}

impl Figure {
    const fn goal(self, times: f64) -> Self {
        Figure { goal: Some(times), ..self }
    }

    const fn of(self, machine: &'static str, part: f64) -> Self {
        Figure { of_machine: Some((machine, part)), ..self }
    }
}

const MB_PER_CPU: Figure = higher("mb_per_cpu_second", "MB per broker CPU-second");
const REQUESTS_PER_CPU: Figure =
    higher("requests_per_cpu_second", "requests per broker CPU-second");
const TRANSACTIONS_PER_CPU: Figure =
    higher("requests_per_cpu_second", "transactions per broker CPU-second");
const RECORDS_PER_CPU: Figure = higher("records_per_cpu_second", "records per broker CPU-second");
const MB_PER_SECOND: Figure = higher("mb_per_second", "MB per second");
const RECORDS_PER_SECOND: Figure = higher("records_per_second", "records per second");
const MEMORY: Figure = lower("rss_mb", "resident MB under load");
const WRITTEN: Figure = lower("written_per_byte", "disk bytes per byte produced");
const P50: Figure = lower("latency_p50_us", "latency p50, µs");
const P99: Figure = lower("latency_p99_us", "latency p99, µs");
const P999: Figure = lower("latency_p999_us", "latency p99.9, µs");
const CREATE_TOPICS: Figure = lower("create_seconds", "seconds to create, a topic in a request");
const RESTART_TOPICS: Figure =
    lower("restart_seconds", "seconds to start again, all topics take a record");
const TOOL_RATE: Figure = higher("tool_mb_per_second", "MB per second, as the tool says");

const PRODUCED: &[Figure] = &[MB_PER_CPU, MB_PER_SECOND, MEMORY];
const REQUESTED: &[Figure] = &[REQUESTS_PER_CPU, RECORDS_PER_SECOND, MEMORY];
const DELIVERED: &[Figure] = &[RECORDS_PER_CPU, P50, P99, P999];
const LATENCIES: &[Figure] = &[P50, P99.goal(3.0), P999.goal(3.0)];

const RECORDS_OF_TOOLS: u64 = 1_000_000;
const PRODUCER_PERF_TEST: Tool = Tool {
    class: "org.apache.kafka.tools.ProducerPerformance",
    records: RECORDS_OF_TOOLS,
    arguments: &[
        "--topic",
        "{topic}",
        "--num-records",
        "1000000",
        "--record-size",
        "1024",
        "--throughput",
        "-1",
        "--producer-props",
        "bootstrap.servers={bootstrap}",
        "acks=1",
        "linger.ms=5",
        "batch.size=262144",
    ],
    before: None,
};

const fn row(
    name: &'static str,
    what: &'static str,
    how: How,
    figures: &'static [Figure],
) -> Scenario {
    Scenario { name, what, how, figures, quick: false }
}

impl Scenario {
    const fn quick(self) -> Self {
        Scenario { quick: true, ..self }
    }

    /// Whether it needs the brokers that run all the time.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.how, How::Load(_) | How::Cold(_) | How::HalfOf(..) | How::Tool(_))
    }
}

/// All rows, in the order in which they run.
pub(super) const SCENARIOS: &[Scenario] = &[
    row(
        "produce-1k",
        "librdkafka produces 1 KB records, acks=1, 6 partitions, linger 5 ms",
        How::Load(&["produce", "--record-bytes", "1024"]),
        &[MB_PER_CPU.goal(4.0), MB_PER_SECOND, MEMORY.goal(10.0), WRITTEN],
    )
    .quick(),
    row(
        "produce-100b",
        "the same with 100-byte records",
        How::Load(&["produce", "--record-bytes", "100"]),
        &[MB_PER_CPU.goal(4.0), MB_PER_SECOND, MEMORY, WRITTEN],
    )
    .quick(),
    row(
        "unbatched",
        "librdkafka sends one record of 100 bytes in each request, pipelined, linger 0",
        How::Load(&[
            "produce", "--record-bytes", "100", "--linger-ms", "0", "--batch-records", "1",
        ]),
        &[REQUESTS_PER_CPU.goal(10.0), RECORDS_PER_SECOND, MEMORY],
    )
    .quick(),
    row(
        "follow-10",
        "ten consumers in ten groups follow a topic that gets 300 records a second",
        How::Load(&["follow", "--groups", "10", "--rate", "300"]),
        &[RECORDS_PER_CPU.goal(6.0), P50, P99],
    )
    .quick(),
    row(
        "sendfile-loop",
        "the yardstick of fetches: a bare loop of sendfile, 1 MB a call",
        How::Machine(&["sendfile-loop"]),
        &[MB_PER_CPU],
    )
    .quick(),
    row(
        "fetch-cached",
        "prepared fetches of 1 MB from the page cache",
        How::Load(&["raw-fetch"]),
        &[MB_PER_CPU.goal(1.0).of("sendfile-loop", 0.95), MB_PER_SECOND],
    )
    .quick(),
    row(
        "start",
        "start with an empty folder until clients are answered, until the first record is taken, and idle memory",
        How::Start,
        &[
            lower("ready_seconds", "seconds to the first answer").goal(50.0),
            lower("first_produce_seconds", "seconds to the first record"),
            lower("rss_mb", "resident MB, idle").goal(20.0),
        ],
    )
    .quick(),
    row(
        "copy-loop",
        "the yardstick of produce requests: a bare copy from a socket to a new file",
        How::Machine(&["copy-loop"]),
        &[MB_PER_CPU],
    ),
    row(
        "produce-1mb-requests",
        "prepared requests of 1,000 records of 1 KB, 6 partitions, acks=1",
        How::Load(&["raw-produce", "--batch-records", "1000", "--connections", "2"]),
        &[MB_PER_CPU.of("copy-loop", 0.5), MB_PER_SECOND, MEMORY],
    ),
    row(
        "unbatched-raw",
        "prepared requests of one 100-byte record, 4 connections, 64 in flight on each",
        How::Load(&[
            "raw-produce", "--record-bytes", "100", "--connections", "4", "--in-flight", "64",
        ]),
        REQUESTED,
    ),
    row(
        "produce-100k",
        "librdkafka produces 100 KB records",
        How::Load(&["produce", "--record-bytes", "102400"]),
        PRODUCED,
    ),
    row("acks-0", "as produce-1k with acks=0", How::Load(&["produce", "--acks", "0"]), PRODUCED),
    row("acks-all", "as produce-1k with acks=all", How::Load(&["produce", "--acks", "all"]), PRODUCED),
    row("codec-none", "as produce-1k with text", How::Load(&["produce", "--payload", "text"]), PRODUCED),
    row(
        "codec-gzip",
        "text, compressed by the client with gzip",
        How::Load(&["produce", "--payload", "text", "--codec", "gzip"]),
        PRODUCED,
    ),
    row(
        "codec-snappy",
        "text, compressed by the client with snappy",
        How::Load(&["produce", "--payload", "text", "--codec", "snappy"]),
        PRODUCED,
    ),
    row(
        "codec-lz4",
        "text, compressed by the client with lz4",
        How::Load(&["produce", "--payload", "text", "--codec", "lz4"]),
        PRODUCED,
    ),
    row(
        "codec-zstd",
        "text, compressed by the client with zstd",
        How::Load(&["produce", "--payload", "text", "--codec", "zstd"]),
        PRODUCED,
    ),
    row("partitions-1", "as produce-1k to 1 partition", How::Load(&["produce", "--partitions", "1"]), PRODUCED),
    row("partitions-16", "to 16 partitions", How::Load(&["produce", "--partitions", "16"]), PRODUCED),
    row("partitions-1000", "to 1,000 partitions", How::Load(&["produce", "--partitions", "1000"]), PRODUCED),
    row(
        "connections-1",
        "prepared requests of ten 1 KB records on 1 connection, 1 in flight",
        How::Load(&["raw-produce", "--batch-records", "10", "--in-flight", "1"]),
        REQUESTED,
    ),
    row(
        "connections-100",
        "on 100 connections",
        How::Load(&[
            "raw-produce", "--batch-records", "10", "--in-flight", "1", "--connections", "100",
        ]),
        REQUESTED,
    ),
    row(
        "connections-1000",
        "on 1,000 connections",
        How::Load(&[
            "raw-produce", "--batch-records", "10", "--in-flight", "1", "--connections", "1000",
        ]),
        REQUESTED,
    ),
    row(
        "follow-1",
        "one consumer follows a topic that gets 300 records a second",
        How::Load(&["follow", "--groups", "1", "--rate", "300"]),
        DELIVERED,
    ),
    row(
        "end-to-end-1000",
        "from the producer's schedule to one consumer at 1,000 records of 1 KB a second",
        How::Load(&["follow", "--groups", "1", "--rate", "1000", "--record-bytes", "1024"]),
        DELIVERED,
    ),
    row(
        "end-to-end-20000",
        "the same at 20,000 records a second, linger 5 ms",
        How::Load(&[
            "follow", "--groups", "1", "--rate", "20000", "--record-bytes", "1024", "--linger-ms", "5",
        ]),
        DELIVERED,
    ),
    row(
        "mixed",
        "20,000 records of 1 KB a second produced, and read by four groups",
        How::Load(&[
            "follow", "--groups", "4", "--rate", "20000", "--record-bytes", "1024", "--linger-ms", "5",
        ]),
        DELIVERED,
    ),
    row(
        "fetch-cold",
        "prepared fetches, once through files that were put out of the page cache",
        How::Cold(&["raw-fetch", "--fill-bytes", "2000000000"]),
        &[MB_PER_CPU, MB_PER_SECOND],
    ),
    row(
        "peak-16k-requests",
        "prepared requests of 16 records of 1 KB, 4 connections, 5 in flight: the peak for the next row",
        How::Load(&["raw-produce", "--batch-records", "16", "--connections", "4"]),
        &[REQUESTS_PER_CPU, MB_PER_SECOND],
    ),
    row(
        "latency-at-half-peak",
        "the same requests on a schedule, at half of Apache Kafka's peak; latency counts from the schedule",
        How::HalfOf("peak-16k-requests", &["raw-produce", "--batch-records", "16", "--connections", "4"]),
        LATENCIES,
    ),
    row(
        "latency-1000",
        "1,000 such requests a second",
        How::Load(&["raw-produce", "--batch-records", "16", "--connections", "4", "--rate", "1000"]),
        LATENCIES,
    ),
    row(
        "sync-flush-1",
        "flush.messages=1: every request is on disk before its answer; one producer of 1 KB records",
        How::Load(&["raw-produce", "--in-flight", "1", "--topic-config", "flush.messages=1"]),
        &[RECORDS_PER_SECOND, P50, P99],
    ),
    row(
        "sync-flush-100",
        "the same with 100 producers",
        How::Load(&[
            "raw-produce",
            "--in-flight",
            "1",
            "--connections",
            "100",
            "--topic-config",
            "flush.messages=1",
        ]),
        &[RECORDS_PER_SECOND.goal(2.0), P50, P99],
    ),
    row(
        "rebalance-1000",
        "one more member joins a group of 1,000: all have joined again and have their assignment",
        How::Load(&["rebalance", "--members", "1000"]),
        &[
            lower("rebalance_seconds", "seconds"),
            lower("broker_cpu_seconds", "broker CPU-seconds"),
        ],
    ),
    row(
        "transactions-100",
        "100 producers with transactions of 2 records of 1 KB in 2 partitions, one after the other, on bare sockets",
        How::Load(&["transact", "--producers", "100"]),
        &[TRANSACTIONS_PER_CPU.goal(3.0), higher("requests_per_second", "transactions per second"), P50, P99],
    ),
    row(
        "partitions-10000",
        "a broker of 10,000 partitions: made; one record of 1 KB to each, 100 in a request; stopped and started",
        How::Partitions(1000),
        &[
            lower("create_seconds", "seconds to create").goal(3.0),
            lower("seconds", "seconds to produce to all").goal(3.0),
            lower("broker_cpu_seconds", "broker CPU-seconds for that"),
            lower("restart_seconds", "seconds to start again, all partitions take a record").goal(3.0),
            MEMORY,
        ],
    ),
    row(
        "topics-10000",
        "a broker of 10,000 topics of one partition: made; metadata of one of them, request after request; stopped and started",
        How::Topics(10_000),
        &[P50, P99, CREATE_TOPICS, RESTART_TOPICS, MEMORY],
    ),
    row(
        "restart-in-order",
        "start after SIGTERM with 1 GB in 6 partitions, until all take a record",
        How::Restart(Stop::InOrder, Fill::Gb(1.0)),
        &[lower("restart_seconds", "seconds")],
    ),
    row(
        "restart-killed",
        "start after kill -9 with logs in 6 partitions, until all take a record",
        How::Restart(Stop::Killed, Fill::Asked),
        &[lower("restart_seconds", "seconds").goal(5.0), higher("filled_gb", "GB of logs")],
    ),
    row(
        "producer-perf-test",
        "kafka-producer-perf-test: 1,000,000 records of 1 KB, acks=1, linger 5 ms",
        How::Tool(PRODUCER_PERF_TEST),
        &[MB_PER_CPU, TOOL_RATE],
    ),
    row(
        "consumer-perf-test",
        "kafka-consumer-perf-test: reads them",
        How::Tool(Tool {
            class: "org.apache.kafka.tools.ConsumerPerformance",
            records: RECORDS_OF_TOOLS,
            arguments: &[
                "--topic",
                "{topic}",
                "--bootstrap-server",
                "{bootstrap}",
                "--num-records",
                "1000000",
                "--timeout",
                "60000",
            ],
            before: Some(&PRODUCER_PERF_TEST),
        }),
        &[MB_PER_CPU, TOOL_RATE],
    ),
];

/// The row of that name.
pub(super) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_consistent() {
        let names: BTreeSet<_> = SCENARIOS.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), SCENARIOS.len(), "names are unique");
        for (at, scenario) in SCENARIOS.iter().enumerate() {
            assert!(!scenario.figures.is_empty(), "{} has figures", scenario.name);
            let earlier = |name: &str| SCENARIOS[..at].iter().find(|s| s.name == name);
            if let How::HalfOf(of, _) = scenario.how {
                assert!(earlier(of).is_some(), "{of} runs before {}", scenario.name);
            }
            for figure in scenario.figures {
                let Some((machine, _)) = figure.of_machine else { continue };
                let yardstick = earlier(machine).expect("a yardstick runs before what it measures");
                assert!(matches!(yardstick.how, How::Machine(_)), "{machine}");
                assert!(!scenario.quick || yardstick.quick, "{machine} is as quick");
            }
        }
    }
}
