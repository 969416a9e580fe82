//! File arguments to files: directories and patterns, optional ones.
use std::path::{Path, PathBuf};

use crate::error::{Code, Result};
use crate::format::{FileArgument, Format};
use crate::native::io_error::failure;
use crate::source::{Place, SourceSpec};

/// The files of an argument: what a pattern with `*` or `?` matches, and the files of a directory whose format their names tell,
/// each in the order of their names; else the argument itself. Hidden files are left out unless a pattern begins with a dot.
///
/// # Errors
/// [`Code::File`] where a directory cannot be read.
pub fn expand(file: &FileArgument) -> Result<Vec<FileArgument>> {
    let path = Path::new(&file.path);
    let one = |path: PathBuf| {
        let path = path.into_os_string().into_string();
        path.ok().map(|path| FileArgument { path, ..file.clone() })
    };
    if path.is_dir() {
        let mut found: Vec<FileArgument> =
            entries(path)?.into_iter().filter(|path| path.is_file()).filter_map(one).collect();
        found.retain(|found| file.named_format.is_some() || Format::from_path(&found.path).is_ok());
        return Ok(found);
    }
    if !file.path.contains(['*', '?']) || path.exists() {
        return Ok(vec![file.clone()]);
    }
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy().into_owned();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            found.retain(|path| path.as_os_str().is_empty() || path.exists());
            continue;
        }
        let mut next = Vec::new();
        for above in &found {
            let directory = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            if directory.is_dir() {
                let matching =
                    entries(directory)?.into_iter().filter_map(|path| path.file_name().map(ToOwned::to_owned));
                let matching = matching.filter(|own| matches(&name, &own.to_string_lossy()));
                next.extend(matching.map(|own| above.join(own)));
            }
        }
        found = next;
    }
    Ok(found.into_iter().filter(|path| path.is_file()).filter_map(one).collect())
}

/// The sources with those of files taken apart, as [`expand`] does.
///
/// # Errors
/// As [`expand`].
pub fn expand_sources(specs: impl IntoIterator<Item = SourceSpec>) -> Result<Vec<SourceSpec>> {
    let mut found = Vec::new();
    for spec in specs {
        let Some(file) = spec.file() else {
            found.push(spec);
            continue;
        };
        for file in expand(&file)? {
            let place = match &spec.place {
                Place::Dotenv(_) => Place::Dotenv(file.path),
                _ => Place::File(file.path),
            };
            found.push(SourceSpec { place, options: spec.options.clone() });
        }
    }
    Ok(found)
}

/// What stands in a directory, by name.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| failure(Code::File, "read", directory, &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_str().is_some_and(|name| !name.starts_with('.') || name.starts_with(".env")) {
            let path = if directory == Path::new(".") { PathBuf::from(entry.file_name()) } else { entry.path() };
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name is of a pattern in which `*` is any text and `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_patterns_give_their_files_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", folder.path().display());
        std::fs::create_dir(at("conf.d")).unwrap();
        for name in ["conf.d/20.yaml", "conf.d/10.json", "conf.d/notes.txt", "conf.d/.hidden.yaml", "a.yaml"] {
            std::fs::write(at(name), "").unwrap();
        }
        let found = |argument: &str| -> Vec<String> {
            let files = expand(&FileArgument::parse(&at(argument)).unwrap()).unwrap();
            files.iter().map(|file| file.path.replace(&at(""), "")).collect()
        };
        assert_eq!(found("conf.d"), ["conf.d/10.json", "conf.d/20.yaml"]);
        assert_eq!(found("conf.d/*.yaml"), ["conf.d/20.yaml"]);
        assert_eq!(found("*/??.*"), ["conf.d/10.json", "conf.d/20.yaml"]);
        assert_eq!(found("none/*.yaml"), Vec::<String>::new());
        assert_eq!(found("gone.yaml;optional"), ["gone.yaml"]);
        assert!(matches("*a*b", "xaxb") && !matches("a?", "a") && matches("*", ""));
    }
}
