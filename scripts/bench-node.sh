#!/usr/bin/env bash
# Runs the benchmarks of the npm package beside its peers. SIZES=small,medium,large and ROUNDS=7 say how much.
. "$(dirname "$0")/env.sh"
scripts/build-wasm.sh
CONFMESH_PROFILE=release scripts/build-node.sh
scripts/bench-documents.sh
peers=$TARGET/bench/node
mkdir -p "$peers"
cp benches/peers/node/* "$peers/"
if ! cmp -s benches/peers/node/package.json "$peers/installed.json"; then
  npm --prefix "$peers" install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp benches/peers/node/package.json "$peers/installed.json"
fi
npm --prefix "$peers" install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error --offline "$TARGET"/node/confmesh-*.tgz >&2
for bench in algebra replicated; do
  (cd "$peers" && node --expose-gc "$bench.mjs" "$TARGET/bench/documents")
done
