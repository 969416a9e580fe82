//! Tells the linker that Node supplies its own symbols.
fn main() {
    napi_build::setup();
}
