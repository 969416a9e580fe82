#!/usr/bin/env bash
# Tests the optimised WebAssembly module in Node, vectors included.
. "$(dirname "$0")/env.sh"
[ -f bindings-wasm/pkg/client.js ] || fail 'the browser client is not built' 'run: scripts/build-wasm.sh'
CONFMESH_VECTORS=$ROOT/tests/vectors node --test --test-reporter=spec bindings-wasm/tests/*.test.mjs
