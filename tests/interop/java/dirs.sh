#!/usr/bin/env bash
# Replicas move between the two log directories of a broker of its own.
set -uo pipefail
names="alter-replica-log-dirs alter-replica-log-dirs-refused"
[[ -n ${KLAMM:-} ]] || {
  for name in $names; do echo "skip $name: there is no program to start with two directories"; done
  exit
}

data=$(mktemp -d)
port=$((20000 + $$ % 20000))
"$KLAMM" serve -l "127.0.0.1:$port" --set "log.dirs=$data/a,$data/b" >"$data.log" 2>&1 &
broker=$!
trap 'kill -9 "$broker" 2>/dev/null; rm -rf "$data"' EXIT
until (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
BOOTSTRAP=127.0.0.1:$port java -XX:+UseSerialGC -cp "$OUT/classes:$KAFKA_CLIENTS/4.4.0/lib/*" Dirs
