#!/usr/bin/env bash
# Kafka Connect as one process: lines of a file become records, and records lines of another file.
source ../shell/check.sh

topic=$PREFIX-lines
worker=
trap 'kill -9 "$worker" 2>/dev/null; rm -rf "$scratch"' EXIT

settings() {
  cat >"$scratch/worker.properties" <<END
bootstrap.servers=$BOOTSTRAP
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename=$scratch/offsets
offset.flush.interval.ms=500
listeners=http://127.0.0.1:0
plugin.discovery=hybrid_warn
END
  cat >"$scratch/source.properties" <<END
name=$PREFIX-source
connector.class=org.apache.kafka.connect.file.FileStreamSourceConnector
tasks.max=1
file=$scratch/in
topic=$topic
END
  cat >"$scratch/sink.properties" <<END
name=$PREFIX-sink
connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector
tasks.max=1
file=$scratch/out
topics=$topic
END
}

start() {
  java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_JARS/*" \
    org.apache.kafka.connect.cli.ConnectStandalone \
    "$scratch/worker.properties" "$scratch/source.properties" "$scratch/sink.properties" \
    >>"$scratch/worker.log" 2>&1 &
  worker=$!
}

stop() {
  kill "$worker"
  wait "$worker" 2>/dev/null
}

out_is() { [[ $(cat "$scratch/out" 2>/dev/null) = "$1" ]]; }
copied_to() { eventually_in 90 out_is "$(numbers 1 "$1")"; }

settings
numbers 1 100 >"$scratch/in"
start
check connect-file copied_to 100
# What was copied before is not copied again: the worker keeps how far it read, the group how far it wrote.
stop
numbers 101 150 >>"$scratch/in"
start
check connect-resume copied_to 150
stop
