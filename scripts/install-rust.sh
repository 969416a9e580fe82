#!/usr/bin/env bash
# Makes sure that cargo is there; rustup reads the version from rust-toolchain.toml.
. "$(dirname "$0")/env.sh"
command -v cargo >/dev/null || fail 'cargo is missing' \
  "install rustup as https://rustup.rs says (version and components are read from rust-toolchain.toml), then try again"
cargo --version >/dev/null || fail 'cargo does not start' 'run: rustup toolchain install'
command -v cc >/dev/null || apt_install gcc libc6-dev
