#!/usr/bin/env bash
# A copy is made in transactions, and a share group reads, while the broker is killed again and again: a broker of its own.
set -uo pipefail
if [[ -z ${KLAMM:-} ]]; then
  for name in exactly-once-under-kills share-under-kills; do echo "skip $name: there is no broker to kill"; done
  exit
fi

data=$(mktemp -d)
port=$((20000 + $$ % 20000))
broker=
trap 'kill -9 "$broker" 2>/dev/null; rm -rf "$data"' EXIT

start() {
  "$KLAMM" serve -l "127.0.0.1:$port" -d "$data" >"$data.log" 2>&1 &
  broker=$!
  until (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
}

start
BOOTSTRAP=127.0.0.1:$port java -XX:+UseSerialGC -cp "$OUT/classes:$KAFKA_CLIENTS/4.4.0/lib/*" Kills &
copy=$!
while kill -0 "$copy" 2>/dev/null; do
  sleep "$((1 + RANDOM % 3))"
  kill -9 "$broker"
  wait "$broker" 2>/dev/null
  start
done
