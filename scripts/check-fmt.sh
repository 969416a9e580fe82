#!/usr/bin/env bash
# Fails where rustfmt would change something.
. "$(dirname "$0")/env.sh"
cargo fmt --check
