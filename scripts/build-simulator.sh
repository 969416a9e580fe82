#!/usr/bin/env bash
# Builds the simulator and what belongs to it, on what decides alone.
. "$(dirname "$0")/env.sh"
cargo build --quiet --profile simulate -p confmesh-tests --no-default-features --bins
