#!/usr/bin/env bash
# Simulates 11,000 meshes: most with their whole history, which is quick, 1,500 of these that also meet on buses, and some with
# every fault that there is. And 3,000 starts of meshes. Each has to keep every property.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
simulate=$TARGET/simulate/confmesh-simulate
"$simulate" --runs 8000 --threads "$(nproc)" --without settle,expel,bus "$@"
"$simulate" --runs 1500 --threads "$(nproc)" --without settle,expel "$@"
"$simulate" --runs 1500 --threads "$(nproc)" "$@"
"$simulate" --starts --runs 3000 --threads "$(nproc)"
