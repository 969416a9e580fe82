#!/usr/bin/env bash
# The mutation gate; arguments are names of mutants in tests/mutants, all without.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
exec "$TARGET/simulate/confmesh-mutants" "$@"
