//! The metrics of the broker. Names are stable: what is here is what dashboards ask for.

klamm_metrics::definitions! {
    BUILD_INFO Gauge "klamm_build_info" ["version"]
        "Always 1; the label says which release runs.";
    NODE_INFO Gauge "klamm_node_info" ["cluster_id", "node_id"]
        "Always 1; the labels say which cluster and which node of it this is.";
    UPTIME Gauge "klamm_uptime_seconds" []
        "Time since the broker started.";
    CPU Counter "klamm_process_cpu_seconds_total" []
        "Time that the process had a processor, user and system together.";
    MEMORY Gauge "klamm_process_resident_memory_bytes" []
        "Memory of the process that is not swapped out.";
    OPEN_FILES Gauge "klamm_process_open_files" []
        "Files and sockets that the process has open.";
    OPEN_FILES_MAX Gauge "klamm_process_open_files_max" []
        "How many files and sockets the process may have open.";

    PROCESSORS Gauge "klamm_machine_processors" []
        "Processors that the process may use.";
    LOAD Gauge "klamm_machine_load" []
        "Processes that could run, as a mean over a minute.";
    MACHINE_MEMORY Gauge "klamm_machine_memory_bytes" []
        "Memory of the machine.";
    MACHINE_MEMORY_AVAILABLE Gauge "klamm_machine_memory_available_bytes" []
        "Memory of the machine that programs may still have without swapping.";

    REQUESTS Counter "klamm_requests_total" ["api"]
        "Requests answered.";
    REQUEST_ERRORS Counter "klamm_request_errors_total" ["api", "error"]
        "Error codes in answers, of the request or of a part of it, such as a partition.";
    REQUEST_DURATION Histogram "klamm_request_duration_seconds" ["api"]
        "From when a request was read until its answer was sent.";
    REQUEST_STAGE_DURATION Histogram "klamm_request_stage_duration_seconds" ["api", "stage"]
        "The same by stage: queue (behind other requests of the connection), local (its handler), remote (waiting for records, members, the disk or replicas), throttle (how long the client was then held back), send.";
    REQUESTS_WAITING Gauge "klamm_requests_waiting" ["api"]
        "Requests that wait for something; Kafka's purgatory.";
    REQUEST_MEMORY Gauge "klamm_request_memory_bytes" []
        "Memory set aside for large requests that are coming in.";
    SLOW_REQUESTS Counter "klamm_slow_requests_total" []
        "Requests that took longer than klamm.slow.request.ms.";

    RECORD_BYTES_IN Counter "klamm_record_bytes_in_total" []
        "Bytes of records that clients produced.";
    RECORD_BYTES_OUT Counter "klamm_record_bytes_out_total" []
        "Bytes of records that clients fetched.";
    RECORDS_IN Counter "klamm_records_in_total" []
        "Records that clients produced.";

    NETWORK_BYTES_IN Counter "klamm_network_bytes_in_total" ["listener"]
        "Bytes read from connections.";
    NETWORK_BYTES_OUT Counter "klamm_network_bytes_out_total" ["listener"]
        "Bytes of answers handed to connections.";
    CONNECTIONS Gauge "klamm_connections" ["listener"]
        "Open connections.";
    CONNECTIONS_ACCEPTED Counter "klamm_connections_accepted_total" ["listener"]
        "Connections accepted.";
    CONNECTIONS_REFUSED Counter "klamm_connections_refused_total" ["listener", "reason"]
        "Connections closed at once: too_many of one address are open, or come too_fast.";
    CLIENT_CONNECTIONS Gauge "klamm_client_connections" ["software_name", "software_version", "listener"]
        "Open connections by the client's software, as it names itself.";

    THROTTLED Counter "klamm_throttled_total" ["quota"]
        "How often clients were held back, by the kind of quota.";
    THROTTLE_SECONDS Counter "klamm_throttle_seconds_total" ["quota"]
        "For how long clients were held back, by the kind of quota.";
    FETCH_SESSIONS Gauge "klamm_fetch_sessions" []
        "Incremental fetch sessions.";

    TOPICS Gauge "klamm_topics" []
        "Topics that have partitions on this broker.";
    PARTITIONS Gauge "klamm_partitions" []
        "Partitions that this broker leads.";
    OFFLINE_PARTITIONS Gauge "klamm_offline_partitions" []
        "Partitions whose log is out of service.";
    TOPIC_RECORD_BYTES_IN Counter "klamm_topic_record_bytes_in_total" ["topic"]
        "Bytes of records that clients produced.";
    TOPIC_RECORD_BYTES_OUT Counter "klamm_topic_record_bytes_out_total" ["topic"]
        "Bytes of records that clients fetched.";
    TOPIC_RECORDS_IN Counter "klamm_topic_records_in_total" ["topic"]
        "Records that clients produced.";
    TOPIC_PRODUCE_REQUESTS Counter "klamm_topic_produce_requests_total" ["topic"]
        "Appends that clients asked for, one for each partition of a request.";
    TOPIC_PRODUCE_FAILURES Counter "klamm_topic_produce_failures_total" ["topic"]
        "Appends that clients asked for and were refused.";
    TOPIC_FETCH_REQUESTS Counter "klamm_topic_fetch_requests_total" ["topic"]
        "Reads that clients asked for, one for each partition of a request.";
    TOPIC_FETCH_FAILURES Counter "klamm_topic_fetch_failures_total" ["topic"]
        "Reads that clients asked for and were refused.";
    TOPIC_PARTITIONS Gauge "klamm_topic_partitions" ["topic"]
        "Partitions that this broker leads.";
    TOPIC_SIZE Gauge "klamm_topic_size_bytes" ["topic"]
        "Size of the topic's segments on this broker.";
    TOPIC_RECORDS Gauge "klamm_topic_records" ["topic"]
        "Offsets between log start and high watermark: the records there are, if none was compacted away.";
    TOPIC_SERIES_OMITTED Gauge "klamm_topic_series_omitted" []
        "Topics without series of their own, because there are more than klamm.metrics.topics.max.";

    PARTITION_LOG_START_OFFSET Gauge "klamm_partition_log_start_offset" ["topic", "partition"]
        "The first offset that may be read.";
    PARTITION_LOG_END_OFFSET Gauge "klamm_partition_log_end_offset" ["topic", "partition"]
        "The offset that the next record gets.";
    PARTITION_HIGH_WATERMARK Gauge "klamm_partition_high_watermark" ["topic", "partition"]
        "The offset up to which consumers may read.";
    PARTITION_LAST_STABLE_OFFSET Gauge "klamm_partition_last_stable_offset" ["topic", "partition"]
        "The offset up to which read_committed consumers may read.";
    PARTITION_SIZE Gauge "klamm_partition_size_bytes" ["topic", "partition"]
        "Size of the partition's segments.";
    PARTITION_SEGMENTS Gauge "klamm_partition_segments" ["topic", "partition"]
        "Number of segments.";
    PARTITION_SERIES_OMITTED Gauge "klamm_partition_series_omitted" []
        "Partitions without series of their own, because there are more than klamm.metrics.partitions.max.";

    GROUPS Gauge "klamm_groups" ["type", "state"]
        "Groups that this broker coordinates.";
    GROUP_MEMBERS Gauge "klamm_group_members" ["group"]
        "Members of a group.";
    GROUP_OFFSET Gauge "klamm_group_committed_offset" ["group", "topic", "partition"]
        "What the group has committed: everything before it is consumed.";
    GROUP_PARTITION_LAG Gauge "klamm_group_partition_lag" ["group", "topic", "partition"]
        "Offsets between what the group has committed and the high watermark.";
    GROUP_TOPIC_LAG Gauge "klamm_group_topic_lag" ["group", "topic"]
        "The sum over the topic's partitions in which the group has committed.";
    GROUP_LAG Gauge "klamm_group_lag" ["group"]
        "The sum over all partitions in which the group has committed.";
    GROUP_SERIES_OMITTED Gauge "klamm_group_series_omitted" []
        "Partitions of groups without series of their own, because there are more than klamm.metrics.group.partitions.max.";

    TRANSACTIONS Gauge "klamm_transactions" ["state"]
        "Transactional ids that this broker coordinates, by the state of their transaction.";

    LOG_FLUSH_DURATION Histogram "klamm_log_flush_duration_seconds" []
        "How long it took to make a log durable, each time.";
    LOG_DIR_SIZE Gauge "klamm_log_dir_size_bytes" ["dir"]
        "Size of the segments in a log directory.";
    LOG_DIR_FREE Gauge "klamm_log_dir_free_bytes" ["dir"]
        "What the volume of a log directory has left.";
    LOG_DIR_TOTAL Gauge "klamm_log_dir_total_bytes" ["dir"]
        "The size of the volume of a log directory.";
    LOG_DIR_ONLINE Gauge "klamm_log_dir_online" ["dir"]
        "1 if the log directory is in service, else 0.";

    LOG_DIRS_RESTRICTED Gauge "klamm_log_dirs_restricted" []
        "Log directories that refuse producing because their volumes fill (klamm.disk.policy).";
    DISK_REFUSED Counter "klamm_disk_refused_appends_total" []
        "Appends that were refused because a volume fills.";
    DISK_DELETED_SEGMENTS Counter "klamm_disk_deleted_segments_total" []
        "Segments that were deleted because a volume filled, beyond what retention lets go.";
    DISK_DELETED_BYTES Counter "klamm_disk_deleted_bytes_total" []
        "Bytes that were deleted because a volume filled, those that retention lets go included.";
    DISK_EVENTS Counter "klamm_disk_events_total" []
        "Thresholds of a volume that were passed, upwards or downwards.";
    REPLICAS_MOVED Counter "klamm_replicas_moved_total" []
        "Replicas that were moved to another log directory.";
    REPLICA_MOVED_BYTES Counter "klamm_replica_moved_bytes_total" []
        "Bytes that were copied to move replicas to another log directory.";

    CLEANINGS Counter "klamm_cleaner_cleanings_total" []
        "Cleanings of compacted logs that ended, whichever way.";
    CLEANER_BYTES_READ Counter "klamm_cleaner_read_bytes_total" []
        "Bytes that the cleaner read.";
    CLEANER_BYTES_WRITTEN Counter "klamm_cleaner_written_bytes_total" []
        "Bytes that the cleaner wrote.";
    CLEANER_KEYLESS Counter "klamm_cleaner_records_without_key_total" []
        "Records that the cleaner dropped because they have no key.";
    CLEANER_RECOPY Gauge "klamm_cleaner_recopy_ratio" []
        "Of the last cleaning: what was written of what was read.";
    CLEANER_BUFFER Gauge "klamm_cleaner_buffer_utilization_ratio" []
        "Of the last cleaning: how full the map of keys was.";
    CLEANER_LAST_DURATION Gauge "klamm_cleaner_last_duration_seconds" []
        "How long the last cleaning took.";
    CLEANER_DIRTY Gauge "klamm_cleaner_dirty_ratio_max" []
        "The dirty part of the dirtiest log.";
    CLEANER_DELAY Gauge "klamm_cleaner_compaction_delay_seconds" []
        "By how much max.compaction.lag.ms is exceeded at most.";
    CLEANER_LAST_RUN Gauge "klamm_cleaner_last_run_timestamp_seconds" []
        "When a cleaner last looked for work, as seconds since 1970.";
    UNCLEANABLE_PARTITIONS Gauge "klamm_cleaner_uncleanable_partitions" []
        "Logs that cannot be compacted because they are damaged.";
    UNCLEANABLE_BYTES Gauge "klamm_cleaner_uncleanable_bytes" []
        "Size of the logs that cannot be compacted.";

    QUORUM_LEADER Gauge "klamm_quorum_leader" []
        "Node id of the active controller; -1 if none is known.";
    QUORUM_EPOCH Gauge "klamm_quorum_leader_epoch" []
        "The epoch of the active controller.";
    QUORUM_HIGH_WATERMARK Gauge "klamm_quorum_high_watermark" []
        "Offset after the last metadata record that is committed.";
    QUORUM_APPLIED Gauge "klamm_quorum_applied_offset" []
        "Offset up to which metadata is in effect on this broker.";
    QUORUM_LAG Gauge "klamm_quorum_replica_lag" ["node_id", "role"]
        "Metadata records that a voter or an observer does not have yet.";

    TELEMETRY_CLIENTS Gauge "klamm_client_telemetry_clients" []
        "Clients whose metrics are kept.";
    TELEMETRY_PUSHES Counter "klamm_client_telemetry_pushes_total" []
        "Pushes of clients' metrics that were taken.";
    TELEMETRY_REFUSED Counter "klamm_client_telemetry_refused_total" ["error"]
        "Pushes of clients' metrics that were refused.";
    TELEMETRY_SERIES_DROPPED Counter "klamm_client_telemetry_series_dropped_total" []
        "Series of clients' metrics that were not kept, because there were too many.";
    CLIENT_METRIC Gauge "klamm_client_metric" ["metric", "client_instance_id", "client_id", "software_name", "software_version"]
        "A value that a client pushed (KIP-714). What describes it further is in labels that begin with attr_.";
    CLIENT_METRIC_TOTAL Counter "klamm_client_metric_total" ["metric", "client_instance_id", "client_id", "software_name", "software_version"]
        "A count that a client pushed (KIP-714), since its first push here. What describes it further is in labels that begin with attr_.";
}
