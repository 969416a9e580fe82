//! Embeds the page: writes `$OUT_DIR/assets.rs`, an expression of type `&[(&str, &str, &[u8])]` with path, content
//! type and bytes of every file that `scripts/build-web.sh` put into `web-demo/dist`, in order of path.
#![allow(clippy::disallowed_methods, reason = "a build script reads files and its environment, that is all it does")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const NO_PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>confmesh</title>\n\
    <p>This build carries no page: run <code>make build</code>\n</html>\n";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let is_wasm =
        env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|families| families.split(',').any(|one| one == "wasm"));
    if is_wasm || env::var_os("CARGO_FEATURE_NATIVE").is_none() {
        return Ok(());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let web = Path::new(&env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?).join("../web-demo");
    let dist = web.join("dist");

    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        collect(&dist, &dist, &mut files)?;
        files.sort();
    } else {
        // Cargo takes a path that does not exist for changed each time, so what will hold it is watched instead.
        if web.is_dir() {
            println!("cargo::rerun-if-changed={}", web.display());
        }
        let page = out.join("no-page.html");
        fs::write(&page, NO_PAGE)?;
        files.push(("index.html".to_owned(), page));
    }
    fs::write(out.join("assets.rs"), list(&files)?)?;
    Ok(())
}

/// Adds every file below `folder` under the name that the page asks for: below `root`, with `/` on every system.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let parts = path.strip_prefix(root)?.iter().map(|part| part.to_string_lossy());
            files.push((parts.collect::<Vec<_>>().join("/"), path));
        }
    }
    Ok(())
}

/// The list as Rust source.
fn list(files: &[(String, PathBuf)]) -> Result<String, Box<dyn Error>> {
    let mut source = String::from("&[\n");
    for (name, file) in files {
        let kind = content_type(name);
        writeln!(source, "    ({name:?}, {kind:?}, include_bytes!({:?}) as &[u8]),", file.display().to_string())?;
    }
    source.push_str("]\n");
    Ok(source)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        // Browsers compile the module while it loads only under this type.
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
