//! The `confmesh` command.
fn main() {}
