#!/usr/bin/env bash
# An Apache Kafka is filled, stopped ("clean") or killed ("killed"), and taken over: brokers of its own.
set -uo pipefail
mode=$1
if [[ -z ${KLAMM:-} ]]; then
  for check in fill running look apply same producers transactions groups goes-on dump-log back; do
    echo "skip $check: there is no program to take over with"
  done
  exit
fi

DATA=$(mktemp -d)
PORT=$((20000 + $$ % 20000))
export DATA PORT MODE=$mode BOOTSTRAP=127.0.0.1:$PORT
trap 'rm -rf "$DATA" "$DATA"-*.log' EXIT
java -XX:+UseSerialGC -cp "$OUT/classes:$KAFKA_CLIENTS/4.4.0/lib/*" Takeover
