#!/usr/bin/env bash
# Makes sure that the WebAssembly compiler and the wasm-bindgen command are there. The command must have exactly the
# version of the crate, so that is read from Cargo.lock; it is kept in the cache, as building it takes minutes.
. "$(dirname "$0")/wasm-env.sh"
version=$(locked_version wasm-bindgen)
folder=$CACHE/wasm-bindgen-$version
mkdir -p "$folder"
is_there() { [ "$("$folder/bin/wasm-bindgen" --version 2>/dev/null)" = "wasm-bindgen $version" ]; }
if ! is_there; then
  # One install at a time on a machine: a second one waits and finds it done.
  exec 9>"$folder/.lock"
  flock 9
  is_there || {
    echo "building wasm-bindgen $version, once: two to five minutes" >&2
    # Not --locked: its lock file can name versions that a registry mirror does not offer yet.
    env -u CARGO_TARGET_DIR cargo install --quiet wasm-bindgen-cli --version "$version" --root "$folder" >&2
  }
  is_there || fail "wasm-bindgen $version is not in $folder after its installation" "remove that folder and try again"
fi
