#!/usr/bin/env bash
# Builds the `confmesh` command with the page in it: target/release/confmesh.
. "$(dirname "$0")/env.sh"
scripts/install-rust.sh
cargo build --release -p confmesh
