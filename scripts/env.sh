# Sourced by every script: where things are, and the one way to fail. Leaves the shell in the repository's root.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/confmesh
NODE_TOOLS=$ROOT/scripts/node-tools/node_modules/.bin
VENV=$TARGET/python/venv
# Shells that are no login shells often miss rustup's cargo, and Debian's, which has another version, must not win.
case :$PATH: in *":$HOME/.cargo/bin:"*) ;; *) PATH=$HOME/.cargo/bin:$PATH ;; esac

# Ends the script: what went wrong, then what to do about it.
fail() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '\nhint: %s\n' "$2" >&2
  exit 1
}

# Installs Debian packages, or names the command that does.
apt_install() {
  local missing=() package sudo=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null || fail "missing: ${missing[*]}" 'install what these Debian packages hold by your own means'
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || fail "missing Debian packages: ${missing[*]}" "run as root: $command"
    sudo=(sudo -n)
  fi
  printf 'installing Debian packages: %s\n' "${missing[*]}" >&2
  local log
  log=$(mktemp)
  { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
    { cat "$log" >&2; fail "cannot install: ${missing[*]}" "run as root: $command"; }
  rm -f "$log"
}

# The version of a crate in Cargo.lock.
locked_version() {
  awk -v name="$1" '$1 == "name" && $3 == "\"" name "\"" { getline; gsub(/"/, "", $3); print $3; exit }' Cargo.lock
}

# The version of Kafka that the tests of buses run.
kafka_version() { sed -n 's|.*<artifactId>kafka_2.13</artifactId><version>\(.*\)</version>.*|\1|p' scripts/kafka/pom.xml; }
