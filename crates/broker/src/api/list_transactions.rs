//! ListTransactions (key 66), versions 0 to 2: the transactional ids that this broker coordinates
//! (KIP-664), from version 1 on by how long their transaction has run (KIP-994), from version 2 on
//! by a pattern of the id (KIP-1152).

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ListTransactionsRequest, ListTransactionsResponse,
        list_transactions_response::TransactionState,
    },
};
use klamm_transactions::coordinator::{Filters, State};
use regex::{Regex, RegexBuilder};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ListTransactions,
    permissions: &[Permission::TransactionalIdDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// The most memory that a compiled pattern may take, bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ListTransactionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let response = list(cx, &body).unwrap_or_else(|error| ListTransactionsResponse {
        error_code: error.code(),
        ..ListTransactionsResponse::default()
    });
    Outcome::Now(request.answer(&response))
}

fn list(
    cx: &Context<'_>,
    body: &ListTransactionsRequest<'_>,
) -> Result<ListTransactionsResponse<'static>, ErrorCode> {
    let (known, unknown): (Vec<_>, Vec<_>) =
        body.state_filters.iter().partition(|name| State::from_name(name).is_some());
    let filters = Filters {
        producer_ids: body.producer_id_filters.clone(),
        states: known.iter().filter_map(|name| State::from_name(name)).collect(),
        running_ms: Some(body.duration_filter).filter(|millis| *millis >= 0),
    };
    // States that nobody knows let nothing pass.
    let only_unknown = known.is_empty() && !unknown.is_empty();
    let pattern = pattern(body)?;
    let mut found = cx.broker.transactions.list(cx.now_ms, &filters)?;
    found.retain(|(id, _)| {
        !only_unknown && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    });
    let states = found.into_iter().map(|(id, of)| TransactionState {
        transactional_id: id.into(),
        producer_id: of.producer_id,
        transaction_state: of.state.name().into(),
        ..TransactionState::default()
    });
    Ok(ListTransactionsResponse {
        unknown_state_filters: unknown.into_iter().map(|n| n.clone().into_owned().into()).collect(),
        transaction_states: states.collect(),
        ..ListTransactionsResponse::default()
    })
}

/// The pattern, which must match a whole id.
fn pattern(body: &ListTransactionsRequest<'_>) -> Result<Option<Regex>, ErrorCode> {
    let Some(pattern) = body.transactional_id_pattern.as_deref().filter(|p| !p.is_empty()) else {
        return Ok(None);
    };
    let whole = format!("^(?:{pattern})$");
    let compiled = RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build();
    compiled.map(Some).map_err(|_| ErrorCode::InvalidRegularExpression)
}
