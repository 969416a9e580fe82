#!/usr/bin/env bash
# Simulates 21,500 meshes: most with their whole history, which is quick, 1,500 of these that also meet on buses, and some with
# every fault that there is. And 5,000 starts of meshes. Each has to keep every property.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
simulate=$TARGET/simulate/confmesh-simulate
"$simulate" --runs 17000 --threads "$(nproc)" --without settle,expel,bus "$@"
"$simulate" --runs 1500 --threads "$(nproc)" --without settle,expel "$@"
"$simulate" --runs 3000 --threads "$(nproc)" "$@"
"$simulate" --starts --runs 5000 --threads "$(nproc)"
