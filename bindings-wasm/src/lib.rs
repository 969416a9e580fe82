//! The browser client's engine: registration and conversion, no decisions of its own.

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of confmesh, for example `0.1.0`.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
