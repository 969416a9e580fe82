#!/usr/bin/env bash
# Builds the Node addon and packs the npm package with the browser client in it: target/node/confmesh-<version>.tgz.
# CONFMESH_PROFILE=release builds what is published; the default is the quick one.
. "$(dirname "$0")/env.sh"
[ -f bindings-wasm/pkg/client.js ] || fail 'the browser client is not built' 'run: scripts/build-wasm.sh'
scripts/install-rust.sh
scripts/install-node.sh
profile=${CONFMESH_PROFILE:-dev}
# The command looks for `--profile dev` in target/dev, where cargo does not put it.
flags=()
[ "$profile" = dev ] || flags=(--profile "$profile" --strip)
rm -rf bindings-node/{native,wasm,cjs} "$TARGET/node"/confmesh-*.tgz
(cd bindings-node && CARGO_TARGET_DIR=$TARGET "$NODE_TOOLS/napi" build --platform "${flags[@]}" \
  --js native.cjs --dts native.d.ts -o native >"$TARGET/napi.log" 2>&1) || { cat "$TARGET/napi.log" >&2; exit 1; }
mkdir -p bindings-node/wasm/{full,replica} "$TARGET/node"
for folder in . full replica; do
  cp bindings-wasm/pkg/$folder/*.{js,map,wasm} bindings-node/wasm/$folder/
done
node scripts/bundle-node.mjs
# npm packs no links.
cp LICENSE-MIT LICENSE-APACHE CHANGELOG.md bindings-node/
(cd bindings-node && npm pack --silent --ignore-scripts --pack-destination "$TARGET/node") >/dev/null
