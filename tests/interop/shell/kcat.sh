#!/usr/bin/env bash
# The interop checks for kcat. It has no admin calls: topics are created by the first record.
source "$(dirname "$0")/check.sh"

kcat() { timeout 40 kcat -b "$BOOTSTRAP" -q "$@"; }
# A retried batch must not be overtaken by the next one: the checks know records by their offsets.
send() { kcat -P -X max.in.flight=1 "$@"; }
codecs=(none gzip snappy lz4 zstd)
topic=$PREFIX-codecs

create_topic() {
  echo first | send -t "$PREFIX-created"
  equal "first record" first "$(kcat -C -t "$PREFIX-created" -o beginning -e)"
}

# Twenty records with key, value and headers, one with a null value, one with a null key.
produce() {
  local codec=$1
  local options=(-t "$topic-$codec" -z "$codec" -K = -H trace=first -H trace=second -Z)
  {
    for i in {0..19}; do echo "key-$i=value-$i $(printf 'x%.0s' {1..100})"; done
    echo "tombstone="
    echo "=null key"
  } | send "${options[@]}"
}

consume() {
  local codec=$1 want
  want=$(
    for i in {0..19}; do echo "$i key-$i value-$i $(printf 'x%.0s' {1..100}) trace=first,trace=second"; done
    echo "20 tombstone  trace=first,trace=second length -1"
    echo "21  null key trace=first,trace=second"
  )
  local got
  got=$(kcat -C -t "$topic-$codec" -o beginning -e -f '%o %k %s %h%S\n' | sed -E 's/second-1$/second length -1/; s/second[0-9]+$/second/')
  equal "records" "$want" "$got"
}

empty_bytes() {
  echo "=" | send -t "$PREFIX-empty" -K =
  equal "lengths of key and value" "0 0" "$(kcat -C -t "$PREFIX-empty" -o beginning -e -f '%K %S')"
}

null_header() {
  echo value | send -t "$PREFIX-null-header" -H null -H empty=
  equal "headers" "null=NULL,empty=" "$(kcat -C -t "$PREFIX-null-header" -o beginning -e -f '%h')"
}

# kcat cannot choose a record's time, so two records are sent at two times.
consume_by_time() {
  local name=$PREFIX-time between
  echo before | send -t "$name"
  between=$(($(kcat -C -t "$name" -o beginning -e -f '%T') + 1))
  eventually test "$(now_ms)" -gt "$between"
  sleep 0.01
  echo after | send -t "$name"
  equal "read from the time" after "$(kcat -C -t "$name" -p 0 -o "s@$between" -e)"
  contains "$(kcat -Q -t "$name:0:$between")" "offset 1"
  contains "$(kcat -Q -t "$name:0:0")" "offset 0"
}

idempotent_producer() {
  numbers 0 49 | send -t "$PREFIX-idempotent" -X enable.idempotence=true
  equal "records" "$(numbers 0 49)" "$(kcat -C -t "$PREFIX-idempotent" -o beginning -e)"
}

# member FILE: joins the group; records go to FILE, what the group tells goes to FILE.log.
member() {
  command kcat -b "$BOOTSTRAP" -G "$PREFIX-group" -X auto.offset.reset=earliest -X heartbeat.interval.ms=500 \
    -u "$PREFIX-group" >"$1" 2>"$1.log" &
}

lines() { equal "lines of $1" "$2" "$(wc -l <"$1")"; }

# The topic has one partition: the second member waits for it until the first one leaves.
group_rebalance() {
  local first second a=$scratch/first b=$scratch/second
  numbers 0 19 | send -t "$PREFIX-group"
  member "$a"
  first=$!
  eventually lines "$a" 20
  member "$b"
  second=$!
  eventually grep -q rebalanced "$b.log"
  numbers 20 39 | send -t "$PREFIX-group"
  eventually both_have 40
  kill "$first"
  wait "$first" || true
  numbers 40 59 | send -t "$PREFIX-group"
  eventually both_have 60
  kill "$second"
  wait "$second" || true
  equal "records" "$(numbers 0 59)" "$(sort -n "$a" "$b")"
}

both_have() { equal "records" "$1" "$(cat "$scratch/first" "$scratch/second" | wc -l)"; }

commit_resume() {
  local name=$PREFIX-commit
  numbers 0 19 | send -t "$name"
  equal "first half" "$(numbers 0 9)" "$(kcat -G "$name" -X auto.offset.reset=earliest -c 10 "$name")"
  equal "second half" "$(numbers 10 19)" "$(kcat -G "$name" -X auto.offset.reset=earliest -c 10 "$name")"
}

describe_cluster() {
  local answer
  answer=$(kcat -L)
  contains "$answer" "1 brokers:"
  contains "$answer" "(controller)"
}

list_topics() { contains "$(kcat -L)" "topic \"$topic-none\""; }

describe_topic() { contains "$(kcat -L -t "$topic-none")" "partition 0, leader"; }

check create-topic create_topic
for codec in "${codecs[@]}"; do check "produce-$codec" produce "$codec"; done
for codec in "${codecs[@]}"; do check "consume-$codec" consume "$codec"; done
check empty-bytes empty_bytes
check null-header null_header
check consume-by-time consume_by_time
check idempotent-producer idempotent_producer
check group-rebalance group_rebalance
check commit-resume commit_resume
check admin-describe-cluster describe_cluster
check admin-list-topics list_topics
check admin-describe-topic describe_topic
