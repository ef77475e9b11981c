#!/usr/bin/env bash
# The official command-line tools of Apache Kafka, each called by its class as its script would.
# KAFKA_JARS is the folder of their jars.
source "$(dirname "$0")/check.sh"

run() {
  local class=$1
  shift
  timeout 60 java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_JARS/*" "$class" "$@"
}

connected() {
  local class=$1
  shift
  run "org.apache.kafka.tools.$class" --bootstrap-server "$BOOTSTRAP" "$@"
}

topics() { connected TopicCommand "$@"; }
console_producer() { connected ConsoleProducer "$@"; }
console_consumer() { connected consumer.ConsoleConsumer --timeout-ms 20000 "$@"; }
consumer_groups() { connected consumer.group.ConsumerGroupCommand "$@"; }
get_offsets() { connected GetOffsetShell "$@"; }
configs() { run kafka.admin.ConfigCommand --bootstrap-server "$BOOTSTRAP" "$@"; }
dump_log() { run org.apache.kafka.tools.DumpLogSegments "$@"; }

topic=$PREFIX-tools
group=$PREFIX-group

api_versions() {
  local answer
  answer=$(connected BrokerApiVersionsCommand)
  contains "$answer" "Produce(0): "
  contains "$answer" "Fetch(1): "
}

create() { contains "$(topics --create --topic "$topic" --partitions 2 --config retention.ms=86400000)" "Created topic $topic"; }

describe() {
  local answer
  answer=$(topics --describe --topic "$topic")
  contains "$answer" "PartitionCount: 2"
  contains "$answer" "retention.ms=86400000"
  contains "$answer" "Partition: 1"
}

alter() {
  topics --alter --topic "$topic" --partitions 3
  eventually three_partitions
}
three_partitions() { contains "$(topics --describe --topic "$topic")" "PartitionCount: 3"; }

list() { contains "$(topics --list)" "$topic"; }

# Fields of a line: headers, key, value; NULL stands for null.
produce() {
  printf 'trace:first,trace:second\tkey-0\tvalue 0\ntrace:x\tkey-0\tNULL\n' >"$scratch/input"
  for i in {1..8}; do printf 'trace:x\tkey-0\tvalue %s\n' "$i"; done >>"$scratch/input"
  console_producer --topic "$topic" --compression-codec gzip --reader-property parse.key=true \
    --reader-property parse.headers=true --reader-property null.marker=NULL <"$scratch/input"
}

consume() {
  local answer
  answer=$(console_consumer --topic "$topic" --from-beginning --max-messages 10 --group "$group" \
    --formatter-property print.key=true --formatter-property print.headers=true)
  contains "$answer" $'trace:first,trace:second\tkey-0\tvalue 0'
  contains "$answer" $'trace:x\tkey-0\tvalue 8'
}

# All records of a key are in one partition; the tombstone is the second.
tombstone() {
  local partition
  partition=$(filled_partition)
  equal "value" null "$(console_consumer --topic "$topic" --partition "$partition" --offset 1 --max-messages 1 2>/dev/null)"
}

filled_partition() { get_offsets --topic "$topic" | grep ':10$' | cut -d: -f2; }

offsets() {
  equal "records" 10 "$(get_offsets --topic "$topic" | awk -F: '{sum += $3} END {print sum}')"
  equal "earliest" 0 "$(get_offsets --topic "$topic" --time earliest | awk -F: '{sum += $3} END {print sum}')"
}

offsets_by_time() {
  contains "$(get_offsets --topic "$topic" --time 1000000000000)" "$topic:$(filled_partition):0"
  contains "$(get_offsets --topic "$topic" --time max-timestamp)" "$topic:$(filled_partition):"
}

configs_describe() {
  contains "$(configs --describe --topic "$topic")" "retention.ms=86400000"
  contains "$(configs --describe --topic "$topic" --all)" "compression.type=producer"
}

configs_alter() {
  configs --alter --topic "$topic" --add-config max.message.bytes=2000000
  eventually config_is_set
  configs --alter --topic "$topic" --delete-config max.message.bytes
}
# refuses COMMAND...: the command must fail.
refuses() {
  if "$@"; then
    echo "not refused: $*"
    return 1
  fi
}

# One broker has its own value before that of all; without both it has the default again.
configs_broker() {
  configs --alter --entity-type brokers --entity-default --add-config log.cleaner.backoff.ms=300
  eventually broker_has "log.cleaner.backoff.ms=300"
  configs --alter --entity-type brokers --entity-name 1 --add-config log.cleaner.backoff.ms=200
  eventually broker_has "log.cleaner.backoff.ms=200"
  contains "$(configs --describe --entity-type brokers --entity-default)" "log.cleaner.backoff.ms=300"
  configs --alter --entity-type brokers --entity-name 1 --delete-config log.cleaner.backoff.ms
  eventually broker_has "log.cleaner.backoff.ms=300"
  refuses configs --alter --entity-type brokers --entity-name 1 --add-config node.id=7
}
broker_has() { contains "$(configs --describe --entity-type brokers --entity-name 1 --all)" "$1"; }

loggers() { configs "$@" --entity-type broker-loggers --entity-name 1; }
configs_loggers() {
  local logger
  logger=$(loggers --describe | grep -oE '^ +[A-Za-z_.:]+=' | grep -v root | sed -n 1p | tr -d ' =')
  loggers --alter --add-config "$logger=TRACE"
  contains "$(loggers --describe)" "$logger=TRACE"
  loggers --alter --delete-config "$logger"
  refuses contains "$(loggers --describe)" "$logger=TRACE"
  refuses loggers --alter --add-config no.such.logger=DEBUG
  refuses loggers --alter --add-config root=LOUD
  contains "$(loggers --describe)" "root="
}

client_metrics() { connected ClientMetricsCommand "$@"; }
client_metrics_alter() {
  client_metrics --alter --name "$PREFIX-wanted" --metrics org.apache.kafka.producer.,org.apache.kafka.consumer. \
    --interval 60000 --match "client_id=$PREFIX-nobody"
  contains "$(client_metrics --list)" "$PREFIX-wanted"
  local answer
  answer=$(client_metrics --describe --name "$PREFIX-wanted")
  contains "$answer" "interval.ms=60000"
  contains "$answer" "client_id=$PREFIX-nobody"
  client_metrics --delete --name "$PREFIX-wanted"
  refuses contains "$(client_metrics --list)" "$PREFIX-wanted"
  refuses client_metrics --alter --name "$PREFIX-wanted" --metrics '*' --interval 1
}

configs_client_metrics() {
  local of="--entity-type client-metrics --entity-name $PREFIX-few"
  # shellcheck disable=SC2086
  {
    configs --alter $of --add-config "metrics=[org.apache.kafka.producer.],interval.ms=70000"
    contains "$(configs --describe $of)" "interval.ms=70000"
    configs --alter $of --delete-config metrics,interval.ms
    refuses contains "$(configs --describe $of)" "interval.ms=70000"
    refuses configs --alter $of --add-config "match=[nobody=x]"
  }
}

quotas() { configs "$@" --entity-type clients --entity-name "$PREFIX-slow"; }
configs_quotas() {
  local begun
  quotas --alter --add-config producer_byte_rate=300000,request_percentage=150
  contains "$(quotas --describe)" "producer_byte_rate=300000"
  # What comes at once counts as if it came in ten seconds: the rest is held back.
  begun=$SECONDS
  contains "$(run org.apache.kafka.tools.ProducerPerformance --bootstrap-server "$BOOTSTRAP" --topic "$PREFIX-quota" \
    --num-records 5000 --record-size 1000 --throughput -1 --command-property client.id="$PREFIX-slow" batch.size=20000)" \
    "5000 records sent"
  ((SECONDS - begun >= 4)) || { echo "5 MB in $((SECONDS - begun)) s"; return 1; }
  quotas --alter --delete-config producer_byte_rate,request_percentage
  refuses contains "$(quotas --describe)" "producer_byte_rate"
  refuses quotas --alter --add-config producer_byte_rate=0
  configs --alter --entity-type ips --entity-name 127.0.0.9 --add-config connection_creation_rate=5
  contains "$(configs --describe --entity-type ips)" "connection_creation_rate=5"
  configs --alter --entity-type ips --entity-name 127.0.0.9 --delete-config connection_creation_rate
}

config_is_set() { contains "$(configs --describe --topic "$topic")" "max.message.bytes=2000000"; }

groups_list() { contains "$(consumer_groups --list)" "$group"; }

groups_describe() {
  local answer
  answer=$(consumer_groups --describe --group "$group")
  equal "lag of the filled partition" "10 10 0" "$(awk -v t="$topic" '$2 == t && $5 == 10 {print $4, $5, $6}' <<<"$answer")"
  contains "$(consumer_groups --describe --group "$group" --state)" Empty
}

groups_reset() {
  consumer_groups --reset-offsets --group "$group" --topic "$topic" --to-earliest --execute
  contains "$(consumer_groups --describe --group "$group" | awk -v t="$topic" '$2 == t {print $6}')" 10
}

groups_delete() {
  contains "$(consumer_groups --delete --group "$group")" "Deletion of requested consumer groups"
  ! grep -Fxq "$group" <(consumer_groups --list)
}

# A group of the consumer protocol (KIP-848): the same calls.
new_groups() {
  local new=$group-new answer
  console_consumer --topic "$topic" --group "$new" --from-beginning --max-messages 5 \
    --command-property group.protocol=consumer >/dev/null
  contains "$(consumer_groups --list --type consumer)" "$new"
  contains "$(consumer_groups --describe --group "$new" --state --verbose)" Empty
  consumer_groups --reset-offsets --group "$new" --topic "$topic" --to-latest --execute
  answer=$(consumer_groups --describe --group "$new" --offsets)
  equal "lag after the reset" 0 "$(awk -v t="$topic" '$2 == t {lag += $6} END {print lag}' <<<"$answer")"
  consumer_groups --delete-offsets --group "$new" --topic "$topic"
  contains "$(consumer_groups --delete --group "$new")" "Deletion of requested consumer groups"
}

configs_group() {
  configs --alter --entity-type groups --entity-name "$group" --add-config consumer.session.timeout.ms=50000
  eventually group_has_session
  configs --alter --entity-type groups --entity-name "$group" --delete-config consumer.session.timeout.ms
}
group_has_session() {
  contains "$(configs --describe --entity-type groups --entity-name "$group")" "consumer.session.timeout.ms=50000"
}

delete_records() {
  local partition
  partition=$(filled_partition)
  echo "{\"partitions\": [{\"topic\": \"$topic\", \"partition\": $partition, \"offset\": 4}], \"version\": 1}" >"$scratch/delete.json"
  contains "$(connected DeleteRecordsCommand --offset-json-file "$scratch/delete.json")" "low_watermark: 4"
  contains "$(get_offsets --topic "$topic" --time earliest)" "$topic:$partition:4"
}

# Of a feature that no other check needs; what the others could miss is only tried.
features() { connected FeatureCommand "$@"; }
elr=eligible.leader.replicas.version
features_describe() {
  local answer
  answer=$(features describe)
  contains "$(grep '^Feature: group.version' <<<"$answer")" "FinalizedVersionLevel: 1"
  contains "$(grep '^Feature: metadata.version' <<<"$answer")" "SupportedMaxVersion: 4.3-IV0"
}
finalized() { grep "^Feature: $elr .*FinalizedVersionLevel: $1" <<<"$(features describe)"; }

features_disable() {
  equal "answer" "$elr was disabled." "$(features disable --feature "$elr")"
  eventually finalized 0
}

features_upgrade() {
  equal "answer" "$elr was upgraded to 1." "$(features upgrade --feature "$elr=1")"
  eventually finalized 1
  refuses features upgrade --feature "$elr=9"
  contains "$(features upgrade --feature no.such=1 2>&1 || true)" "does not support this feature"
}

features_downgrade() {
  contains "$(features downgrade --dry-run --feature share.version=0)" "share.version can be downgraded to 0."
  equal "answer" "$elr was downgraded to 0." "$(features downgrade --feature "$elr=0")"
  contains "$(features downgrade --release-version 4.0 2>&1 || true)" "7 out of 7 operation(s) failed."
  contains "$(features upgrade --release-version 4.3)" "$elr was upgraded to 1."
}

log_dirs() { contains "$(connected LogDirsCommand --describe --topic-list "$topic")" "\"partition\":\"$topic-0\""; }

producer_perf() {
  contains "$(run org.apache.kafka.tools.ProducerPerformance --bootstrap-server "$BOOTSTRAP" --topic "$PREFIX-perf" \
    --num-records 20000 --record-size 200 --throughput -1 --command-property compression.type=lz4)" "20000 records sent"
}

consumer_perf() {
  local answer
  answer=$(connected ConsumerPerformance --topic "$PREFIX-perf" --num-records 20000 --timeout 20000 --group "$PREFIX-perf")
  equal "records" 20000 "$(tail -n 1 <<<"$answer" | awk -F ', *' '{print $5}')"
}

verifiable_producer() {
  contains "$(connected VerifiableProducer --topic "$PREFIX-verifiable" --max-messages 100)" '"acked":100'
}

verifiable_consumer() {
  local answer
  answer=$(connected VerifiableConsumer --topic "$PREFIX-verifiable" --group-id "$PREFIX-verifiable" --max-messages 100 \
    --reset-policy earliest)
  contains "$answer" '"name":"partitions_assigned"'
  contains "$answer" '"offset":100'
  contains "$answer" '"success":true'
}

transactions() { connected TransactionsCommand "$@"; }
# Takes the place of its shell, so that who kills it kills the producer.
transactional() {
  exec java -Xmx128M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_JARS/*" org.apache.kafka.tools.ProducerPerformance \
    --bootstrap-server "$BOOTSTRAP" --topic "$PREFIX-txn" --record-size 20 --transactional-id "$PREFIX-txn-$1" \
    --transaction-duration-ms "$2" --num-records "$3" --throughput "$4"
}

transactions_list() {
  topics --create --topic "$PREFIX-txn" --partitions 1
  (transactional ended 50 300 -1)
  transactions list | grep -P "$PREFIX-txn-ended\s.*\sCompleteCommit"
}

transactions_describe() {
  transactions describe --transactional-id "$PREFIX-txn-ended" | grep -P "CompleteCommit\s+60000"
}

# A producer that dies leaves its transaction open.
transactions_describe_producers() {
  transactional open 600000 100000 50 &
  local producer=$!
  eventually is_ongoing
  kill -9 "$producer"
  open_start | grep -E '^[0-9]+$'
}
is_ongoing() { transactions list | grep -P "$PREFIX-txn-open\s.*\sOngoing"; }
open_start() { transactions describe-producers --topic "$PREFIX-txn" --partition 0 | awk '$6 ~ /^[0-9]+$/ {print $6}'; }

# The coordinator knows of it, so it does not hang.
transactions_find_hanging() {
  contains "$(transactions find-hanging --topic "$PREFIX-txn" --max-transaction-timeout 0)" StartOffset
  ! transactions find-hanging --topic "$PREFIX-txn" --max-transaction-timeout 0 | grep "$PREFIX-txn"
}

transactions_abort() {
  transactions abort --topic "$PREFIX-txn" --partition 0 --start-offset "$(open_start)"
  equal "open" "" "$(open_start)"
}

transactions_terminate() {
  transactional forced 600000 100000 50 &
  local producer=$!
  eventually forced_is Ongoing
  kill -9 "$producer"
  transactions forceTerminateTransaction --transactionalId "$PREFIX-txn-forced"
  eventually forced_is Empty
  equal "open" "" "$(open_start)"
}
forced_is() { transactions describe --transactional-id "$PREFIX-txn-forced" | grep "$1"; }

# A transaction without a coordinator, left by a client that did not add its partition, as it could
# be before brokers verified that. What is committed comes to be read when it is aborted.
hanging() { java -cp "$KAFKA_JARS/*" "$(dirname "$0")/Hanging.java" "$BOOTSTRAP" "$PREFIX-hanging" "$PREFIX-txn-hanging"; }
verify_partitions() { configs --alter --entity-type brokers --entity-default "$@"; }
transactions_hanging() {
  topics --create --topic "$PREFIX-hanging" --partitions 1
  refuses hanging
  verify_partitions --add-config transaction.partition.verification.enable=false
  eventually hanging
  verify_partitions --delete-config transaction.partition.verification.enable
  echo later | console_producer --topic "$PREFIX-hanging"
  eventually hangs
  refuses contains "$(committed 3000)" later
  transactions abort --topic "$PREFIX-hanging" --partition 0 --start-offset 0
  refuses hangs
  equal "committed" later "$(committed 20000)"
}
hangs() { transactions find-hanging --broker-id 1 --max-transaction-timeout 0 | grep -P "^$PREFIX-hanging\s+0\s"; }
committed() {
  connected consumer.ConsoleConsumer --timeout-ms "$1" --topic "$PREFIX-hanging" --from-beginning --max-messages 1 \
    --isolation-level read_committed
}

segment() { echo "$DATA_DIR/$topic-$(filled_partition)/00000000000000000000.$1"; }

dump() {
  local answer
  answer=$(dump_log --deep-iteration --print-data-log --files "$(segment log)")
  contains "$answer" "compresscodec: gzip"
  contains "$answer" "isvalid: true"
  contains "$answer" "headerKeys: [trace,trace]"
  contains "$answer" "payload: value 0"
}

# The sanity check says nothing of a sound index and names the records that contradict it otherwise.
dump_index() {
  dump_log --index-sanity-check --files "$(segment index)"
  dump_log --files "$(segment timeindex)" >"$scratch/timeindex"
  ! grep -iE 'mismatch|out of order|not found' "$scratch/timeindex"
}

# Of three values of a key only the last stays. The next record closes the segment, which is old then.
compacted() {
  topics --create --topic "$topic-compacted" --partitions 1 --config cleanup.policy=compact \
    --config segment.ms=500 --config min.cleanable.dirty.ratio=0.01
  for codec in none gzip; do
    for i in {1..3}; do printf 'key\tvalue %s %s\nother %s %s\tvalue\n' "$codec" "$i" "$codec" "$i"; done |
      console_producer --topic "$topic-compacted" --compression-codec "$codec" --reader-property parse.key=true
  done
  printf 'last\tvalue\n' | console_producer --topic "$topic-compacted" --reader-property parse.key=true
  eventually is_compacted
  contains "$(dump_compacted)" "compresscodec: gzip"
  contains "$(dump_compacted)" "payload: value gzip 3"
  contains "$(dump_compacted)" "key: other none 1"
  dump_log --index-sanity-check --files "$(compacted_segment index)"
  contains "$(cat "$DATA_DIR/cleaner-offset-checkpoint")" "$topic-compacted 0 "
  local answer
  answer=$(console_consumer --topic "$topic-compacted" --from-beginning --max-messages 8 --formatter-property print.key=true)
  equal "values of the key" 1 "$(grep -c '^key' <<<"$answer")"
}
compacted_segment() { echo "$DATA_DIR/$topic-compacted-0/00000000000000000000.$1"; }
dump_compacted() { dump_log --deep-iteration --print-data-log --files "$(compacted_segment log)"; }
is_compacted() {
  dump_compacted >"$scratch/compacted"
  ! grep -E 'payload: value (none [123]|gzip [12])' "$scratch/compacted" && ! grep "isvalid: false" "$scratch/compacted"
}

metadata_log() {
  local answer
  answer=$(dump_log --cluster-metadata-decoder --files "$(metadata_files log | sed -n 1p)")
  contains "$answer" '"type":"FEATURE_LEVEL_RECORD"'
  contains "$answer" '"type":"REGISTER_BROKER_RECORD"'
}

# Kafka's metadata log is $DATA_DIR/__cluster_metadata-0; snapshots have their end offset as name.
metadata_files() { find "$DATA_DIR/__cluster_metadata-0" -name "*.$1" | sort; }

metadata_snapshot() {
  eventually snapshot_has_topic
  contains "$(dump_snapshot)" '"type":"PARTITION_RECORD"'
}
dump_snapshot() { dump_log --cluster-metadata-decoder --files "$(metadata_files checkpoint | tail -n 1)"; }
snapshot_has_topic() {
  # Changes of the configuration make the log grow until the next snapshot is due.
  configs --alter --topic "$topic" --add-config "retention.ms=$((86400000 + SECONDS))" >"$scratch/grow"
  contains "$(dump_snapshot)" "\"name\":\"$topic\""
}

metadata_shell() {
  local snapshot
  # The shell locks the folder of its snapshot, which the broker has locked.
  snapshot=$scratch/$(basename "$(metadata_files checkpoint | tail -n 1)")
  cp "$(metadata_files checkpoint | tail -n 1)" "$snapshot"
  contains "$(run org.apache.kafka.shell.MetadataShell --snapshot "$snapshot" ls /image/topics/byName)" "$topic"
}

share_groups() { connected consumer.group.ShareGroupCommand "$@"; }
console_share_consumer() { connected consumer.ConsoleShareConsumer --timeout-ms 20000 "$@"; }
share=$PREFIX-share

# What is rejected is gone; what is accepted as well.
share_console() {
  configs --alter --entity-type groups --entity-name "$share" --add-config share.auto.offset.reset=earliest
  topics --create --topic "$share" --partitions 1
  numbers 1 10 | console_producer --topic "$share"
  equal "rejected" "1 2 3" "$(console_share_consumer --topic "$share" --group "$share" --max-messages 3 --reject | sort -n | xargs)"
  eventually share_lag_is "$share" 7
  equal "accepted" "4 5 6 7 8 9 10" "$(console_share_consumer --topic "$share" --group "$share" --max-messages 7 | sort -n | xargs)"
  eventually share_lag_is "$share" 0
}
# The columns are group, topic, partition, start offset and lag.
share_lag_is() { equal "lag" "$2" "$(share_groups --describe --group "$1" --offsets | awk -v topic="$1" '$2 == topic {print $5}')"; }

share_list() {
  contains "$(share_groups --list)" "$share"
  contains "$(share_groups --list --state)" "Empty"
}

share_describe() {
  local reader
  console_share_consumer --topic "$share" --group "$share" >"$scratch/share" 2>&1 &
  reader=$!
  eventually share_has_member
  contains "$(share_groups --describe --group "$share" --state)" "Stable"
  kill "$reader"
  wait "$reader" || true
}
share_has_member() { contains "$(share_groups --describe --group "$share" --members)" "$share:0"; }

share_reset() {
  eventually share_is_empty
  share_groups --reset-offsets --group "$share" --topic "$share" --to-earliest --execute
  eventually share_lag_is "$share" 10
}
share_is_empty() { contains "$(share_groups --describe --group "$share" --state)" "Empty"; }

share_delete_offsets() {
  share_groups --delete-offsets --group "$share" --topic "$share"
  eventually share_has_no_offsets
}
share_has_no_offsets() { refuses contains "$(share_groups --describe --group "$share" --offsets)" " 10"; }

share_delete() {
  contains "$(share_groups --delete --group "$share")" "$share"
  eventually share_is_gone
}
share_is_gone() { refuses grep -Fxq "$share" <(share_groups --list); }

# own DECODER TOPIC NAME: what the log of the broker's own topic has in the partition where it speaks of the name.
own() {
  local file
  file=$(grep -laF "$3" "$DATA_DIR/$2"-*/*.log)
  dump_log "--$1" --files "${file%%$'\n'*}" >"$scratch/own"
  refuses grep -E "isvalid: false|UNKNOWN|[Cc]ould not" "$scratch/own"
}
says() {
  grep -F "$1" "$scratch/own" | grep -E "$2" >/dev/null || {
    echo "nothing of $1 with $2"
    return 1
  }
}

dump_offsets() {
  own offsets-decoder __consumer_offsets "$share"
  says "\"groupId\":\"$share\"" '"memberId":"'
  says "\"groupId\":\"$share\"" 'payload: <DELETE>'
  own offsets-decoder __consumer_offsets "$group-new"
  says "\"group\":\"$group-new\"" '"offset":[0-9]+'
}

dump_share_state() {
  own share-group-state-decoder __share_group_state "$share"
  says "\"groupId\":\"$share\"" '"startOffset":3,"deliveryCompleteCount":7'
  says "\"groupId\":\"$share\"" 'payload: <DELETE>'
}

dump_transactions() {
  own transaction-log-decoder __transaction_state "$PREFIX-txn-ended"
  says "\"transactionalId\":\"$PREFIX-txn-ended\"" '"transactionStatus":4'
}

# Two were aborted: one by its offset, one by its id.
dump_txnindex() {
  local answer
  answer=$(dump_log --files "$DATA_DIR/$PREFIX-txn-0/00000000000000000000.txnindex")
  equal "aborted transactions" 2 "$(grep -cE 'producerId: [0-9]+ firstOffset: [0-9]+ lastOffset: [0-9]+ lastStableOffset: [0-9]+' <<<"$answer")"
}

delete() {
  topics --delete --topic "$topic"
  eventually not_listed
}
not_listed() { ! grep -Fxq "$topic" <(topics --list); }

check kafka-broker-api-versions api_versions
check kafka-topics-create create
check kafka-topics-describe describe
check kafka-topics-alter alter
check kafka-topics-list list
check kafka-console-producer produce
check kafka-console-consumer consume
check kafka-console-consumer-tombstone tombstone
check kafka-get-offsets offsets
check kafka-get-offsets-by-time offsets_by_time
check kafka-configs-describe configs_describe
check kafka-configs-alter configs_alter
check kafka-configs-broker configs_broker
check kafka-configs-loggers configs_loggers
check kafka-configs-quotas configs_quotas
check kafka-client-metrics client_metrics_alter
check kafka-configs-client-metrics configs_client_metrics
check kafka-consumer-groups-list groups_list
check kafka-consumer-groups-describe groups_describe
check kafka-consumer-groups-reset groups_reset
check kafka-consumer-groups-delete groups_delete
check kafka-console-share-consumer share_console
check kafka-share-groups-list share_list
check kafka-share-groups-describe share_describe
check kafka-share-groups-reset share_reset
check kafka-share-groups-delete-offsets share_delete_offsets
check kafka-share-groups-delete share_delete
if [[ -n ${DATA_DIR:-} ]]; then
  check kafka-dump-log dump
  check kafka-dump-log-index dump_index
  check kafka-dump-log-compacted compacted
  check kafka-dump-log-metadata metadata_log
  check kafka-dump-log-snapshot metadata_snapshot
  check kafka-metadata-shell metadata_shell
else
  echo "skip kafka-dump-log: DATA_DIR is not set"
  for name in kafka-dump-log-index kafka-dump-log-compacted kafka-dump-log-metadata kafka-dump-log-snapshot kafka-metadata-shell; do
    echo "skip $name: DATA_DIR is not set"
  done
fi
check kafka-consumer-groups-consumer-protocol new_groups
check kafka-configs-group configs_group
check kafka-delete-records delete_records
check kafka-log-dirs log_dirs
check kafka-features-describe features_describe
check kafka-features-disable features_disable
check kafka-features-upgrade features_upgrade
check kafka-features-downgrade features_downgrade
check kafka-producer-perf-test producer_perf
check kafka-consumer-perf-test consumer_perf
check kafka-verifiable-producer verifiable_producer
check kafka-verifiable-consumer verifiable_consumer
check kafka-transactions-list transactions_list
check kafka-transactions-describe transactions_describe
check kafka-transactions-describe-producers transactions_describe_producers
check kafka-transactions-find-hanging transactions_find_hanging
check kafka-transactions-abort transactions_abort
check kafka-transactions-terminate transactions_terminate
check kafka-transactions-hanging transactions_hanging
if [[ -n ${DATA_DIR:-} ]]; then
  check kafka-dump-log-offsets dump_offsets
  check kafka-dump-log-share-state dump_share_state
  check kafka-dump-log-transactions dump_transactions
  check kafka-dump-log-txnindex dump_txnindex
else
  for name in offsets share-state transactions txnindex; do echo "skip kafka-dump-log-$name: DATA_DIR is not set"; done
fi
check kafka-topics-delete delete
