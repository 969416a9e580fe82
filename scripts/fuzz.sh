#!/usr/bin/env bash
# Runs a fuzz target, or each in turn: scripts/fuzz.sh [TARGET] [SECONDS]. What one finds lands in tests/crashers/, where
# every test run replays it.
. "$(dirname "$0")/env.sh"
target=${1:-} seconds=${2:-60}
mapfile -t known < <(awk -F '"' '/^\[\[bin\]\]/ { getline; print $2 }' fuzz/Cargo.toml)
[ -z "$target" ] || printf '%s\n' "${known[@]}" | grep -qx -- "$target" ||
  fail "no target \`$target\`" "the targets are: ${known[*]}"
TOOLS=$CACHE/cargo-tools
PATH=$TOOLS/bin:$PATH
cargo +nightly --version >/dev/null 2>&1 || fail 'the nightly compiler is missing' 'run: rustup toolchain install nightly'
if ! command -v cargo-fuzz >/dev/null; then
  printf 'installing cargo-fuzz, once\n' >&2
  cargo install --quiet --locked --root "$TOOLS" cargo-fuzz@0.13.2 ||
    fail 'cannot install cargo-fuzz' "run: cargo install --locked --root $TOOLS cargo-fuzz"
fi
for name in ${target:-"${known[@]}"}; do
  printf '\n==> %s, %s s\n' "$name" "$seconds"
  corpus=$TARGET/fuzz-corpus/$name found=tests/crashers/$name
  mkdir -p "$corpus" "$found"
  cargo +nightly fuzz run --fuzz-dir fuzz --target-dir "$TARGET/fuzz" "$name" "$corpus" "fuzz/seeds/$name" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -artifact_prefix="$found/" -verbosity=0 -print_final_stats=1 ||
    fail "\`$name\` found an input that breaks a promise; it is in $found/" \
      'make it a test, fix the cause, keep the file: every test run replays it'
  rmdir "$found" tests/crashers 2>/dev/null || true
done
