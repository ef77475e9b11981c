//! What the arrival or loss of a broker does to the partitions it holds.
//!
//! Cost: one look at every partition of the cluster.

use klamm_protocol::{messages::metadata_record::MetadataRecord, wire::Uuid};

use super::{
    Context,
    partition_change::{Change, Election},
};
use crate::{Image, Partition};

/// What happened to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause<'a> {
    /// It may lead again.
    Back(i32),
    /// It is fenced, shutting down, or unregistered.
    Gone(i32),
    /// It came back without having stopped cleanly.
    UncleanShutdown(i32),
    /// These of its directories went offline.
    Lost(i32, &'a [Uuid]),
}

impl Cause<'_> {
    fn broker(self) -> i32 {
        match self {
            Self::Back(id) | Self::Gone(id) | Self::UncleanShutdown(id) | Self::Lost(id, _) => id,
        }
    }

    /// Whether it can mean anything to the partition.
    fn touches(self, partition: &Partition) -> bool {
        match self {
            Self::Back(id) => partition.leader < 0 && partition.replicas.contains(&id),
            Self::Gone(id) => partition.isr.contains(&id) || partition.leader == id,
            Self::UncleanShutdown(id) => partition.isr.contains(&id) || partition.elr.contains(&id),
            Self::Lost(id, dirs) => {
                dirs.contains(&partition.directory_of(id))
                    && (partition.isr.contains(&id) || partition.leader == id)
            }
        }
    }
}

/// The changes of all partitions that a broker's fate touches.
pub(super) fn changes(
    image: &Image,
    context: &Context<'_>,
    cause: Cause<'_>,
) -> Vec<MetadataRecord<'static>> {
    let active = |id: i32| match cause {
        Cause::Back(back) if id == back => true,
        Cause::Gone(gone) | Cause::UncleanShutdown(gone) | Cause::Lost(gone, _) if id == gone => {
            false
        }
        _ => image.broker(id).is_some_and(|broker| broker.is_active()),
    };
    let mut records = Vec::new();
    for topic in image.topics() {
        for (number, partition) in topic.partitions().filter(|(_, p)| cause.touches(p)) {
            let acceptable = |id: i32| active(id) && has_directory(image, partition, id);
            let mut change = Change::new(partition, &acceptable);
            change.min_isr = context.min_isr(image, &topic.name);
            change.elr_enabled = image.features().eligible_leader_replicas();
            if context.elects_unclean(image, &topic.name) {
                change.election = Election::Unclean;
            }
            if !matches!(cause, Cause::Back(_)) {
                change.isr.retain(|id| *id != cause.broker());
            }
            if let Cause::UncleanShutdown(id) = cause {
                change.unclean = Some(id);
            }
            records.extend(change.build(topic.id, number).map(MetadataRecord::PartitionChange));
        }
    }
    records
}

/// Whether the directory of a replica is online, as far as is known.
fn has_directory(image: &Image, partition: &Partition, broker: i32) -> bool {
    let dir = partition.directory_of(broker);
    let known = image.broker(broker).map(|broker| &*broker.directories).unwrap_or_default();
    dir.is_zero() || known.is_empty() || known.contains(&dir)
}

/// Whether a broker leads anything.
pub(super) fn leads(image: &Image, broker: i32) -> bool {
    image.topics().any(|topic| topic.partitions().any(|(_, p)| p.leader == broker))
}
