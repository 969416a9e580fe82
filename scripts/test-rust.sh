#!/usr/bin/env bash
# Runs every Rust test: of core with its documentation, and of the tests crate.
. "$(dirname "$0")/env.sh"
cargo test --quiet -p confmesh -p confmesh-tests "$@"
