//! What browsers run: registration and conversion, no decisions of their own.
//!
//! Three modules are built of this crate. That of the `client` feature follows an instance and stays small; that of the
//! `algebra` feature merges, explains, validates and settles documents inside one page; that of the `replica` feature holds
//! whole replicas, which exchange bytes.
//!
//! Values cross as JSON texts, which is the quickest way in and out of a module, and keeps integers of 64 bits whole;
//! the JavaScript beside this crate turns them into objects. Errors cross as the JSON text of `error_text`, thrown.

#[cfg(feature = "algebra")]
mod algebra;
mod convert;
#[cfg(feature = "algebra")]
mod functions;
#[cfg(feature = "client")]
mod guest;
#[cfg(feature = "algebra")]
mod local;
#[cfg(any(feature = "algebra", feature = "client"))]
mod news;
#[cfg(feature = "algebra")]
mod registered;
#[cfg(feature = "replica")]
mod replica;
#[cfg(feature = "replica")]
mod replicated;
#[cfg(any(feature = "algebra", feature = "client"))]
mod texts;

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of confmesh, for example `0.1.0`.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// How long to wait before a reconnection, in milliseconds; `entropy` is 64 random bits.
#[cfg(feature = "client")]
#[wasm_bindgen(js_name = backoffDelay)]
pub fn backoff_delay(attempt: u32, initial_ms: f64, max_ms: f64, entropy: u64) -> f64 {
    let bounds = confmesh::backoff::Backoff { initial_ms: initial_ms as u64, factor: 2.0, max_ms: max_ms as u64 };
    bounds.delay(attempt, entropy) as f64
}
