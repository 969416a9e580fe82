#!/usr/bin/env bash
# Replays an editing trace (JSON, plain or gzip) and compares the text that it ends with.
. "$(dirname "$0")/env.sh"
[ -n "${1:-}" ] || fail 'no trace is given' 'make trace FILE=friendsforever.json.gz'
[ -f "$1" ] || fail "there is no file \`$1\`"
scripts/build-simulator.sh
gzip -cdf -- "$1" | "$TARGET/simulate/confmesh-trace"
