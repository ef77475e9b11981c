#!/usr/bin/env bash
# kcat told to behave as towards brokers of long ago: it then sends what librdkafka sent in those days. From 0.10
# on it asks the broker for its versions, so that those ages are as `now`.
source "$(dirname "$0")/check.sh"

ages=(0.8.2.2 0.9.0.1 now)
codecs=(none gzip snappy lz4)
topic=$PREFIX-mixed

# as AGE OPTIONS...
as() {
  local age=$1 options=()
  shift
  [[ $age = now ]] || options=(-X api.version.request=false -X broker.version.fallback="$age")
  timeout 40 kcat -b "$BOOTSTRAP" -q "${options[@]}" "$@"
}

# A batch with each codec, all into one partition.
produce() {
  local codec
  for codec in "${codecs[@]}"; do
    for i in {0..9}; do echo "key-$i=$1 $codec $i"; done | as "$1" -P -t "$topic" -p 0 -K = -z "$codec" -X max.in.flight=1
  done
}

everything() {
  local offset=0 age codec i
  for age in "${ages[@]}"; do
    for codec in "${codecs[@]}"; do
      for i in {0..9}; do echo "$((offset++)) key-$i $age $codec $i"; done
    done
  done
}

consume() {
  equal "records" "$(everything)" "$(as "$1" -C -t "$topic" -p 0 -o beginning -e -f '%o %k %s\n')"
  equal "the middle of a batch" "$(everything | tail -n +18)" "$(as "$1" -C -t "$topic" -p 0 -o 17 -e -f '%o %k %s\n')"
}

# The answer is cut at the limit, or beyond it if the version says so; librdkafka raises its own limit.
large() {
  head -c 300000 /dev/zero | tr '\0' x >"$scratch/large"
  as "$1" -P -t "$PREFIX-large-$1" -p 0 "$scratch/large"
  equal "size" 300000 "$(as "$1" -C -t "$PREFIX-large-$1" -p 0 -o beginning -e -f '%S' -X fetch.message.max.bytes=10000)"
}

# Each goes on where the one before committed.
resume() {
  local from=$2
  equal "offsets" "$(numbers "$from" $((from + 9)))" \
    "$(as "$1" -G "$PREFIX-resume" -X auto.offset.reset=earliest -c 10 -f '%o\n' "$topic")"
}

for age in "${ages[@]}"; do check "produce-$age" produce "$age"; done
for age in "${ages[@]}"; do
  check "consume-$age" consume "$age"
  check "large-$age" large "$age"
done
check resume-0.9.0.1 resume 0.9.0.1 0
check resume-now resume now 10
