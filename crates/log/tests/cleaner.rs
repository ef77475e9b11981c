//! Compaction against a model: what must survive does, at whatever step the disk dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use klamm_env::{
    Disk, Random,
    virt::{DiskFault, VirtualDisk},
};
use klamm_log::{
    AppendOptions, CleanError, CleanerLimits, Cleaning, Log, LogConfig, OpenLog, Origin,
    ReadLimits, TopicPartition,
};
use klamm_protocol::records::{
    BatchBuilder, BatchOptions, Batches, Compression, CompressionType, DecompressionLimit,
    NewRecord,
};

const DIR: &str = "/data/t-0";
const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);
const DELETE_RETENTION_MS: i64 = 500;

/// A record as it was appended; without a value it is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Appended {
    key: u64,
    value: Option<u64>,
    time: i64,
}

struct World {
    disk: VirtualDisk,
    random: Random,
    config: LogConfig,
    log: Arc<Log>,
    /// What the checkpoints know: recovery point, cleaned up to.
    checkpoint: (i64, Option<i64>),
    records: BTreeMap<i64, Appended>,
    /// Next sequence numbers of producers.
    sequences: BTreeMap<i64, i32>,
    /// Last offsets of the producers' last batches, with their last sequence numbers.
    last: BTreeMap<i64, Vec<(i64, i32)>>,
    now_ms: i64,
    value: u64,
}

fn limits(random: &Random) -> CleanerLimits {
    CleanerLimits {
        map_bytes: if random.chance(1, 3) { 24 * 30 } else { 1 << 20 },
        map_load_factor: 0.9,
        io_buffer_bytes: 1024 + random.below(3000) as usize,
        decompression: LIMIT,
        secret: (random.next_u64(), random.next_u64()),
    }
}

fn open(
    disk: &VirtualDisk,
    config: &LogConfig,
    point: (i64, Option<i64>),
    now_ms: i64,
) -> Arc<Log> {
    let opened = OpenLog {
        disk: Arc::new(disk.mount()),
        dir: PathBuf::from(DIR),
        name: TopicPartition::new("t", 0),
        config: config.clone(),
        recovery_point: point.0,
        start_offset: 0,
        cleaned_to: point.1,
        clean: false,
        same_power_cycle: false,
        now_ms,
    };
    Arc::new(opened.open().expect("opened").0)
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Random::from_seed(seed);
        let disk = VirtualDisk::new(Random::from_seed(seed + 1));
        Disk::create_dir_all(&disk, "/data".as_ref()).expect("made");
        disk.sync_dir("/".as_ref()).expect("synced");
        let config = LogConfig {
            segment_bytes: 600 + random.below(2_000),
            index_interval_bytes: 200,
            compact: true,
            delete: false,
            delete_retention_ms: DELETE_RETENTION_MS,
            min_cleanable_dirty_ratio: 0.0,
            ..LogConfig::default()
        };
        let log = open(&disk, &config, (0, None), 0);
        Self {
            disk,
            random,
            config,
            log,
            checkpoint: (0, None),
            records: BTreeMap::new(),
            sequences: BTreeMap::new(),
            last: BTreeMap::new(),
            now_ms: 1_000,
            value: 0,
        }
    }

    fn append(&mut self) {
        let random = self.random.clone();
        let codec = CompressionType::from_id(random.below(5) as u8).expect("a codec");
        let producer = random.chance(1, 2).then(|| random.below(4) as i64);
        let sequence = producer.map_or(-1, |id| *self.sequences.get(&id).unwrap_or(&0));
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: Compression::of(codec),
            producer_id: producer.unwrap_or(-1),
            producer_epoch: if producer.is_some() { 0 } else { -1 },
            base_sequence: sequence,
            ..BatchOptions::default()
        });
        let mut appended = Vec::new();
        for _ in 0..=random.below(6) {
            self.value += 1;
            let (key, tombstone) = (random.below(25), random.chance(1, 5));
            let value = (!tombstone).then_some(self.value);
            let bytes = value.map(|value| format!("{value:040}"));
            let (name, value_bytes) = (key.to_be_bytes(), bytes.as_deref().map(str::as_bytes));
            let record = NewRecord {
                timestamp: self.now_ms,
                key: Some(&name),
                value: value_bytes,
                headers: &[],
            };
            builder.append(&record).expect("fits");
            appended.push(Appended { key, value, time: self.now_ms });
        }
        let count = appended.len() as i64;
        let options = AppendOptions::new(Origin::Client, 0, self.now_ms);
        let done = self.log.append(&mut builder.build().expect("built"), &options);
        let first = done.expect("appended").base_offset;
        for (at, record) in appended.into_iter().enumerate() {
            self.records.insert(first + at as i64, record);
        }
        if let Some(id) = producer {
            let next = sequence + count as i32;
            self.sequences.insert(id, next);
            self.last.entry(id).or_default().push((first + count - 1, next - 1));
        }
    }

    fn flush(&mut self) {
        self.log.flush_now().expect("synced");
        if self.random.chance(2, 3) {
            self.checkpoint.0 = self.log.recovery_point();
        }
    }

    /// Cleans once; whether it came to its end.
    fn clean(&mut self) -> bool {
        self.checkpoint.0 = self.log.recovery_point();
        let stable = self.log.end_offset();
        let cleanable = self.log.cleanable(self.now_ms, stable).expect("readable");
        if cleanable.dirty_bytes == 0 {
            return true;
        }
        let mut cleaning = Cleaning::begin(&cleanable, limits(&self.random), self.now_ms)
            .expect("nobody else cleans");
        loop {
            match cleaning.step() {
                Ok(stepped) if stepped.is_done => break,
                Ok(_) => {
                    if self.random.chance(1, 20) && self.disk.fault() == DiskFault::None {
                        self.append();
                    }
                }
                Err(error) => {
                    assert!(matches!(error, CleanError::Io(_)), "{error}");
                    return false;
                }
            }
        }
        if self.random.chance(2, 3) {
            self.checkpoint.1 = self.log.cleaned_to();
        }
        true
    }

    /// The process or the machine dies; what was lost at the end is forgotten.
    fn die(&mut self, by_power: bool) {
        if by_power {
            self.disk.crash()
        } else {
            self.disk.kill()
        }
        self.disk.set_fault(DiskFault::None);
        self.log = open(&self.disk, &self.config, self.checkpoint, self.now_ms);
        let end = self.log.end_offset();
        assert!(end >= self.checkpoint.0, "what was durable is there");
        self.records.retain(|offset, _| *offset < end);
        for last in self.last.values_mut() {
            last.retain(|(offset, _)| *offset < end);
        }
        self.last.retain(|_, last| !last.is_empty());
        self.sequences =
            self.last.iter().map(|(id, last)| (*id, last[last.len() - 1].1 + 1)).collect();
    }

    /// All records in the log.
    fn contents(&self) -> BTreeMap<i64, Appended> {
        let mut found = BTreeMap::new();
        let mut next = self.log.start_offset();
        loop {
            let limits = ReadLimits { bytes_max: 900, upper: i64::MAX, first_whole: true };
            let slice = self.log.read(next, &limits).expect("readable");
            let Some(file) = slice.file else { return found };
            let mut bytes = vec![0; usize::try_from(slice.len).expect("small")];
            file.read_at(&mut bytes, slice.position).expect("read");
            for entry in Batches::new(&bytes) {
                let batch = entry.expect("whole").batch().expect("v2");
                batch.check_crc().expect("intact");
                for record in batch.records(LIMIT).expect("readable").iter() {
                    let record = record.expect("a record");
                    let key = record.key.expect("a key").try_into().expect("eight bytes");
                    let value = record.value.map(|v| String::from_utf8_lossy(v).parse());
                    let value = value.transpose().expect("a number");
                    let (key, time) = (u64::from_be_bytes(key), record.timestamp);
                    found.insert(record.offset, Appended { key, value, time });
                }
                next = batch.next_offset();
            }
        }
    }

    fn check(&self) {
        let found = self.contents();
        for (offset, record) in &found {
            assert_eq!(self.records.get(offset), Some(record), "offset {offset}");
        }
        let mut last: BTreeMap<u64, (i64, &Appended)> = BTreeMap::new();
        for (offset, record) in &self.records {
            last.insert(record.key, (*offset, record));
        }
        for (key, (offset, record)) in last {
            let shown = found.iter().rev().find(|(_, found)| found.key == key);
            match shown {
                Some((at, _)) => assert_eq!(*at, offset, "key {key}: its last record"),
                None => {
                    assert_eq!(record.value, None, "key {key}: {record:?} at {offset} is gone");
                    let age = self.now_ms - record.time;
                    assert!(age >= DELETE_RETENTION_MS, "key {key}: the tombstone left early");
                }
            }
        }
        let producers = self.log.producers();
        for (id, known) in producers.iter() {
            let expected = self.last.get(&id).and_then(|last| last.last());
            let known = known.batches.back().map(|b| (b.last_offset, b.last_sequence));
            assert_eq!(known.as_ref(), expected, "producer {id}");
        }
        let known: BTreeSet<i64> = producers.iter().map(|(id, _)| id).collect();
        assert_eq!(known, self.last.keys().copied().collect(), "the producers known");
    }
}

fn check_seed(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..40 {
        for _ in 0..=world.random.below(25) {
            world.append();
        }
        world.now_ms += world.random.below(400) as i64;
        world.flush();
        if world.random.chance(1, 2) {
            world.disk.set_fault(DiskFault::Dying(world.random.below(40)));
        }
        if !world.clean() {
            // What is read is still right.
            world.check();
        }
        let dies = world.disk.fault() != DiskFault::None;
        if dies || world.random.chance(1, 5) {
            let by_power = world.random.chance(1, 2);
            world.die(by_power);
        }
        world.check();
    }
    assert!(world.clean());
    world.check();
    let cleaned = world.log.cleaned_to().expect("it was compacted");
    let mut keys = BTreeSet::new();
    for (offset, record) in world.contents().range(..cleaned) {
        assert!(keys.insert(record.key), "offset {offset}: key {} twice", record.key);
    }
}

#[test]
fn what_must_survive_does_wherever_the_disk_dies() {
    for seed in 0..15 {
        println!("seed {seed}");
        check_seed(seed);
    }
}
