//! What goes into a coordinator about share groups, and what comes out.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
    share_group_describe_response::DescribedGroup,
};
use klamm_protocol::wire::Uuid;

use super::store::Key;

/// Partitions of a topic, by their place in the store of share-group state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTopic {
    /// The topic.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its partitions, in order.
    pub partitions: Vec<i32>,
}

/// A request about share groups of one shard.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareRequest {
    /// ShareGroupHeartbeat, version 1.
    Heartbeat(ShareGroupHeartbeatRequest<'static>),
    /// The groups of a ShareGroupDescribe, version 1, that live in this shard.
    Describe(Vec<String>),
    /// What the store made of the state that an answer asked it to make. The answer to it is
    /// [`ShareResponse::Done`].
    Initialized {
        /// Group id.
        group: String,
        /// The partitions.
        topics: Vec<StateTopic>,
        /// Whether their state is there now.
        success: bool,
    },
    /// The topics of which a group has state.
    Topics(String),
    /// The epoch for the state of a partition of which the store has none.
    StateEpoch(Key),
    /// AlterShareGroupOffsets, version 0.
    AlterOffsets(AlterShareGroupOffsetsRequest<'static>),
    /// DeleteShareGroupOffsets, version 0.
    DeleteOffsets(DeleteShareGroupOffsetsRequest<'static>),
    /// The store has no state of these topics any more.
    OffsetsDeleted {
        /// Group id.
        group: String,
        /// Topics by id.
        topics: Vec<Uuid>,
    },
    /// A group without members is to be deleted: what of its state must go first.
    Delete(String),
}

/// The answer to a [`ShareRequest`] of the same name.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareResponse {
    /// To a heartbeat. If there are topics, the driver has their state made in the store, with
    /// this epoch and without a start offset, reports that, and then hands in the heartbeat again.
    Heartbeat {
        /// What the member is told.
        response: ShareGroupHeartbeatResponse<'static>,
        /// State to be made.
        initialize: Vec<StateTopic>,
        /// The state's epoch.
        state_epoch: i32,
    },
    /// In the order asked.
    Describe(Vec<DescribedGroup<'static>>),
    /// To a report.
    Done(ErrorCode),
    /// What has state; none if there is no such group.
    Topics(Option<Vec<StateTopic>>),
    /// The epoch with which the state is to begin again; none if the group has not had any.
    StateEpoch(Option<i32>),
    /// The driver has the state of the partitions without an error made in the store, with this
    /// epoch and the start offsets of the request, and reports that.
    AlterOffsets {
        /// What the client is told if that succeeds.
        response: AlterShareGroupOffsetsResponse<'static>,
        /// The state's epoch.
        state_epoch: i32,
    },
    /// The driver has the state of these topics deleted from the store, and reports that.
    DeleteOffsets {
        /// What the client is told besides.
        response: DeleteShareGroupOffsetsResponse<'static>,
        /// State to be deleted.
        delete: Vec<StateTopic>,
    },
    /// The driver has the state of these topics deleted from the store, and then the group.
    Delete(Result<Vec<StateTopic>, ErrorCode>),
}

impl ShareResponse {
    /// The response in place of this one, as its append ended in an error.
    pub(crate) fn refused(self, error: ErrorCode) -> Self {
        let error_code = error.code();
        match self {
            Self::Heartbeat { .. } => Self::Heartbeat {
                response: ShareGroupHeartbeatResponse { error_code, ..<_>::default() },
                initialize: Vec::new(),
                state_epoch: 0,
            },
            Self::Done(_) => Self::Done(error),
            Self::AlterOffsets { .. } => Self::AlterOffsets {
                response: AlterShareGroupOffsetsResponse { error_code, ..<_>::default() },
                state_epoch: 0,
            },
            Self::DeleteOffsets { .. } => Self::DeleteOffsets {
                response: DeleteShareGroupOffsetsResponse { error_code, ..<_>::default() },
                delete: Vec::new(),
            },
            Self::Delete(_) => Self::Delete(Err(error)),
            Self::Describe(_) | Self::Topics(_) | Self::StateEpoch(_) => self,
        }
    }
}
