//! The store: what is refused, what is written, and that replaying it gives the same.

use klamm_metadata::Image;
use klamm_protocol::messages::metadata_record::MetadataRecord;
use klamm_protocol::messages::{PartitionRecord, TopicRecord};

use super::*;

const UPDATES_PER_SNAPSHOT: i32 = 3;

fn key() -> Key {
    Key { group: "g".into(), topic: Uuid::from_u128(7), partition: 0 }
}

/// One partition, and a log of what is decided.
struct Kept {
    store: Store,
    image: Image,
    log: Vec<CoordinatorRecord>,
}

impl Kept {
    fn new() -> Self {
        let image = image_with_topic();
        Self { store: Store::default(), image, log: Vec::new() }
    }

    fn ask(&mut self, command: &Command) -> String {
        let decided = self.store.decide(1000, &self.image, &key(), command, UPDATES_PER_SNAPSHOT);
        let decision = match decided {
            Ok(decision) => decision,
            Err(refused) => return refused.error.name().to_owned(),
        };
        for record in decision.records {
            let offset = i64::try_from(self.log.len()).unwrap();
            let value = record.value.as_deref();
            self.store.apply(offset, &record.key, value, UPDATES_PER_SNAPSHOT).unwrap();
            self.log.push(record);
        }
        self.check_replay();
        self.show()
    }

    fn check_replay(&self) {
        let mut again = Store::default();
        for (offset, record) in (0..).zip(&self.log) {
            let value = record.value.as_deref();
            again.apply(offset, &record.key, value, UPDATES_PER_SNAPSHOT).unwrap();
        }
        assert_eq!(again.states, self.store.states);
    }

    fn show(&self) -> String {
        let Some(state) = self.store.get(&key()) else { return "nothing".to_owned() };
        let batch = |b: &Batch| format!("{}-{}:{}x{}", b.first, b.last, b.state, b.deliveries);
        let batches = state.batches.iter().map(batch).collect::<Vec<_>>().join(" ");
        let State { snapshot_epoch, state_epoch, leader_epoch, start_offset, .. } = state;
        format!(
            "snapshot {snapshot_epoch} epochs {state_epoch},{leader_epoch} from {start_offset} [{batches}]"
        )
    }
}

/// A cluster that has the topic of [`key`] with one partition.
fn image_with_topic() -> Image {
    let topic = TopicRecord { name: "t".into(), topic_id: key().topic, ..TopicRecord::default() };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: key().topic,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        ..PartitionRecord::default()
    };
    let mut image = Image::default();
    image.apply(&MetadataRecord::Topic(topic));
    image.apply(&MetadataRecord::Partition(partition));
    image
}

fn write(epochs: (i32, i32), start_offset: i64, batches: &[(i64, i64, i8, i16)]) -> Command {
    let batch = |(first, last, state, deliveries): &(i64, i64, i8, i16)| Batch {
        first: *first,
        last: *last,
        state: *state,
        deliveries: *deliveries,
    };
    Command::Write(Write {
        state_epoch: epochs.0,
        leader_epoch: epochs.1,
        start_offset,
        complete_count: 0,
        batches: batches.iter().map(batch).collect(),
    })
}

#[test]
fn state_is_written_where_it_was_begun_and_by_nobody_who_is_behind() {
    let mut kept = Kept::new();
    assert_eq!(kept.ask(&write((0, 0), 0, &[])), "INVALID_REQUEST");
    assert_eq!(kept.ask(&Command::Read { leader_epoch: 0 }), "INVALID_REQUEST");
    assert_eq!(kept.ask(&Command::Summary), "nothing");
    let begin = Command::Initialize { state_epoch: 2, start_offset: NO_START_OFFSET };
    assert_eq!(kept.ask(&begin), "snapshot 0 epochs 2,0 from -1 []");
    let older = Command::Initialize { state_epoch: 1, start_offset: 0 };
    assert_eq!(kept.ask(&older), "FENCED_STATE_EPOCH");
    let read = Command::Read { leader_epoch: 5 };
    assert_eq!(kept.ask(&read), "snapshot 0 epochs 2,5 from -1 []");
    assert_eq!(kept.ask(&Command::Read { leader_epoch: 4 }), "FENCED_LEADER_EPOCH");
    assert_eq!(kept.ask(&write((1, 5), 0, &[])), "FENCED_STATE_EPOCH");
    assert_eq!(kept.ask(&write((2, 4), 0, &[])), "FENCED_LEADER_EPOCH");
    assert_eq!(kept.ask(&Command::Delete), "nothing");
    assert_eq!(kept.ask(&Command::Delete), "nothing");
}

#[test]
fn what_was_done_stays_where_a_state_is_there_already() {
    let mut kept = Kept::new();
    let begin = |state_epoch| Command::Begin { state_epoch };
    assert_eq!(kept.ask(&begin(3)), "snapshot 0 epochs 3,0 from -1 []");
    kept.ask(&write((3, 0), 5, &[]));
    assert_eq!(kept.ask(&begin(4)), "snapshot 0 epochs 3,0 from 5 []");
    assert_eq!(kept.ask(&begin(1)), "snapshot 0 epochs 3,0 from 5 []");
}

#[test]
fn updates_are_laid_over_each_other_and_become_snapshots() {
    let mut kept = Kept::new();
    kept.ask(&Command::Initialize { state_epoch: 0, start_offset: 0 });
    let mut check = |start, batches: &[_], expected: &str| {
        let shown = kept.ask(&write((0, 0), start, batches)).replace(" epochs 0,0", "");
        assert_eq!(shown, expected);
    };
    check(0, &[(0, 9, 0, 1)], "snapshot 0 from 0 [0-9:0x1]");
    check(0, &[(3, 4, 2, 2)], "snapshot 0 from 0 [0-2:0x1 3-4:2x2 5-9:0x1]");
    check(0, &[(0, 2, 2, 2), (8, 12, 4, 5)], "snapshot 0 from 0 [0-4:2x2 5-7:0x1 8-12:4x5]");
    check(5, &[(5, 5, 2, 2)], "snapshot 1 from 5 [5-5:2x2 6-7:0x1 8-12:4x5]");
    check(-1, &[(6, 7, 2, 2)], "snapshot 1 from 5 [5-7:2x2 8-12:4x5]");
    check(7, &[], "snapshot 1 from 7 [7-7:2x2 8-12:4x5]");
    assert_eq!(kept.store.needed_from(), Some(4));
}
