#!/usr/bin/env bash
# Runs the page and the demo in a headless browser. CONFMESH_BIN names another `confmesh` than the one just built,
# CONFMESH_SCREENSHOT a file for the picture of the README.
. "$(dirname "$0")/env.sh"
scripts/install-node.sh
scripts/install-chromium.sh
[ -f web-demo/dist/index.html ] || fail 'the page is not built' 'run: scripts/build-web.sh'
CONFMESH_BIN=${CONFMESH_BIN:-$TARGET/release/confmesh} node --test --test-reporter=spec tests/browser/*.test.mjs
