#!/usr/bin/env bash
# Features are turned down and off: a broker of its own, which nobody else needs them of.
set -uo pipefail
if [[ -z ${KLAMM:-} ]]; then
  for name in txn-level-1 txn-level-0 share-off consumer-off; do echo "skip $name: other clients of this broker need its features"; done
  exit
fi

data=$(mktemp -d)
port=$((20000 + $$ % 20000))
"$KLAMM" serve -l "127.0.0.1:$port" -d "$data" >"$data.log" 2>&1 &
broker=$!
trap 'kill -9 "$broker" 2>/dev/null; rm -rf "$data" "$data.log"' EXIT
until (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
features() { BOOTSTRAP=127.0.0.1:$port java -XX:+UseSerialGC -cp "$OUT/classes:$KAFKA_CLIENTS/4.4.0/lib/*" Features "$@"; }
PREFIX=$PREFIX-1 features 1
PREFIX=$PREFIX-0 features 0
features
