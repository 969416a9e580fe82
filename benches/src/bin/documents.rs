//! Writes the documents that the benchmarks of Python and Node read: `documents FOLDER`.
#![expect(clippy::disallowed_methods, reason = "it writes files and reads its arguments")]

use std::path::PathBuf;
use std::{env, fs, io};

use confmesh::Value;
use confmesh::format::{Format, print};
use confmesh_benches::documents::{SIZES, base, mutated, overlay};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name the folder to write to"))?;
    for (size, leaves) in SIZES {
        let place = folder.join(size);
        fs::create_dir_all(&place)?;
        let write = |name: &str, value: &Value| -> io::Result<()> {
            let text = print(value, Format::Json).map_err(|error| io::Error::other(error.to_string()))?;
            fs::write(place.join(name), text)
        };
        let lowest = base(leaves);
        write("layer0.json", &lowest)?;
        for seed in 1..5 {
            write(&format!("layer{seed}.json"), &overlay(&lowest, seed))?;
        }
        write("changed1.json", &mutated(&lowest, 1, 7))?;
        write("changed30.json", &mutated(&lowest, 30, 7))?;
    }
    Ok(())
}
