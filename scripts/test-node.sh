#!/usr/bin/env bash
# Tests the packed npm package in a clean folder, as a user has it; then compiles a program against its declarations.
. "$(dirname "$0")/env.sh"
compgen -G "$TARGET/node/confmesh-*.tgz" >/dev/null || fail 'the npm package is not packed' 'run: scripts/build-node.sh'
clean=$TARGET/node/clean
rm -rf "$clean"
mkdir -p "$clean"
cp bindings-node/tests/* "$clean/"
cp -r examples "$clean/"
# What examples and models import, pinned beside our tools: found above the clean folder, which has nothing but the package.
ln -sfn "$ROOT/scripts/node-tools/node_modules" "$TARGET/node/node_modules"
cd "$clean"
echo '{ "private": true, "type": "module" }' >package.json
npm install --silent --offline --no-audit --no-fund --ignore-scripts "$TARGET"/node/confmesh-*.tgz
export CONFMESH_VECTORS=$ROOT/tests/vectors
node --test --test-reporter=spec ./*.test.mjs
# What is packed is what tools and types of every kind of program expect; resolution from before entries (`node10`) knows only the main one.
"$NODE_TOOLS/publint" run --strict "$TARGET"/node/confmesh-*.tgz
"$NODE_TOOLS/attw" "$TARGET"/node/confmesh-*.tgz --profile node16 --quiet
"$NODE_TOOLS/tsc" --noEmit --strict --target es2022 --module nodenext --types '' ./*.ts ./*.cts
