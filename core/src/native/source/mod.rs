//! Where layers come from.
pub mod environment;
