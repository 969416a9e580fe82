#!/usr/bin/env bash
# Runs the unit tests of core.
. "$(dirname "$0")/env.sh"
cargo test --quiet -p confmesh --lib "$@"
