#!/usr/bin/env bash
# Simulates 20,000 meshes: most with their whole history, which is quick, and some that drop it. Nobody is expelled in them,
# and of those that drop it no store fails; `scripts/soak.sh` does that too, and takes other seeds.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
simulate=$TARGET/simulate/confmesh-simulate
"$simulate" --runs 17000 --threads "$(nproc)" --without settle,expel "$@"
"$simulate" --runs 3000 --threads "$(nproc)" --without expel,store-failure "$@"
