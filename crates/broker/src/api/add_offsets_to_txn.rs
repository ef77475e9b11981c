//! AddOffsetsToTxn (key 25), versions 0 to 4: a group's committed offsets join a producer's
//! transaction, that is, the partition of `__consumer_offsets` that holds them.

use std::collections::BTreeSet;

use klamm_protocol::{
    ApiKey,
    messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
};
use klamm_transactions::coordinator::{Command, Partitions};

use super::{Api, Context, Permission, QuotaClass, txn_call};
use crate::{
    groups::OFFSETS_TOPIC,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::AddOffsetsToTxn,
    permissions: &[Permission::TransactionalIdWrite, Permission::GroupRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AddOffsetsToTxnRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let index = txn_call::offsets_partition(cx.broker, &body.group_id);
    let partitions = Partitions::from([(OFFSETS_TOPIC.to_owned(), BTreeSet::from([index]))]);
    let command = Command::AddPartitions {
        producer: (body.producer_id, body.producer_epoch),
        partitions,
        client_version: 0,
    };
    txn_call::call(cx, &request, &body.transactional_id, command, |envelope, answer| {
        let error = txn_call::fenced(answer.error, envelope.version);
        let error_code = error.code();
        envelope.answer(&AddOffsetsToTxnResponse { error_code, ..Default::default() })
    })
}
