#!/usr/bin/env bash
# The mutation gate; arguments are names of mutants in tests/mutants; without, all, and first that the
# simulator finds nothing wrong with what is whole.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
exec "$TARGET/simulate/confmesh-mutants" "$@"
