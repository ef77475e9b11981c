#!/usr/bin/env bash
# Clients push their metrics to a broker of its own, which tells them at its /metrics.
set -uo pipefail
if [[ -z ${KLAMM:-} ]]; then
  for name in telemetry-push telemetry-match; do echo "skip $name: a broker without a receiver asks for nothing"; done
  exit
fi

data=$(mktemp -d)
broker=
trap 'kill -9 "$broker" 2>/dev/null; rm -rf "$data" "$data.log"' EXIT
"$KLAMM" serve -l 127.0.0.1:0 -d "$data" --set klamm.admin.listeners=127.0.0.1:0 >"$data.log" 2>&1 &
broker=$!
until grep -q '^ *metrics ' "$data.log"; do sleep 0.05; done
export BOOTSTRAP METRICS
BOOTSTRAP=$(sed -n 's/.*bootstrap.servers=//p' "$data.log")
METRICS=$(sed -n 's/^ *metrics *//p' "$data.log")
java -XX:+UseSerialGC -cp "$OUT/classes:$KAFKA_CLIENTS/4.4.0/lib/*" Telemetry
