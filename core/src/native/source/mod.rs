//! Where layers come from.
pub mod environment;
pub mod files;
pub mod polled;
