//! How instances reach each other.
pub mod websocket;
