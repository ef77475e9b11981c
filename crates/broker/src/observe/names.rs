//! What the metrics are called elsewhere, for those who move their dashboards here.

/// Where a name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// An MBean of Apache Kafka's broker.
    Kafka,
    /// A metric of Huawei Cloud's Distributed Message Service.
    Dms,
    /// A metric of Alibaba Cloud's Message Queue for Kafka.
    AlibabaKafka,
}

/// A name elsewhere, and what to ask for here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    /// Where it comes from.
    pub(crate) source: Source,
    /// The name there.
    pub(crate) name: &'static str,
    /// The same in Prometheus' query language; empty if there is nothing here that it could mean.
    pub(crate) query: &'static str,
}

macro_rules! names {
    ($($source:ident: $($name:literal = $query:literal;)*)*) => {
        &[$($(Name { source: Source::$source, name: $name, query: $query },)*)*]
    };
}

/// All of them.
pub(crate) const NAMES: &[Name] = names! {
    Kafka:
    "kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec" = "rate(klamm_records_in_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec" = "rate(klamm_record_bytes_in_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec" = "rate(klamm_record_bytes_out_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=TotalProduceRequestsPerSec" = "sum(rate(klamm_topic_produce_requests_total[1m]))";
    "kafka.server:type=BrokerTopicMetrics,name=TotalFetchRequestsPerSec" = "sum(rate(klamm_topic_fetch_requests_total[1m]))";
    "kafka.server:type=BrokerTopicMetrics,name=FailedProduceRequestsPerSec" = "sum(rate(klamm_topic_produce_failures_total[1m]))";
    "kafka.server:type=BrokerTopicMetrics,name=FailedFetchRequestsPerSec" = "sum(rate(klamm_topic_fetch_failures_total[1m]))";
    "kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec,topic=*" = "rate(klamm_topic_records_in_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=*" = "rate(klamm_topic_record_bytes_in_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec,topic=*" = "rate(klamm_topic_record_bytes_out_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=TotalProduceRequestsPerSec,topic=*" = "rate(klamm_topic_produce_requests_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=TotalFetchRequestsPerSec,topic=*" = "rate(klamm_topic_fetch_requests_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=FailedProduceRequestsPerSec,topic=*" = "rate(klamm_topic_produce_failures_total[1m])";
    "kafka.server:type=BrokerTopicMetrics,name=FailedFetchRequestsPerSec,topic=*" = "rate(klamm_topic_fetch_failures_total[1m])";
    "kafka.network:type=RequestMetrics,name=RequestsPerSec,request=*" = "rate(klamm_requests_total[1m])";
    "kafka.network:type=RequestMetrics,name=ErrorsPerSec,request=*,error=*" = "rate(klamm_request_errors_total[1m])";
    "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=*" = "klamm_request_duration_seconds";
    "kafka.network:type=RequestMetrics,name=RequestQueueTimeMs,request=*" = "klamm_request_stage_duration_seconds{stage=\"queue\"}";
    "kafka.network:type=RequestMetrics,name=LocalTimeMs,request=*" = "klamm_request_stage_duration_seconds{stage=\"local\"}";
    "kafka.network:type=RequestMetrics,name=RemoteTimeMs,request=*" = "klamm_request_stage_duration_seconds{stage=\"remote\"}";
    "kafka.network:type=RequestMetrics,name=ThrottleTimeMs,request=*" = "klamm_request_stage_duration_seconds{stage=\"throttle\"}";
    "kafka.network:type=RequestMetrics,name=ResponseQueueTimeMs,request=*" = "klamm_request_stage_duration_seconds{stage=\"send\"}";
    "kafka.network:type=RequestMetrics,name=ResponseSendTimeMs,request=*" = "klamm_request_stage_duration_seconds{stage=\"send\"}";
    "kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=Produce" = "klamm_requests_waiting{api=\"Produce\"}";
    "kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=Fetch" = "klamm_requests_waiting{api=\"Fetch\"}";
    "kafka.server:type=FetchSessionCache,name=NumIncrementalFetchSessions" = "klamm_fetch_sessions";
    "kafka.server:type=socket-server-metrics,name=connection-count,listener=*" = "klamm_connections";
    "kafka.server:type=socket-server-metrics,name=connection-creation-rate,listener=*" = "rate(klamm_connections_accepted_total[1m])";
    "kafka.server:type=socket-server-metrics,name=incoming-byte-rate,listener=*" = "rate(klamm_network_bytes_in_total[1m])";
    "kafka.server:type=socket-server-metrics,name=outgoing-byte-rate,listener=*" = "rate(klamm_network_bytes_out_total[1m])";
    "kafka.server:type=socket-server-metrics,clientSoftwareName=*,clientSoftwareVersion=*,listener=*,name=connections" = "klamm_client_connections";
    "kafka.server:type=Produce,name=throttle-time" = "rate(klamm_throttle_seconds_total{quota=\"produce\"}[1m]) / rate(klamm_throttled_total{quota=\"produce\"}[1m])";
    "kafka.server:type=Fetch,name=throttle-time" = "rate(klamm_throttle_seconds_total{quota=\"fetch\"}[1m]) / rate(klamm_throttled_total{quota=\"fetch\"}[1m])";
    "kafka.server:type=Request,name=throttle-time" = "rate(klamm_throttle_seconds_total{quota=\"request\"}[1m]) / rate(klamm_throttled_total{quota=\"request\"}[1m])";
    "kafka.server:type=ReplicaManager,name=PartitionCount" = "klamm_partitions";
    "kafka.server:type=ReplicaManager,name=LeaderCount" = "klamm_partitions";
    "kafka.server:type=ReplicaManager,name=OfflineReplicaCount" = "klamm_offline_partitions";
    "kafka.log:type=Log,name=LogStartOffset,topic=*,partition=*" = "klamm_partition_log_start_offset";
    "kafka.log:type=Log,name=LogEndOffset,topic=*,partition=*" = "klamm_partition_log_end_offset";
    "kafka.log:type=Log,name=Size,topic=*,partition=*" = "klamm_partition_size_bytes";
    "kafka.log:type=Log,name=NumLogSegments,topic=*,partition=*" = "klamm_partition_segments";
    "kafka.cluster:type=Partition,name=LastStableOffsetLag,topic=*,partition=*" = "klamm_partition_high_watermark - klamm_partition_last_stable_offset";
    "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs" = "klamm_log_flush_duration_seconds";
    "kafka.log:type=LogManager,name=OfflineLogDirectoryCount" = "count(klamm_log_dir_online == 0)";
    "kafka.log:type=LogCleanerManager,name=uncleanable-partitions-count,logDirectory=*" = "klamm_cleaner_uncleanable_partitions";
    "kafka.log:type=LogCleanerManager,name=uncleanable-bytes,logDirectory=*" = "klamm_cleaner_uncleanable_bytes";
    "kafka.log:type=LogCleanerManager,name=max-dirty-percent" = "100 * klamm_cleaner_dirty_ratio_max";
    "kafka.log:type=LogCleanerManager,name=time-since-last-run-ms" = "1000 * (time() - klamm_cleaner_last_run_timestamp_seconds)";
    "kafka.log:type=LogCleaner,name=cleaner-recopy-percent" = "100 * klamm_cleaner_recopy_ratio";
    "kafka.log:type=LogCleaner,name=max-buffer-utilization-percent" = "100 * klamm_cleaner_buffer_utilization_ratio";
    "kafka.log:type=LogCleaner,name=max-clean-time-secs" = "klamm_cleaner_last_duration_seconds";
    "kafka.log:type=LogCleaner,name=max-compaction-delay-secs" = "klamm_cleaner_compaction_delay_seconds";
    "kafka.server:type=group-coordinator-metrics,name=group-count" = "sum(klamm_groups) by (type)";
    "kafka.server:type=group-coordinator-metrics,name=consumer-group-count,state=*" = "klamm_groups{type=\"consumer\"}";
    "kafka.server:type=raft-metrics,name=current-leader" = "klamm_quorum_leader";
    "kafka.server:type=raft-metrics,name=current-epoch" = "klamm_quorum_leader_epoch";
    "kafka.server:type=raft-metrics,name=high-watermark" = "klamm_quorum_high_watermark";
    "kafka.server:type=broker-metadata-metrics,name=last-applied-record-offset" = "klamm_quorum_applied_offset";
    "kafka.server:type=ClientMetrics,name=ClientMetricsInstanceCount" = "klamm_client_telemetry_clients";
    "kafka.server:type=app-info,name=version" = "klamm_build_info";

    Dms:
    "current_partitions" = "sum(klamm_partitions)";
    "current_topics" = "max(klamm_topics)";
    "group_msgs" = "sum(klamm_group_lag)";
    "broker_data_size" = "sum(klamm_log_dir_size_bytes) by (instance)";
    "broker_messages_in_rate" = "rate(klamm_records_in_total[1m])";
    "broker_bytes_out_rate" = "rate(klamm_record_bytes_out_total[1m])";
    "broker_bytes_in_rate" = "rate(klamm_record_bytes_in_total[1m])";
    "broker_public_bytes_in_rate" = "rate(klamm_network_bytes_in_total{listener=\"PUBLIC\"}[1m])";
    "broker_public_bytes_out_rate" = "rate(klamm_network_bytes_out_total{listener=\"PUBLIC\"}[1m])";
    "broker_fetch_mean" = "1000 * rate(klamm_request_duration_seconds_sum{api=\"Fetch\"}[1m]) / rate(klamm_request_duration_seconds_count{api=\"Fetch\"}[1m])";
    "broker_produce_mean" = "1000 * rate(klamm_request_duration_seconds_sum{api=\"Produce\"}[1m]) / rate(klamm_request_duration_seconds_count{api=\"Produce\"}[1m])";
    "broker_cpu_core_load" = "klamm_machine_load / klamm_machine_processors";
    "broker_disk_usage" = "100 * (1 - klamm_log_dir_free_bytes / klamm_log_dir_total_bytes)";
    "broker_memory_usage" = "100 * (1 - klamm_machine_memory_available_bytes / klamm_machine_memory_bytes)";
    "broker_heap_usage" = "100 * klamm_process_resident_memory_bytes / klamm_machine_memory_bytes";
    "broker_alive" = "up";
    "broker_connections" = "sum(klamm_connections) by (instance)";
    "broker_cpu_usage" = "100 * rate(klamm_process_cpu_seconds_total[1m]) / klamm_machine_processors";
    "broker_disk_read_await" = "";
    "broker_disk_write_await" = "";
    "broker_total_bytes_in_rate" = "sum(rate(klamm_network_bytes_in_total[1m])) by (instance)";
    "broker_total_bytes_out_rate" = "sum(rate(klamm_network_bytes_out_total[1m])) by (instance)";
    "topic_bytes_in_rate" = "rate(klamm_topic_record_bytes_in_total[1m])";
    "topic_bytes_out_rate" = "rate(klamm_topic_record_bytes_out_total[1m])";
    "topic_data_size" = "klamm_topic_size_bytes";
    "topic_messages" = "klamm_topic_records";
    "topic_messages_in_rate" = "rate(klamm_topic_records_in_total[1m])";
    "partition_messages" = "klamm_partition_high_watermark - klamm_partition_log_start_offset";
    "produced_messages" = "klamm_partition_log_end_offset";
    "messages_consumed" = "klamm_group_committed_offset";
    "messages_remained" = "klamm_group_partition_lag";
    "topic_messages_remained" = "klamm_group_topic_lag";
    "topic_messages_consumed" = "sum(klamm_group_committed_offset) by (group, topic)";
    "consumer_messages_remaining" = "klamm_group_lag";
    "consumer_messages_consumed" = "sum(klamm_group_committed_offset) by (group)";

    AlibabaKafka:
    "instance message production traffic" = "sum(rate(klamm_record_bytes_in_total[1m]))";
    "instance message consumption traffic" = "sum(rate(klamm_record_bytes_out_total[1m]))";
    "instance disk usage" = "max(100 * (1 - klamm_log_dir_free_bytes / klamm_log_dir_total_bytes))";
    "topic message production traffic" = "rate(klamm_topic_record_bytes_in_total[1m])";
    "topic message consumption traffic" = "rate(klamm_topic_record_bytes_out_total[1m])";
    "group unconsumed messages total" = "klamm_group_lag";
    "topic message production count" = "rate(klamm_topic_records_in_total[1m])";
    "topic production send count" = "rate(klamm_topic_produce_requests_total[1m])";
    "topic consumption fetch count" = "rate(klamm_topic_fetch_requests_total[1m])";
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The metrics that a query asks for.
    fn asked(query: &str) -> impl Iterator<Item = &str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = query.split(move |c| !is_name(c));
        words.filter(|word| word.starts_with("klamm_"))
    }

    #[test]
    fn queries_ask_for_what_there_is() {
        let known: BTreeSet<&str> =
            crate::observe::definitions().iter().map(|of| of.name).collect();
        let mut seen = BTreeSet::new();
        for Name { source, name, query } in NAMES {
            assert!(seen.insert((*source, *name)), "{name} is there twice");
            for word in asked(query) {
                let family = ["_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
                assert!(
                    known.contains(word) || family.is_some_and(|family| known.contains(family)),
                    "{name}: there is no {word}"
                );
            }
        }
        assert_eq!(NAMES.iter().filter(|name| name.source == Source::Dms).count(), 35);
    }
}
