#!/usr/bin/env bash
# Tests the installed wheel, vectors included: pytest, then the stubs against the module, then the stubs for a user.
. "$(dirname "$0")/env.sh"
[ -x "$VENV/bin/maturin" ] || fail 'the Python package is not built' 'run: scripts/build-python.sh'
cd bindings-python
export CONFMESH_VECTORS=$ROOT/tests/vectors MYPY_CACHE_DIR=$TARGET/python/mypy
"$VENV/bin/python" -m pytest -p no:cacheprovider "$@"
"$VENV/bin/python" -m mypy.stubtest confmesh
"$VENV/bin/python" -m mypy --no-error-summary tests
