#!/usr/bin/env bash
# Runs the benchmark of the replicated document beside automerge, loro and yrs, a workspace of its own. KEYS, REPLICAS,
# MODES and ONLY say what runs.
. "$(dirname "$0")/env.sh"
cargo run --quiet --release --manifest-path benches/replicated/Cargo.toml --target-dir "$TARGET/bench/replicated"
