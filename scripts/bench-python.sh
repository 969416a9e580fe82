#!/usr/bin/env bash
# Runs the benchmarks of the Python package beside its peers. SIZES=small,medium,large and ROUNDS=7 say how much.
. "$(dirname "$0")/env.sh"
CONFMESH_PROFILE=release scripts/build-python.sh
scripts/bench-documents.sh
peers=$TARGET/bench/python
mkdir -p "$TARGET/bench"
if ! cmp -s benches/peers/python/requirements.txt "$peers/installed.txt"; then
  "$VENV/bin/python" -m venv --clear "$peers"
  "$peers/bin/pip" install -q --disable-pip-version-check -r benches/peers/python/requirements.txt
  cp benches/peers/python/requirements.txt "$peers/installed.txt"
fi
"$peers/bin/pip" install -q --disable-pip-version-check --no-deps --no-index --force-reinstall "$TARGET"/python/dist/confmesh-*.whl
for bench in algebra replicated; do
  PYTHONDONTWRITEBYTECODE=1 "$peers/bin/python" "benches/peers/python/$bench.py" "$TARGET/bench/documents"
done
