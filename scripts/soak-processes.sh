#!/usr/bin/env bash
# Bursts of writes on bound files that nobody edits, with processes that are paused again and again: how many seconds (600),
# and how many rounds of counters (10). What it found stands in tests/soak.txt.
. "$(dirname "$0")/env.sh"
seconds=${1:-600} rounds=${2:-10} result=tests/soak.txt
found=$(CONFMESH_BURST_SECONDS=$seconds CONFMESH_COUNTER_ROUNDS=$rounds \
  cargo test --quiet --release -p confmesh --test cli bursts -- --nocapture --test-threads 1 |
  grep -E '^(bursts|counters): ' ) || fail "a burst lost something, or was taken for an edit" "run it alone: scripts/soak-processes.sh $seconds $rounds"
{
  printf 'The last run of scripts/soak-processes.sh %s %s, on %s, %s cores:\n\n' "$seconds" "$rounds" "$(date -u +%F)" "$(nproc)"
  printf '%s\n' "$found"
} >"$result"
cat "$result"
