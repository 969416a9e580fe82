#!/usr/bin/env bash
# Builds the browser client: bindings-wasm/pkg/ holds the optimised module, its glue and our JavaScript.
. "$(dirname "$0")/env.sh"
scripts/install-rust.sh
scripts/install-node.sh
scripts/install-wasm.sh
. scripts/wasm-env.sh
"${WASM_CARGO[@]}" build --quiet --profile wasm --target "$WASM_TARGET" "${WASM_FLAGS[@]}" -p confmesh-wasm

module=$WASM_OUT/wasm/confmesh_wasm.wasm
pkg=bindings-wasm/pkg
stage=$TARGET/wasm-stage
stamp=$pkg/.built-from
wanted=$(cat "$module" bindings-wasm/js/* "$0" Cargo.lock | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

rm -rf "$stage" "$pkg"
"$CACHE/wasm-bindgen-$(locked_version wasm-bindgen)/bin/wasm-bindgen" "$module" --target web --out-dir "$stage"
# The npm package's wasm-opt: Debian's (108) writes a module that no browser loads.
"$NODE_TOOLS/wasm-opt" -Os --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext \
  --enable-mutable-globals --enable-reference-types --enable-multivalue \
  "$stage/confmesh_wasm_bg.wasm" -o "$stage/optimised.wasm"
mv "$stage/optimised.wasm" "$stage/confmesh_wasm_bg.wasm"
cp bindings-wasm/js/* "$stage/"
mv "$stage" "$pkg"
printf '%s\n' "$wanted" >"$stamp"
printf 'wasm: %s bytes, %s gzipped (%s route)\n' "$(stat -c %s $pkg/confmesh_wasm_bg.wasm)" \
  "$(gzip -9c $pkg/confmesh_wasm_bg.wasm | wc -c)" "$WASM_ROUTE"
