#!/usr/bin/env bash
# Runs the benchmarks; arguments are handed on: `-- --markdown` prints the table of the README, `-- --json` a line a figure.
. "$(dirname "$0")/env.sh"
cargo bench -p confmesh-benches "$@"
