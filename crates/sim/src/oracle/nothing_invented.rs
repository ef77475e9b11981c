//! Nobody reads what nobody wrote.

use super::{Batch, Format, Invariant, Oracle, Place, recreated::RECREATED_IS_NEW};
use crate::records::{ReadRecord, headers_of};

pub(super) const NOTHING_INVENTED: Invariant = Invariant {
    id: "nothing-invented",
    sentence: "What is read was sent to this partition: whole batches, with keys, values, headers \
               and timestamps as far as their format, and the reader's, can hold them.",
};

impl Oracle {
    /// What was read of one batch, already told apart into records of batches that were sent.
    pub(crate) fn read_batch(
        &mut self,
        place: &Place,
        records: &[ReadRecord],
        producer: Option<(i64, i16, i32)>,
    ) -> bool {
        let sent = records.first().and_then(|first| self.sent(place, first));
        let is_whole = sent.is_some_and(|sent| {
            let count = u32::try_from(records.len()).unwrap_or(0);
            let is = |(at, record): (u32, &ReadRecord)| {
                record.id == Some((sent.id, at)) && is_as_sent(&sent, record, Format::V2)
            };
            count == sent.count && (0..).zip(records).all(is) && sent.producer == producer
        });
        if !is_whole {
            self.read_something_else(place, &format!("{records:?} of {producer:?}"), sent);
        }
        is_whole
    }

    /// A record that was read alone, as an old reader is given it.
    pub(crate) fn read_record(
        &mut self,
        place: &Place,
        record: &ReadRecord,
        format: Format,
    ) -> bool {
        let sent = self.sent(place, record);
        let is_whole = sent.is_some_and(|sent| is_as_sent(&sent, record, format));
        if !is_whole {
            self.read_something_else(place, &format!("{record:?} in {format:?}"), sent);
        }
        is_whole
    }

    fn sent(&mut self, place: &Place, record: &ReadRecord) -> Option<Batch> {
        let (id, _) = record.id?;
        self.partition(place).sent.get(&id).copied()
    }

    fn read_something_else(&mut self, place: &Place, what: &str, sent: Option<Batch>) {
        let text = format!("{place:?} has {what}, sent was {sent:?}");
        let is_of_old = sent.is_none() && self.era(&place.0) > 0;
        self.violate(if is_of_old { RECREATED_IS_NEW } else { NOTHING_INVENTED }, text);
    }

    /// Bytes that are no batches of records.
    pub(crate) fn read_garbage(&mut self, place: &Place, error: &str) {
        self.violate(NOTHING_INVENTED, format!("{place:?} cannot be read: {error}"));
    }
}

/// Whether a record has what its format, and the reader's, can hold.
fn is_as_sent(sent: &Batch, record: &ReadRecord, read: Format) -> bool {
    let least = sent.format.min(read);
    let timestamp = if least == Format::V0 { -1 } else { sent.timestamp };
    let headers = match (least, record.id) {
        (Format::V2, Some(id)) => headers_of(id),
        _ => 0,
    };
    record.timestamp == timestamp && record.headers == headers
}
