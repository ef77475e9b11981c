//! What goes into a coordinator and what comes out: requests, responses, effects.

use std::fmt;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::consumer_group_describe_response as consumer_describe;
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use klamm_protocol::messages::describe_groups_response::DescribedGroup;
use klamm_protocol::messages::list_groups_response::ListedGroup;
use klamm_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use klamm_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use klamm_protocol::messages::streams_group_describe_response as streams_describe;
use klamm_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, SyncGroupRequest,
    SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use klamm_transactions::Guard;

use crate::share::{ShareRequest, ShareResponse};

/// Names a request that waits for its response; chosen by the driver, unique among those waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names an append; chosen by the coordinator, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendId(pub u64);

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The client id of the request header; empty if it was null.
    pub client_id: String,
    /// The client's address as Kafka shows it: `/127.0.0.1`.
    pub client_host: String,
    /// The version of the request.
    pub version: i16,
}

/// A request to the groups of one shard.
///
/// Authorization, and the lookup of topics by id or name, are done before.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// JoinGroup, versions 0 to 9.
    Join(JoinGroupRequest<'static>),
    /// SyncGroup, versions 0 to 5.
    Sync(SyncGroupRequest<'static>),
    /// Heartbeat, versions 0 to 4.
    Heartbeat(HeartbeatRequest<'static>),
    /// LeaveGroup, versions 0 to 5.
    Leave(LeaveGroupRequest<'static>),
    /// ConsumerGroupHeartbeat, versions 0 and 1.
    ConsumerHeartbeat(ConsumerGroupHeartbeatRequest<'static>),
    /// The groups of a ConsumerGroupDescribe, versions 0 and 1, that live in this shard.
    ConsumerDescribe(Vec<String>),
    /// StreamsGroupHeartbeat, version 0.
    StreamsHeartbeat(StreamsGroupHeartbeatRequest<'static>),
    /// The groups of a StreamsGroupDescribe, version 0, that live in this shard.
    StreamsDescribe(Vec<String>),
    /// OffsetCommit, versions 0 to 10; from version 10 each topic has both its id and its name.
    Commit(OffsetCommitRequest<'static>),
    /// TxnOffsetCommit, versions 0 to 5.
    TxnCommit {
        /// What to commit with the transaction.
        request: TxnOffsetCommitRequest<'static>,
        /// What shows that the transaction is open; handed back with the append.
        guard: Guard,
    },
    /// The end of a transaction that may have committed offsets in this shard.
    EndTransaction(EndTransaction),
    /// One group of an OffsetFetch, versions 0 to 10; see [`crate::fetch_groups`].
    Fetch {
        /// What to fetch; no list of topics asks for all.
        group: OffsetFetchRequestGroup<'static>,
        /// Whether to wait for what is on its way to the log (KIP-447).
        require_stable: bool,
    },
    /// OffsetDelete, version 0.
    OffsetDelete(OffsetDeleteRequest<'static>),
    /// The groups of a DescribeGroups, versions 0 to 6, that live in this shard.
    Describe(Vec<String>),
    /// ListGroups, versions 0 to 5; an empty filter lets everything pass.
    List {
        /// States by name, in any case.
        states: Vec<String>,
        /// Types of groups by name, in any case.
        types: Vec<String>,
    },
    /// The groups of a DeleteGroups that live in this shard.
    DeleteGroups(Vec<String>),
    /// About share groups (KIP-932).
    Share(ShareRequest),
}

/// The answer to a [`Request`] of the same name.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// To a JoinGroup.
    Join(JoinGroupResponse<'static>),
    /// To a SyncGroup.
    Sync(SyncGroupResponse<'static>),
    /// To a Heartbeat.
    Heartbeat(HeartbeatResponse<'static>),
    /// To a LeaveGroup.
    Leave(LeaveGroupResponse<'static>),
    /// To a ConsumerGroupHeartbeat.
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse<'static>),
    /// To a ConsumerGroupDescribe, in the order asked.
    ConsumerDescribe(Vec<consumer_describe::DescribedGroup<'static>>),
    /// To a StreamsGroupHeartbeat.
    StreamsHeartbeat(Box<StreamsBeaten>),
    /// To a StreamsGroupDescribe, in the order asked.
    StreamsDescribe(Vec<streams_describe::DescribedGroup<'static>>),
    /// To an OffsetCommit.
    Commit(OffsetCommitResponse<'static>),
    /// To a TxnOffsetCommit.
    TxnCommit(TxnOffsetCommitResponse<'static>),
    /// To the end of a transaction: what kept the marker out of the log, if anything did.
    EndTransaction(ErrorCode),
    /// To one group of an OffsetFetch; see [`crate::fetch_response`].
    Fetch(OffsetFetchResponseGroup<'static>),
    /// To an OffsetDelete.
    OffsetDelete(OffsetDeleteResponse<'static>),
    /// To a DescribeGroups, in the order asked.
    Describe(Vec<DescribedGroup<'static>>),
    /// To a ListGroups, in the order of names.
    List(Vec<ListedGroup<'static>>),
    /// To a DeleteGroups, in the order asked, duplicates dropped.
    DeleteGroups(Vec<DeletableGroupResult<'static>>),
    /// About share groups.
    Share(ShareResponse),
}

/// What a member of a streams group is told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamsBeaten {
    /// The response.
    pub response: StreamsGroupHeartbeatResponse<'static>,
    /// Internal topics that the application needs and that do not exist: to be made.
    pub missing: Vec<CreatableTopic<'static>>,
}

/// The end of a transaction, as its marker tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransaction {
    /// Producer id.
    pub producer_id: i64,
    /// Producer epoch of the marker.
    pub epoch: i16,
    /// Committed, or else aborted.
    pub committed: bool,
    /// Epoch of the transaction coordinator.
    pub coordinator_epoch: i32,
    /// The transactions version that the producer keeps to.
    pub version: i16,
}

/// The transaction that records are part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTransaction {
    /// Producer id.
    pub producer_id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// What shows that the transaction is open.
    pub guard: Guard,
}

/// A record of `__consumer_offsets`.
#[derive(Clone, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// The record's type and key.
    pub key: Vec<u8>,
    /// The value's version and fields; nothing for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl fmt::Debug for CoordinatorRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_ref().map(Vec::len);
        write!(f, "CoordinatorRecord {{ key: {:02x?}, value: {value:?} bytes }}", self.key)
    }
}

/// What the driver is to do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append the records to the shard's partition as one batch, then report it with
    /// [`Coordinator::on_appended`](crate::Coordinator::on_appended).
    Append {
        /// What to report.
        id: AppendId,
        /// At least one record.
        records: Vec<CoordinatorRecord>,
    },
    /// The same, as a batch of a transaction.
    AppendInTransaction {
        /// What to report.
        id: AppendId,
        /// At least one record.
        records: Vec<CoordinatorRecord>,
        /// The transaction.
        transaction: InTransaction,
    },
    /// The same, for the marker that ends a transaction.
    AppendMarker {
        /// What to report.
        id: AppendId,
        /// The marker.
        end: EndTransaction,
    },
    /// Send the response.
    Respond {
        /// Whose response it is.
        token: Token,
        /// The response.
        response: Response,
    },
}

/// What a client is told when the append that its answer depends on ended in `error`.
pub(crate) fn told_of_append(error: ErrorCode) -> ErrorCode {
    use ErrorCode as E;
    match error {
        E::UnknownTopicOrPartition | E::NotEnoughReplicas | E::RequestTimedOut => {
            E::CoordinatorNotAvailable
        }
        E::NotLeaderOrFollower | E::KafkaStorageError => E::NotCoordinator,
        E::MessageTooLarge | E::RecordListTooLarge | E::InvalidFetchSize => E::UnknownServerError,
        E::NetworkException => E::CoordinatorLoadInProgress,
        other => other,
    }
}
