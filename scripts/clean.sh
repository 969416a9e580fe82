#!/usr/bin/env bash
# Removes what the scripts made here; the cache of wasm-bindgen outside the repository stays.
. "$(dirname "$0")/env.sh"
rm -rf "$TARGET" bindings-wasm/pkg bindings-node/{native,wasm,LICENSE-MIT,LICENSE-APACHE,CHANGELOG.md} web-demo/dist scripts/node-tools/node_modules
