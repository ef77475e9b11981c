//! Kafka's error codes, as responses carry them.

use std::fmt;

/// A client may simply try again, after refreshing its metadata where that is meant.
const RETRY: bool = true;
/// Trying the same again does not help.
const FINAL: bool = false;

/// What Kafka says of one error.
struct Row {
    name: &'static str,
    retriable: bool,
    message: &'static str,
}

/// Declares the codes: number, variant, Kafka's name, whether Kafka's clients retry, meaning.
macro_rules! error_codes {
    ($($code:literal, $variant:ident, $name:literal, $retry:ident, $message:literal;)*) => {
        /// An error code of the protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = $message] $variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, the lowest first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code of this number, if Kafka has one.
            pub const fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row { name: $name, retriable: $retry, message: $message },)*
                }
            }
        }
    };
}

error_codes! {
    -1, UnknownServerError, "UNKNOWN_SERVER_ERROR", FINAL,
        "The broker met an error that it did not expect.";
    0, None, "NONE", FINAL,
        "No error.";
    1, OffsetOutOfRange, "OFFSET_OUT_OF_RANGE", FINAL,
        "The offset is outside what the log holds.";
    2, CorruptMessage, "CORRUPT_MESSAGE", RETRY,
        "A record is damaged, too large, or lacks the key that compaction needs.";
    3, UnknownTopicOrPartition, "UNKNOWN_TOPIC_OR_PARTITION", RETRY,
        "This broker has no such topic or partition.";
    4, InvalidFetchSize, "INVALID_FETCH_SIZE", FINAL,
        "The fetch size makes no sense.";
    5, LeaderNotAvailable, "LEADER_NOT_AVAILABLE", RETRY,
        "The partition has no leader at the moment; an election is under way.";
    6, NotLeaderOrFollower, "NOT_LEADER_OR_FOLLOWER", RETRY,
        "This broker is not the leader, or no replica, of the partition.";
    7, RequestTimedOut, "REQUEST_TIMED_OUT", RETRY,
        "The request was not completed in time.";
    8, BrokerNotAvailable, "BROKER_NOT_AVAILABLE", FINAL,
        "The broker cannot be reached.";
    9, ReplicaNotAvailable, "REPLICA_NOT_AVAILABLE", RETRY,
        "The replica of the partition cannot be used.";
    10, MessageTooLarge, "MESSAGE_TOO_LARGE", FINAL,
        "A batch is larger than the topic allows (max.message.bytes).";
    11, StaleControllerEpoch, "STALE_CONTROLLER_EPOCH", FINAL,
        "Another controller has taken over.";
    12, OffsetMetadataTooLarge, "OFFSET_METADATA_TOO_LARGE", FINAL,
        "The text committed with an offset is too long.";
    13, NetworkException, "NETWORK_EXCEPTION", RETRY,
        "The connection ended before the response.";
    14, CoordinatorLoadInProgress, "COORDINATOR_LOAD_IN_PROGRESS", RETRY,
        "The coordinator is still loading its state.";
    15, CoordinatorNotAvailable, "COORDINATOR_NOT_AVAILABLE", RETRY,
        "There is no coordinator at the moment.";
    16, NotCoordinator, "NOT_COORDINATOR", RETRY,
        "This broker is not the coordinator.";
    17, InvalidTopicException, "INVALID_TOPIC_EXCEPTION", FINAL,
        "The topic's name is invalid, or the topic may not be used this way.";
    18, RecordListTooLarge, "RECORD_LIST_TOO_LARGE", FINAL,
        "A batch is larger than a log segment.";
    19, NotEnoughReplicas, "NOT_ENOUGH_REPLICAS", RETRY,
        "Fewer replicas are in sync than min.insync.replicas asks for.";
    20, NotEnoughReplicasAfterAppend, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", RETRY,
        "Written, but fewer replicas are in sync than asked for.";
    21, InvalidRequiredAcks, "INVALID_REQUIRED_ACKS", FINAL,
        "acks is neither 0, 1 nor -1.";
    22, IllegalGeneration, "ILLEGAL_GENERATION", FINAL,
        "The group is in another generation.";
    23, InconsistentGroupProtocol, "INCONSISTENT_GROUP_PROTOCOL", FINAL,
        "The member supports no protocol that the whole group supports.";
    24, InvalidGroupId, "INVALID_GROUP_ID", FINAL,
        "The group id is invalid.";
    25, UnknownMemberId, "UNKNOWN_MEMBER_ID", FINAL,
        "The group has no such member.";
    26, InvalidSessionTimeout, "INVALID_SESSION_TIMEOUT", FINAL,
        "The session timeout is outside the broker's limits.";
    27, RebalanceInProgress, "REBALANCE_IN_PROGRESS", FINAL,
        "The group is rebalancing; the member has to join again.";
    28, InvalidCommitOffsetSize, "INVALID_COMMIT_OFFSET_SIZE", FINAL,
        "The committed offsets do not fit into one batch.";
    29, TopicAuthorizationFailed, "TOPIC_AUTHORIZATION_FAILED", FINAL,
        "The principal may not do this with the topic.";
    30, GroupAuthorizationFailed, "GROUP_AUTHORIZATION_FAILED", FINAL,
        "The principal may not do this with the group.";
    31, ClusterAuthorizationFailed, "CLUSTER_AUTHORIZATION_FAILED", FINAL,
        "The principal may not do this with the cluster.";
    32, InvalidTimestamp, "INVALID_TIMESTAMP", FINAL,
        "A record's timestamp is too far from the broker's time.";
    33, UnsupportedSaslMechanism, "UNSUPPORTED_SASL_MECHANISM", FINAL,
        "The listener does not offer this SASL mechanism.";
    34, IllegalSaslState, "ILLEGAL_SASL_STATE", FINAL,
        "The request does not fit the state of the SASL exchange.";
    35, UnsupportedVersion, "UNSUPPORTED_VERSION", FINAL,
        "The broker does not serve this version of the API.";
    36, TopicAlreadyExists, "TOPIC_ALREADY_EXISTS", FINAL,
        "A topic of this name exists.";
    37, InvalidPartitions, "INVALID_PARTITIONS", FINAL,
        "The number of partitions is invalid.";
    38, InvalidReplicationFactor, "INVALID_REPLICATION_FACTOR", FINAL,
        "The replication factor is below 1 or above the number of brokers.";
    39, InvalidReplicaAssignment, "INVALID_REPLICA_ASSIGNMENT", FINAL,
        "The replicas are not assigned in a valid way.";
    40, InvalidConfig, "INVALID_CONFIG", FINAL,
        "A configuration key or value is invalid.";
    41, NotController, "NOT_CONTROLLER", RETRY,
        "This node is not the active controller.";
    42, InvalidRequest, "INVALID_REQUEST", FINAL,
        "The request contradicts itself or the protocol.";
    43, UnsupportedForMessageFormat, "UNSUPPORTED_FOR_MESSAGE_FORMAT", FINAL,
        "The log's message format lacks what the request needs.";
    44, PolicyViolation, "POLICY_VIOLATION", FINAL,
        "A policy of the cluster refuses the request.";
    45, OutOfOrderSequenceNumber, "OUT_OF_ORDER_SEQUENCE_NUMBER", FINAL,
        "A batch of the producer is missing before this one.";
    46, DuplicateSequenceNumber, "DUPLICATE_SEQUENCE_NUMBER", FINAL,
        "The batch was written already.";
    47, InvalidProducerEpoch, "INVALID_PRODUCER_EPOCH", FINAL,
        "The producer's epoch is old.";
    48, InvalidTxnState, "INVALID_TXN_STATE", FINAL,
        "The transaction's state does not allow the operation.";
    49, InvalidProducerIdMapping, "INVALID_PRODUCER_ID_MAPPING", FINAL,
        "The producer id does not belong to the transactional id.";
    50, InvalidTransactionTimeout, "INVALID_TRANSACTION_TIMEOUT", FINAL,
        "The timeout is above transaction.max.timeout.ms.";
    51, ConcurrentTransactions, "CONCURRENT_TRANSACTIONS", RETRY,
        "Another operation on the transaction is under way.";
    52, TransactionCoordinatorFenced, "TRANSACTION_COORDINATOR_FENCED", FINAL,
        "Another coordinator has taken over the transaction.";
    53, TransactionalIdAuthorizationFailed, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", FINAL,
        "The principal may not use the transactional id.";
    54, SecurityDisabled, "SECURITY_DISABLED", FINAL,
        "The cluster has no authorizer.";
    55, OperationNotAttempted, "OPERATION_NOT_ATTEMPTED", FINAL,
        "Not tried, because another part of the request failed.";
    56, KafkaStorageError, "KAFKA_STORAGE_ERROR", RETRY,
        "The disk under the log failed.";
    57, LogDirNotFound, "LOG_DIR_NOT_FOUND", FINAL,
        "The broker has no such log directory.";
    58, SaslAuthenticationFailed, "SASL_AUTHENTICATION_FAILED", FINAL,
        "The credentials were refused.";
    59, UnknownProducerId, "UNKNOWN_PRODUCER_ID", FINAL,
        "The log remembers nothing of the producer.";
    60, ReassignmentInProgress, "REASSIGNMENT_IN_PROGRESS", FINAL,
        "The partition is being reassigned.";
    61, DelegationTokenAuthDisabled, "DELEGATION_TOKEN_AUTH_DISABLED", FINAL,
        "Delegation tokens are switched off.";
    62, DelegationTokenNotFound, "DELEGATION_TOKEN_NOT_FOUND", FINAL,
        "There is no such delegation token.";
    63, DelegationTokenOwnerMismatch, "DELEGATION_TOKEN_OWNER_MISMATCH", FINAL,
        "The principal is neither owner nor renewer of the token.";
    64, DelegationTokenRequestNotAllowed, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", FINAL,
        "Tokens are not handed out over this kind of connection.";
    65, DelegationTokenAuthorizationFailed, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", FINAL,
        "The principal may not do this with the token.";
    66, DelegationTokenExpired, "DELEGATION_TOKEN_EXPIRED", FINAL,
        "The delegation token has expired.";
    67, InvalidPrincipalType, "INVALID_PRINCIPAL_TYPE", FINAL,
        "This type of principal is not supported.";
    68, NonEmptyGroup, "NON_EMPTY_GROUP", FINAL,
        "The group has members.";
    69, GroupIdNotFound, "GROUP_ID_NOT_FOUND", FINAL,
        "There is no such group.";
    70, FetchSessionIdNotFound, "FETCH_SESSION_ID_NOT_FOUND", RETRY,
        "The broker has no such fetch session.";
    71, InvalidFetchSessionEpoch, "INVALID_FETCH_SESSION_EPOCH", RETRY,
        "The fetch session is in another epoch.";
    72, ListenerNotFound, "LISTENER_NOT_FOUND", RETRY,
        "The leader lacks the listener that the client uses.";
    73, TopicDeletionDisabled, "TOPIC_DELETION_DISABLED", FINAL,
        "Topics cannot be deleted here (delete.topic.enable).";
    74, FencedLeaderEpoch, "FENCED_LEADER_EPOCH", RETRY,
        "The client knows an older leader epoch than the broker.";
    75, UnknownLeaderEpoch, "UNKNOWN_LEADER_EPOCH", RETRY,
        "The client knows a newer leader epoch than the broker.";
    76, UnsupportedCompressionType, "UNSUPPORTED_COMPRESSION_TYPE", FINAL,
        "The client cannot read the partition's compression.";
    77, StaleBrokerEpoch, "STALE_BROKER_EPOCH", FINAL,
        "The broker has registered again since.";
    78, OffsetNotAvailable, "OFFSET_NOT_AVAILABLE", RETRY,
        "The new leader does not know its high watermark yet.";
    79, MemberIdRequired, "MEMBER_ID_REQUIRED", FINAL,
        "The member has to join again with the id it was given.";
    80, PreferredLeaderNotAvailable, "PREFERRED_LEADER_NOT_AVAILABLE", RETRY,
        "The preferred leader cannot lead now.";
    81, GroupMaxSizeReached, "GROUP_MAX_SIZE_REACHED", FINAL,
        "The group is full (group.max.size).";
    82, FencedInstanceId, "FENCED_INSTANCE_ID", FINAL,
        "Another member has taken over the group instance id.";
    83, EligibleLeadersNotAvailable, "ELIGIBLE_LEADERS_NOT_AVAILABLE", RETRY,
        "No replica that may lead is available.";
    84, ElectionNotNeeded, "ELECTION_NOT_NEEDED", RETRY,
        "The partition has the leader it should have.";
    85, NoReassignmentInProgress, "NO_REASSIGNMENT_IN_PROGRESS", FINAL,
        "The partition is not being reassigned.";
    86, GroupSubscribedToTopic, "GROUP_SUBSCRIBED_TO_TOPIC", FINAL,
        "The group still consumes the topic.";
    87, InvalidRecord, "INVALID_RECORD", FINAL,
        "The broker refuses a record of the batch.";
    88, UnstableOffsetCommit, "UNSTABLE_OFFSET_COMMIT", RETRY,
        "A transaction that commits offsets is still open.";
    89, ThrottlingQuotaExceeded, "THROTTLING_QUOTA_EXCEEDED", RETRY,
        "The client has used up its quota.";
    90, ProducerFenced, "PRODUCER_FENCED", FINAL,
        "A newer producer uses the transactional id.";
    91, ResourceNotFound, "RESOURCE_NOT_FOUND", FINAL,
        "The request names something that does not exist.";
    92, DuplicateResource, "DUPLICATE_RESOURCE", FINAL,
        "The request names the same thing twice.";
    93, UnacceptableCredential, "UNACCEPTABLE_CREDENTIAL", FINAL,
        "The new credential does not meet the requirements.";
    94, InconsistentVoterSet, "INCONSISTENT_VOTER_SET", FINAL,
        "Sender or receiver is not in the set of voters.";
    95, InvalidUpdateVersion, "INVALID_UPDATE_VERSION", FINAL,
        "The feature cannot be set to this level.";
    96, FeatureUpdateFailed, "FEATURE_UPDATE_FAILED", FINAL,
        "The feature levels could not be changed.";
    97, PrincipalDeserializationFailure, "PRINCIPAL_DESERIALIZATION_FAILURE", FINAL,
        "The principal of a forwarded request is unreadable.";
    98, SnapshotNotFound, "SNAPSHOT_NOT_FOUND", FINAL,
        "There is no such snapshot.";
    99, PositionOutOfRange, "POSITION_OUT_OF_RANGE", FINAL,
        "The position is outside the snapshot.";
    100, UnknownTopicId, "UNKNOWN_TOPIC_ID", RETRY,
        "This broker has no topic of this id.";
    101, DuplicateBrokerRegistration, "DUPLICATE_BROKER_REGISTRATION", FINAL,
        "Another running broker has this id.";
    102, BrokerIdNotRegistered, "BROKER_ID_NOT_REGISTERED", FINAL,
        "No broker of this id is registered.";
    103, InconsistentTopicId, "INCONSISTENT_TOPIC_ID", RETRY,
        "The log belongs to a topic of another id.";
    104, InconsistentClusterId, "INCONSISTENT_CLUSTER_ID", FINAL,
        "The request is meant for another cluster.";
    105, TransactionalIdNotFound, "TRANSACTIONAL_ID_NOT_FOUND", FINAL,
        "There is no such transactional id.";
    106, FetchSessionTopicIdError, "FETCH_SESSION_TOPIC_ID_ERROR", RETRY,
        "The fetch session mixes topic names and topic ids.";
    107, IneligibleReplica, "INELIGIBLE_REPLICA", FINAL,
        "A replica may not be in sync in its present state.";
    108, NewLeaderElected, "NEW_LEADER_ELECTED", FINAL,
        "The change was made, and the partition has a new leader.";
    109, OffsetMovedToTieredStorage, "OFFSET_MOVED_TO_TIERED_STORAGE", FINAL,
        "The offset is no longer on the broker's disk.";
    110, FencedMemberEpoch, "FENCED_MEMBER_EPOCH", FINAL,
        "The member is fenced: it gives up its partitions and joins again.";
    111, UnreleasedInstanceId, "UNRELEASED_INSTANCE_ID", FINAL,
        "Another member still holds the group instance id.";
    112, UnsupportedAssignor, "UNSUPPORTED_ASSIGNOR", FINAL,
        "The group does not support this assignor.";
    113, StaleMemberEpoch, "STALE_MEMBER_EPOCH", FINAL,
        "The member's epoch is old; it retries after its next heartbeat.";
    114, MismatchedEndpointType, "MISMATCHED_ENDPOINT_TYPE", FINAL,
        "The request was meant for another kind of endpoint.";
    115, UnsupportedEndpointType, "UNSUPPORTED_ENDPOINT_TYPE", FINAL,
        "This kind of endpoint is not supported.";
    116, UnknownControllerId, "UNKNOWN_CONTROLLER_ID", FINAL,
        "There is no controller of this id.";
    117, UnknownSubscriptionId, "UNKNOWN_SUBSCRIPTION_ID", FINAL,
        "The telemetry subscription is unknown or out of date.";
    118, TelemetryTooLarge, "TELEMETRY_TOO_LARGE", FINAL,
        "The client sent more telemetry than the broker accepts.";
    119, InvalidRegistration, "INVALID_REGISTRATION", FINAL,
        "The controller refuses the broker's registration.";
    120, TransactionAbortable, "TRANSACTION_ABORTABLE", FINAL,
        "The transaction failed; the client can abort it and go on.";
    121, InvalidRecordState, "INVALID_RECORD_STATE", FINAL,
        "The record is not in a state that can be acknowledged.";
    122, ShareSessionNotFound, "SHARE_SESSION_NOT_FOUND", RETRY,
        "The broker has no such share session.";
    123, InvalidShareSessionEpoch, "INVALID_SHARE_SESSION_EPOCH", RETRY,
        "The share session is in another epoch.";
    124, FencedStateEpoch, "FENCED_STATE_EPOCH", FINAL,
        "The share group's state has another epoch.";
    125, InvalidVoterKey, "INVALID_VOTER_KEY", FINAL,
        "The voter's key is not that of the receiver.";
    126, DuplicateVoter, "DUPLICATE_VOTER", FINAL,
        "The set of voters has this voter already.";
    127, VoterNotFound, "VOTER_NOT_FOUND", FINAL,
        "The set of voters has no such voter.";
    128, InvalidRegularExpression, "INVALID_REGULAR_EXPRESSION", FINAL,
        "The regular expression is invalid.";
    129, RebootstrapRequired, "REBOOTSTRAP_REQUIRED", FINAL,
        "The client's metadata is too old; it starts from its bootstrap servers.";
    130, StreamsInvalidTopology, "STREAMS_INVALID_TOPOLOGY", FINAL,
        "The topology is invalid.";
    131, StreamsInvalidTopologyEpoch, "STREAMS_INVALID_TOPOLOGY_EPOCH", FINAL,
        "The epoch of the topology is invalid.";
    132, StreamsTopologyFenced, "STREAMS_TOPOLOGY_FENCED", FINAL,
        "The topology is older than the group's.";
    133, ShareSessionLimitReached, "SHARE_SESSION_LIMIT_REACHED", RETRY,
        "The broker holds as many share sessions as it may.";
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name, such as `NOT_LEADER_OR_FOLLOWER`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether Kafka's clients try again on this error.
    pub const fn is_retriable(self) -> bool {
        self.row().retriable
    }

    /// What the error means, one sentence.
    pub const fn message(self) -> &'static str {
        self.row().message
    }

    /// Whether this is [`None`](Self::None).
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> Self {
        code.code()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
