#!/usr/bin/env bash
# Makes sure that Node 20.19 or newer is there, and installs the pinned npm tools into scripts/node-tools.
. "$(dirname "$0")/env.sh"
{ command -v node && command -v npm; } >/dev/null ||
  fail 'node or npm is missing' 'install Node 20.19 or newer with npm, for example from https://nodejs.org or with nvm'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "node $(node --version) is too old" 'install Node 20.19 or newer, for example from https://nodejs.org or with nvm'
stamp=scripts/node-tools/node_modules/.installed-lock
if ! cmp -s scripts/node-tools/package-lock.json "$stamp"; then
  # No install scripts: none of the tools needs one. Not `npm ci`: it refuses a lock without the optional packages of
  # other platforms, which not every registry mirror offers.
  npm --prefix scripts/node-tools install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp scripts/node-tools/package-lock.json "$stamp"
fi
