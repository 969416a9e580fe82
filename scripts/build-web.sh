#!/usr/bin/env bash
# Assembles web-demo/dist/, the page that the `confmesh` command carries: index.html at its root, the rest in assets/.
# Plain files and ES modules, so no bundler.
. "$(dirname "$0")/env.sh"
[ -f bindings-wasm/pkg/client.js ] || fail 'the browser client is not built' 'run: scripts/build-wasm.sh'
stage=$TARGET/web-stage
rm -rf "$stage"
mkdir -p "$stage/assets"
cp web-demo/index.html "$stage/"
cp web-demo/*.js web-demo/*.css "$stage/assets/"
cp bindings-wasm/pkg/{client,socket,address,edits,elements,local,waiting,functions,loading,values,confmesh_wasm}.js bindings-wasm/pkg/confmesh_wasm_bg.wasm "$stage/assets/"
# The maps stay behind.
sed -i '/^\/\/# sourceMappingURL=/d' "$stage"/assets/*.js
# Left alone where nothing changed: a new time stamp would make cargo embed the page and link again.
if ! diff -rq "$stage" web-demo/dist >/dev/null 2>&1; then
  rm -rf web-demo/dist
  mv "$stage" web-demo/dist
fi
