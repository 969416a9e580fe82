#!/usr/bin/env bash
# Simulates some thousand meshes; arguments are handed on. `scripts/soak.sh` does it with other seeds.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
exec "$TARGET/simulate/confmesh-simulate" --runs 20000 --threads "$(nproc)" --without settle,expel "$@"
