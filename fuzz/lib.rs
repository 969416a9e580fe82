//! The targets' bodies, shared with the tests.
#[path = "../tests/src/fuzz/mod.rs"]
pub mod fuzz;
