//! The `confmesh` command.

#[cfg(all(feature = "cli", not(target_family = "wasm")))]
fn main() -> std::process::ExitCode {
    confmesh::native::cli::run(std::env::args_os())
}

#[cfg(not(all(feature = "cli", not(target_family = "wasm"))))]
fn main() {
    eprintln!("this build has no command line: build confmesh with the feature `cli` for a system that is not WASM");
    std::process::exit(2);
}
