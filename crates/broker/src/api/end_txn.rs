//! EndTxn (key 26), versions 0 to 5: a producer commits or aborts its transaction.
//!
//! From version 5 on the producer gets a new epoch with every end (KIP-890). The markers are
//! written before the answer where this broker leads all partitions.

use klamm_protocol::{
    ApiKey,
    messages::{EndTxnRequest, EndTxnResponse},
};
use klamm_transactions::coordinator::{Command, EPOCH_BUMP_FROM};

use super::{Api, Context, Permission, QuotaClass, txn_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::EndTxn,
    permissions: &[Permission::TransactionalIdWrite],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// From this version on clients keep to transactions version 2.
const BUMPED_FROM: i16 = 5;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: EndTxnRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let client_version = if request.version >= BUMPED_FROM { EPOCH_BUMP_FROM } else { 0 };
    let command = Command::End {
        producer: (body.producer_id, body.producer_epoch),
        committed: body.committed,
        client_version,
    };
    txn_call::call(cx, &request, &body.transactional_id, command, |envelope, told| {
        let error = txn_call::fenced(told.error, envelope.version);
        let (producer_id, producer_epoch) = told.producer;
        let error_code = error.code();
        envelope.answer(&EndTxnResponse {
            error_code,
            producer_id,
            producer_epoch,
            ..EndTxnResponse::default()
        })
    })
}
