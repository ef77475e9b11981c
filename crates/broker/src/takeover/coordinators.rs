//! Groups and transactions, replayed from the logs of their topics as they are on disk.

use std::{collections::BTreeMap, io};

use klamm_env::Env;
use klamm_groups::{Coordinator as Groups, Replayed as Kept, Settings};
use klamm_log::inspect;
use klamm_protocol::records::{DecompressionLimit, RecordBatchView};
use klamm_transactions::{
    Coordinator as Transactions,
    coordinator::{Change, Filters, State},
};

use super::{Found, GroupFound, TransactionFound, dirs::Dirs};
use crate::{
    groups::OFFSETS_TOPIC,
    replay::{Replayed, replay_batch},
    transactions::TRANSACTIONS_TOPIC,
};

/// The most that one batch may decompress to, bytes.
const DECOMPRESSION: DecompressionLimit = DecompressionLimit(1 << 30);

/// Replays both.
pub(super) fn look(env: &Env, dirs: &Dirs, found: &mut Found) -> io::Result<()> {
    let mut skipped: BTreeMap<i16, usize> = BTreeMap::new();
    let now_ms = env.clock.now_ms();
    for (index, held) in dirs.of_topic(OFFSETS_TOPIC) {
        let mut groups = Groups::new(Settings::default());
        let mut faults = Vec::new();
        each_record(env, held, &mut faults, |replayed| match replayed {
            Replayed::End { producer_id, committed } => {
                groups.apply_end(producer_id, committed);
                None
            }
            Replayed::Record { producer_id, key, value, .. } => {
                match groups.apply_in(now_ms, producer_id, key, value) {
                    Ok(Kept::Applied) => None,
                    Ok(Kept::Skipped(kind)) => {
                        *skipped.entry(kind).or_default() += 1;
                        None
                    }
                    Err(error) => Some(error.to_string()),
                }
            }
        })?;
        note_faults(&format!("{OFFSETS_TOPIC}-{index}"), faults, found);
        found.groups.extend(groups.summary().into_iter().map(|group| GroupFound {
            group: group.group,
            kind: group.kind.to_owned(),
            state: group.state.to_owned(),
            offsets: group.offsets,
            pending_offsets: group.pending_offsets,
        }));
    }
    found.groups.sort_by(|a, b| a.group.cmp(&b.group));
    for (kind, count) in skipped {
        found.not_carried_over.push(format!(
            "{count} records of type {kind} in {OFFSETS_TOPIC} are of a kind of group that is not \
             served; they stay in the log"
        ));
    }
    look_at_transactions(env, dirs, found)
}

fn look_at_transactions(env: &Env, dirs: &Dirs, found: &mut Found) -> io::Result<()> {
    for (index, held) in dirs.of_topic(TRANSACTIONS_TOPIC) {
        let mut transactions = Transactions::default();
        let mut faults = Vec::new();
        each_record(env, held, &mut faults, |replayed| {
            let Replayed::Record { key, value, .. } = replayed else { return None };
            match Change::from_record(key, value) {
                Ok(change) => {
                    change.into_iter().for_each(|change| transactions.apply(change));
                    None
                }
                Err(error) => Some(error.to_string()),
            }
        })?;
        note_faults(&format!("{TRANSACTIONS_TOPIC}-{index}"), faults, found);
        found.transactional_ids += transactions.len();
        let is_open = |state: State| state == State::Ongoing || state.is_prepared();
        let all = Filters::default();
        let open = transactions.list(0, &all).filter(|(_, of)| is_open(of.state));
        found.transactions.extend(open.map(|(id, of)| TransactionFound {
            id: id.to_owned(),
            state: of.state.name().to_owned(),
            producer_id: of.producer_id,
            epoch: of.epoch,
            timeout_ms: of.timeout_ms,
            partitions: of.partitions.values().map(|indexes| indexes.len()).sum(),
        }));
    }
    found.transactions.sort_by(|a, b| a.id.cmp(&b.id));
    for open in &found.transactions {
        let (id, state) = (&open.id, &open.state);
        found.notes.push(match state.as_str() {
            "Ongoing" => format!(
                "the transaction of {id} is open: its producer may go on, or it is aborted when its \
                 {} ms have passed",
                open.timeout_ms
            ),
            _ => format!("the transaction of {id} is in {state}: its markers are written"),
        });
    }
    Ok(())
}

/// Gives the records of a partition to `each`, which says what is wrong with one.
fn each_record(
    env: &Env,
    held: &super::dirs::Held,
    faults: &mut Vec<String>,
    mut each: impl FnMut(Replayed<'_>) -> Option<String>,
) -> io::Result<()> {
    inspect::walk(&*env.disk, &held.path, |bytes| {
        let taken = RecordBatchView::parse(bytes).map_err(io::Error::other).and_then(|view| {
            replay_batch(&view, DECOMPRESSION, &mut |replayed| faults.extend(each(replayed)))
        });
        if let Err(error) = taken {
            faults.push(error.to_string());
        }
    })?;
    Ok(())
}

fn note_faults(name: &str, faults: Vec<String>, found: &mut Found) {
    if let Some(first) = faults.first() {
        found
            .not_carried_over
            .push(format!("{name}: {} records cannot be read, the first: {first}", faults.len()));
    }
}
