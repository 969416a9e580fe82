//! The Node addon behind the npm package `confmesh`: registration and conversion, no decisions of its own.
//!
//! Values cross as JSON texts, as they do into WebAssembly: that is quicker than crossing key by key, and keeps integers
//! of 64 bits whole. Errors cross as the JSON text of their fields. `lib/` makes objects of both. The modules
//! `algebra` and `replicated` are shared with the WebAssembly binding.
#![cfg_attr(test, allow(dead_code, reason = "the macros register nothing in a test build, which lints make"))]

#[path = "../../bindings-wasm/src/algebra.rs"]
mod algebra;
mod check;
mod convert;
mod error;
mod feed;
mod functions;
mod live;
mod monitor;
mod registered;
mod replica;
#[path = "../../bindings-wasm/src/replicated.rs"]
mod replicated;
mod source;
