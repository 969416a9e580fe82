//! Every target is this file; the name of the program says which one it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| confmesh_fuzz::fuzz::run(env!("CARGO_BIN_NAME"), data));
