#!/usr/bin/env bash
# Makes target/python/venv with the pinned tools that build and test the Python package.
. "$(dirname "$0")/env.sh"
command -v python3 >/dev/null || apt_install python3
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$(python3 --version) is too old" 'install Python 3.10 or newer'
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
stamp=$VENV/installed.txt
wanted=$(python3 -c 'import sys; print(sys.version)'; cat scripts/python-requirements.txt)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
  python3 -m venv --clear "$VENV"
  "$VENV/bin/pip" install -q --disable-pip-version-check -r scripts/python-requirements.txt
  printf '%s\n' "$wanted" >"$stamp"
fi
