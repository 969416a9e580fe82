#!/usr/bin/env bash
# Simulates many meshes: how many (a million), and the first seed (the time, so that every soak sees others). Then begins
# 50 meshes of real processes, and processes run for ten minutes.
. "$(dirname "$0")/env.sh"
scripts/build-simulator.sh
runs=${1:-1000000} seed=${2:-$(date +%s)000000}
"$TARGET/simulate/confmesh-simulate" --runs "$runs" --seed "$seed" --threads "$(nproc)"
"$TARGET/simulate/confmesh-simulate" --starts --runs "$((runs / 10))" --seed "$seed" --threads "$(nproc)"
scripts/starts.sh 50
exec scripts/soak-processes.sh
