# Sourced: decides which compiler builds for WebAssembly, and installs what it needs. Afterwards
#   "${WASM_CARGO[@]}" build --profile wasm --target wasm32-unknown-unknown "${WASM_FLAGS[@]}" -p …
# leaves its result in $WASM_OUT/wasm/.
#
# Two routes, as the download server of rustup is not reachable everywhere: the standard library for the target from
# rustup, or Debian's own compiler, which builds it from source. CONFMESH_WASM_ROUTE=debian forces the second.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
WASM_TARGET=wasm32-unknown-unknown

# The files decide: rustup can list a target whose library is not there.
has_wasm_std() {
  local folder
  folder=$(rustc --print target-libdir --target "$WASM_TARGET" 2>/dev/null) && compgen -G "$folder/libstd-*.rlib" >/dev/null
}

if [ "${CONFMESH_WASM_ROUTE:-}" != debian ] &&
  { has_wasm_std || { command -v rustup >/dev/null && timeout 120 rustup target add "$WASM_TARGET" >&2 && has_wasm_std; }; }; then
  WASM_ROUTE=rustup WASM_OUT=$TARGET/$WASM_TARGET WASM_CARGO=(cargo) WASM_FLAGS=()
else
  apt_install rustc-web cargo-web rust-web-src lld-19
  # A target folder of its own: two compilers in one would rebuild everything for each other. RUSTC_BOOTSTRAP lets the
  # compiler build the library; it must not leak into other commands.
  WASM_ROUTE=debian WASM_OUT=$TARGET/debian-web/$WASM_TARGET
  WASM_CARGO=(env -u RUSTUP_TOOLCHAIN RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 "CARGO_TARGET_DIR=$TARGET/debian-web" /usr/bin/cargo)
  WASM_FLAGS=(-Zbuild-std=std,panic_abort)
fi
