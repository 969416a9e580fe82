#!/usr/bin/env bash
# Makes sure that the browser test has a browser; CONFMESH_CHROMIUM names one that is elsewhere.
. "$(dirname "$0")/env.sh"
[ -x "${CONFMESH_CHROMIUM:-/usr/bin/chromium}" ] || apt_install chromium
