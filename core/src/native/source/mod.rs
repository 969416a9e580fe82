//! Where layers come from.
pub mod environment;
pub mod files;
