#!/usr/bin/env bash
# Builds what browsers run. bindings-wasm/pkg/ holds the client: an optimised module, its glue and our JavaScript;
# bindings-wasm/pkg/full/ the same for the algebra, bindings-wasm/pkg/replica/ for replicas.
. "$(dirname "$0")/env.sh"
scripts/install-rust.sh
scripts/install-node.sh
scripts/install-wasm.sh
. scripts/wasm-env.sh

build() {
  "${WASM_CARGO[@]}" build --quiet --profile "$1" --target "$WASM_TARGET" "${WASM_FLAGS[@]}" -p confmesh-wasm \
    --no-default-features --features "$2"
}
# The client hashes what one person reads: rounds in a loop are 2 kB less over the wire.
RUSTFLAGS='--cfg sha2_backend_soft="compact"' build wasm-client client
build wasm algebra
build wasm-replica replica

pkg=bindings-wasm/pkg
stage=$TARGET/wasm-stage
stamp=$pkg/.built-from
wanted=$(cat "$WASM_OUT"/{wasm-client,wasm,wasm-replica}/confmesh_wasm.wasm bindings-wasm/js/*.js bindings-wasm/js/*/* "$0" Cargo.lock | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

# Writes the optimised module of a profile, with its glue, into a folder.
bind() {
  "$CACHE/wasm-bindgen-$(locked_version wasm-bindgen)/bin/wasm-bindgen" "$WASM_OUT/$1/confmesh_wasm.wasm" --target web --out-dir "$2"
  # The npm package's wasm-opt: Debian's (108) writes a module that no browser loads.
  "$NODE_TOOLS/wasm-opt" -O3 -Os --reorder-locals --strip-producers --strip-target-features \
    --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
    "$2/confmesh_wasm_bg.wasm" -o "$2/optimised.wasm"
  mv "$2/optimised.wasm" "$2/confmesh_wasm_bg.wasm"
  printf 'wasm: %s: %s bytes, %s gzipped (%s route)\n' "$1" "$(stat -c %s "$2/confmesh_wasm_bg.wasm")" \
    "$(gzip -9c "$2/confmesh_wasm_bg.wasm" | wc -c)" "$WASM_ROUTE"
}

rm -rf "$stage" "$pkg"
bind wasm-client "$stage"
bind wasm "$stage/full"
bind wasm-replica "$stage/replica"
cp bindings-wasm/js/*.js "$stage/"
cp bindings-wasm/js/{functions,loading}.js bindings-wasm/js/full/* "$stage/full/"
cp bindings-wasm/js/loading.js bindings-wasm/js/replica/* "$stage/replica/"
# Each file by itself: what a bundler looks for stays, and names across files too.
for folder in "$stage" "$stage/full" "$stage/replica"; do
  "$NODE_TOOLS/esbuild" "$folder"/*.js --minify --keep-names --format=esm --sourcemap --outdir="$folder" --allow-overwrite --log-level=warning
done
mv "$stage" "$pkg"
printf '%s\n' "$wanted" >"$stamp"
