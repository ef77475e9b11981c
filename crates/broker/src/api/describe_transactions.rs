//! DescribeTransactions (key 65), version 0: what the coordinator knows of transactional ids
//! (KIP-664).

use std::borrow::Cow;

use klamm_protocol::{
    ApiKey,
    messages::{
        DescribeTransactionsRequest, DescribeTransactionsResponse,
        describe_transactions_response::{TopicData, TransactionState},
    },
};
use klamm_transactions::coordinator::Transaction;

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeTransactions,
    permissions: &[Permission::TransactionalIdDescribe, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeTransactionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let describe = |id: &Cow<'_, str>| {
        let transactional_id = Cow::Owned(id.clone().into_owned());
        match cx.broker.transactions.describe(cx.broker, id) {
            Ok(of) => TransactionState { transactional_id, ..described(&of) },
            Err(error) => TransactionState {
                error_code: error.code(),
                transactional_id,
                ..TransactionState::default()
            },
        }
    };
    Outcome::Now(request.answer(&DescribeTransactionsResponse {
        transaction_states: body.transactional_ids.iter().map(describe).collect(),
        ..DescribeTransactionsResponse::default()
    }))
}

fn described(of: &Transaction) -> TransactionState<'static> {
    let topics = of.partitions.iter().map(|(topic, indexes)| TopicData {
        topic: topic.clone().into(),
        partitions: indexes.iter().copied().collect(),
        ..TopicData::default()
    });
    TransactionState {
        transaction_state: of.state.name().into(),
        transaction_timeout_ms: of.timeout_ms,
        transaction_start_time_ms: of.start_ms,
        producer_id: of.producer_id,
        producer_epoch: of.epoch,
        topics: topics.collect(),
        ..TransactionState::default()
    }
}
