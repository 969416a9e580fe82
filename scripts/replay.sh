#!/usr/bin/env bash
# Tells what happens in one simulated mesh: its seed, then `--steps`, `--replicas`, `--without`.
. "$(dirname "$0")/env.sh"
[ -n "${1:-}" ] || fail 'no seed is given' 'make replay SEED=17'
scripts/build-simulator.sh
exec "$TARGET/simulate/confmesh-simulate" replay "$@"
