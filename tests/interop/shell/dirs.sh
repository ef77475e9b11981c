#!/usr/bin/env bash
# Kafka's tools for log directories, against a broker of its own with two of them.
# KAFKA_JARS is the folder of their jars.
source "$(dirname "$0")/check.sh"

checks="kafka-log-dirs-future kafka-reassign-log-dirs kafka-reassign-any kafka-reassign-verify kafka-log-dirs-cordoned kafka-log-dirs-failed"
[[ -n ${KLAMM:-} ]] || {
  for name in $checks; do echo "skip $name: there is no program to start with two directories"; done
  exit
}

data=$scratch/data
port=$((20000 + $$ % 20000))
BOOTSTRAP=127.0.0.1:$port
"$KLAMM" serve -l "$BOOTSTRAP" --set "log.dirs=$data/a,$data/b" --set "metadata.log.dir=$data/meta" \
  --set log.flush.offset.checkpoint.interval.ms=1000 >"$scratch/broker.log" 2>&1 &
broker=$!
trap 'kill -9 "$broker" 2>/dev/null; rm -rf "$scratch"' EXIT
until (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done

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

reassign() { connected reassign.ReassignPartitionsCommand "$@"; }
topic=$PREFIX-dirs

# The directory that holds the partition.
place() { basename "$(dirname "$(ls -d "$data"/*/"$topic-0")")"; }
other() { if [[ $(place) = a ]]; then echo b; else echo a; fi; }

# plan DIR: the file that moves the partition there.
plan() {
  printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"replicas":[1],"log_dirs":["%s"]}]}' \
    "$topic" "$1" >"$scratch/plan.json"
}

# With a throttle, so that the copy is seen on its way.
future() {
  connected TopicCommand --create --topic "$topic" --partitions 1 >/dev/null
  run org.apache.kafka.tools.ProducerPerformance --bootstrap-server "$BOOTSTRAP" --topic "$topic" \
    --num-records 5000 --record-size 1000 --throughput -1 >/dev/null
  plan "$data/$(other)"
  local answer
  answer=$(reassign --execute --reassignment-json-file "$scratch/plan.json" --replica-alter-log-dirs-throttle 1000000)
  contains "$answer" "Successfully started moving log directory to $data/"
  answer=$(connected LogDirsCommand --describe --topic-list "$topic")
  contains "$answer" '"isFuture":true'
}

moved() {
  eventually is_complete
  contains "$(reassign --verify --reassignment-json-file "$scratch/plan.json")" "Clearing broker-level throttles"
}
is_complete() {
  contains "$(reassign --verify --preserve-throttles --reassignment-json-file "$scratch/plan.json")" \
    "Reassignment of replica $topic-0-1 completed successfully."
}

any() {
  plan any
  contains "$(reassign --execute --reassignment-json-file "$scratch/plan.json")" "Successfully started partition reassignment for $topic-0"
}

verify() {
  plan "$data/$(other)"
  contains "$(reassign --verify --reassignment-json-file "$scratch/plan.json")" "is not being moved from log dir"
}

cordoned() {
  run kafka.admin.ConfigCommand --bootstrap-server "$BOOTSTRAP" --alter --entity-type brokers --entity-name 1 \
    --add-config "cordoned.log.dirs=$data/a" >/dev/null
  connected TopicCommand --create --topic "$topic-new" --partitions 3 >/dev/null
  equal "partitions" 3 "$(find "$data/b" -maxdepth 1 -name "$topic-new-*" | wc -l)"
}

# The directory goes while the broker runs, and a file is in its place. The other one serves on.
failed() {
  run kafka.admin.ConfigCommand --bootstrap-server "$BOOTSTRAP" --alter --entity-type brokers --entity-name 1 \
    --delete-config cordoned.log.dirs
  connected TopicCommand --create --topic "$topic-both" --partitions 12
  eventually all_made
  local lost
  lost=$(ls -d "$data/b/$topic-both"-* | wc -l)
  ((lost > 0))
  rm -rf "$data/b"
  touch "$data/b"
  eventually is_offline
  local gone
  gone=$(connected TopicCommand --describe --topic "$topic-both" --unavailable-partitions | grep -c "Leader: none")
  equal "partitions without a leader" "$lost" "$gone"
  connected TopicCommand --create --topic "$topic-after" --partitions 2
  contains "$(run org.apache.kafka.tools.ProducerPerformance --bootstrap-server "$BOOTSTRAP" --topic "$topic-after" \
    --num-records 100 --record-size 100 --throughput -1)" "100 records sent"
  equal "partitions" 2 "$(find "$data/a" -maxdepth 1 -name "$topic-after-*" | wc -l)"
}
all_made() { equal "partitions" 12 "$(find "$data" -name "$topic-both-*" | wc -l)"; }
is_offline() {
  local answer
  answer=$(connected LogDirsCommand --describe --topic-list "$topic-both")
  equal "failed" 1 "$(grep -o 'KafkaStorageException' <<<"$answer" | wc -l)"
}

check kafka-log-dirs-future future
check kafka-reassign-log-dirs moved
check kafka-reassign-any any
check kafka-reassign-verify verify
check kafka-log-dirs-cordoned cordoned
check kafka-log-dirs-failed failed
