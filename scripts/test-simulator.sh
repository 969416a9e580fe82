#!/usr/bin/env bash
# Simulates 20,000 meshes: most with their whole history, which is quick, and some with every fault that there is.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
simulate=$TARGET/simulate/confmesh-simulate
"$simulate" --runs 17000 --threads "$(nproc)" --without settle,expel "$@"
"$simulate" --runs 3000 --threads "$(nproc)" "$@"
