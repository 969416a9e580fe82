//! How instances reach each other.
pub mod bus;
pub mod websocket;
