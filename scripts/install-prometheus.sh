#!/usr/bin/env bash
# Makes sure that the tests of metrics have Prometheus and its promtool: those of the PATH, else Debian's, unpacked into the
# cache, where no service is started.
. "$(dirname "$0")/env.sh"
HERE=$CACHE/prometheus
if command -v prometheus >/dev/null && command -v promtool >/dev/null || [ -x "$HERE/usr/bin/promtool" ]; then exit 0; fi
command -v apt-get >/dev/null || fail 'missing: prometheus and promtool' 'put both into the PATH'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
printf 'getting Prometheus, to test metrics with it\n' >&2
get() { (cd "$folder" && apt-get download prometheus) >"$folder/log" 2>&1; }
if ! get; then
  sudo=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || fail 'cannot get the Debian package: prometheus' 'run as root: apt-get update'
    sudo=(sudo -n)
  fi
  "${sudo[@]}" apt-get update -qq >/dev/null
  get || { cat "$folder/log" >&2; fail 'cannot get the Debian package: prometheus' 'put prometheus and promtool into the PATH'; }
fi
mkdir -p "$HERE"
dpkg -x "$folder"/prometheus_*.deb "$HERE"
