#!/usr/bin/env bash
# Begins meshes of real processes: how many (50). What came of it is kept in tests/results/starts.txt.
. "$(dirname "$0")/env.sh"
count=${1:-50}
mkdir -p tests/results
{
  echo "# scripts/starts.sh $count"
  CONFMESH_STARTS=$count cargo test --quiet -p confmesh --features cli --test cli -- starts::whatever_begins --nocapture |
    grep --text '^start'
} | tee tests/results/starts.txt
