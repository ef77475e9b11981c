# Sourced by the programs: the report the runner reads, and what their checks share.
#
# shellcheck shell=bash
set -uo pipefail
: "${BOOTSTRAP:=localhost:9092}" "${PREFIX:=interop-shell-$$}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check NAME COMMAND...: runs the command, usually a function, and reports `ok` or `FAIL` with its last words.
check() {
  local name=$1
  shift
  echo "run $name"
  (
    set -e
    "$@"
  ) >"$scratch/check.log" 2>&1 </dev/null
  local status=$?
  if [[ $status = 0 ]]; then
    echo "ok $name"
  else
    echo "FAIL $name: status $status, $(tail -n 2 "$scratch/check.log" | tr '\n' ' ')"
  fi
}

# equal WHAT WANT GOT
equal() {
  [[ $2 = "$3" ]] || {
    echo "$1: want $2, got $3"
    return 1
  }
}

# contains TEXT PART
contains() {
  [[ $1 = *"$2"* ]] || {
    echo "want '$2' in: $1"
    return 1
  }
}

# eventually COMMAND...: runs the command until it succeeds, for 30 seconds at most.
eventually() { eventually_in 30 "$@"; }

# eventually_in SECONDS COMMAND...
eventually_in() {
  local patience=$1 end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || {
      echo "not within $patience s: $*"
      return 1
    }
    sleep 0.1
  done
}

# numbers FROM TO: one number a line.
numbers() { seq "$1" "$2"; }

now_ms() { date +%s%3N; }
