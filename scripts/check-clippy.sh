#!/usr/bin/env bash
# Lints core and its tests, or what the arguments name (`--workspace`); a warning is an error.
. "$(dirname "$0")/env.sh"
[ $# -gt 0 ] || set -- -p confmesh -p confmesh-tests
cargo clippy --quiet "$@" --all-targets -- -D warnings
