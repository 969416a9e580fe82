#!/usr/bin/env bash
# Builds the Python wheel into target/python/dist and installs it into target/python/venv.
# CONFMESH_PROFILE=release builds what is published; the default is the quick one.
. "$(dirname "$0")/env.sh"
scripts/install-rust.sh
scripts/install-python.sh
dist=$TARGET/python/dist
profile=${CONFMESH_PROFILE:-dev}
rm -rf "$dist"
CARGO_TARGET_DIR=$TARGET "$VENV/bin/maturin" build --quiet --profile "$profile" \
  -m bindings-python/Cargo.toml -i "$VENV/bin/python" -o "$dist"
"$VENV/bin/pip" install -q --disable-pip-version-check --no-deps --no-index --force-reinstall "$dist"/confmesh-*.whl
