#!/usr/bin/env bash
# MirrorMaker 2 from the broker to a second one, which is ours.
source ../shell/check.sh
names=(mirror-records mirror-config mirror-group)
if [[ -z ${KLAMM:-} ]]; then
  for name in "${names[@]}"; do echo "skip $name: there is no second broker"; done
  exit
fi

topic=$PREFIX-mirrored
group=$PREFIX-readers
port=$((20000 + $$ % 20000))
second=127.0.0.1:$port
broker='' mirror=''
trap 'kill -9 $broker $mirror 2>/dev/null; rm -rf "$scratch"' EXIT

java_run() {
  local class=$1
  shift
  java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_JARS/*" "org.apache.kafka.tools.$class" "$@"
}

"$KLAMM" serve -l "$second" -d "$scratch/data" >"$scratch/broker.log" 2>&1 &
broker=$!
until (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done

cat >"$scratch/mirror.properties" <<END
clusters=first,second
first.bootstrap.servers=$BOOTSTRAP
second.bootstrap.servers=$second
first->second.enabled=true
second->first.enabled=false
first->second.topics=$topic
first->second.groups=$group
replication.factor=1
offset-syncs.topic.replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
config.storage.replication.factor=1
offset.storage.partitions=1
status.storage.partitions=1
refresh.topics.interval.seconds=1
refresh.groups.interval.seconds=1
sync.topic.configs.interval.seconds=1
emit.checkpoints.interval.seconds=1
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
offset.lag.max=0
consumer.auto.offset.reset=earliest
END

prepare() {
  java_run TopicCommand --bootstrap-server "$BOOTSTRAP" --create --topic "$topic" --partitions 1 --config retention.ms=123456789
  numbers 1 100 | java_run ConsoleProducer --bootstrap-server "$BOOTSTRAP" --topic "$topic"
  java_run consumer.ConsoleConsumer --bootstrap-server "$BOOTSTRAP" --topic "$topic" --group "$group" \
    --from-beginning --max-messages 100 --timeout-ms 20000 >/dev/null
}

mirrored() {
  local answer
  answer=$(java_run consumer.ConsoleConsumer --bootstrap-server "$second" --topic "first.$topic" \
    --from-beginning --max-messages 100 --timeout-ms 5000 2>/dev/null)
  [[ $answer = "$(numbers 1 100)" ]]
}

records() {
  prepare
  eventually_in 90 mirrored
}

config() {
  contains "$(java_run TopicCommand --bootstrap-server "$second" --describe --topic "first.$topic")" "retention.ms=123456789"
}

group_is_there() {
  java_run consumer.group.ConsumerGroupCommand --bootstrap-server "$second" --describe --group "$group" 2>/dev/null |
    awk -v topic="first.$topic" '$2 == topic && $4 == 100 {found = 1} END {exit !found}'
}

# The group goes on at the other broker where it stopped.
moved() {
  eventually_in 90 group_is_there
  echo 101 | java_run ConsoleProducer --bootstrap-server "$BOOTSTRAP" --topic "$topic"
  equal "the first record after the move" 101 "$(java_run consumer.ConsoleConsumer --bootstrap-server "$second" \
    --topic "first.$topic" --group "$group" --max-messages 1 --timeout-ms 20000 2>/dev/null)"
}

java -Xmx384M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_JARS/*" \
  org.apache.kafka.connect.mirror.MirrorMaker "$scratch/mirror.properties" >"$scratch/mirror.log" 2>&1 &
mirror=$!

check mirror-records records
check mirror-config config
check mirror-group moved
