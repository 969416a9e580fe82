//! Everything that touches the world: files, environment, sockets, clocks, threads.
//!
//! The adapters in here know bytes and values, never the engine.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "below the gate the world is read and written; everything above it only decides"
)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod file;
mod group;
pub mod guard;
pub mod http;
mod io_error;
pub mod mesh;
pub mod net;
pub mod notify;
pub mod source;
pub mod store;
pub mod transport;
pub mod watch;
