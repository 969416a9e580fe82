#!/usr/bin/env bash
# Shows a mesh of instances in the browser; DEMO_OPEN=0 leaves the opening to you.
. "$(dirname "$0")/env.sh"
[ -x "$TARGET/release/confmesh" ] || fail 'the command is not built' 'run: make build'
exec "$TARGET/release/confmesh" demo "$@"
