#!/usr/bin/env bash
# Runs the benchmarks; arguments are handed on.
. "$(dirname "$0")/env.sh"
cargo bench -p confmesh-benches "$@"
