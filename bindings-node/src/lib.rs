//! The Node addon behind the npm package `confmesh`: registration and conversion, no decisions of its own.

use napi_derive::napi;

/// The version of confmesh, for example `0.1.0`.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
