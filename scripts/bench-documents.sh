#!/usr/bin/env bash
# Writes the documents that the benchmarks of Python and Node read into target/bench/documents.
. "$(dirname "$0")/env.sh"
cargo run --quiet --release -p confmesh-benches --no-default-features --bin documents -- "$TARGET/bench/documents"
