//! Which names decide what stands at a path: its own, and those of all symbolic links on the way.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How many symbolic links are followed before the path counts as missing.
const MAX_LINKS: usize = 40;

/// The names on the way to the file; the directories that hold them are to be watched.
///
/// The last name is the file itself. Where a directory is missing its name ends the way: when it appears, more is known.
pub(super) fn names_on_the_way(path: &Path) -> BTreeSet<PathBuf> {
    let mut names = BTreeSet::new();
    let mut directory = PathBuf::new();
    let mut rest: Vec<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if Path::new(&part).has_root() || matches!(Path::new(&part).components().next(), Some(Component::Prefix(_))) {
            directory.push(part); // replaces what was there
            continue;
        }
        if part == ".." {
            directory.pop(); // correct, as links in `directory` are resolved
            continue;
        }
        let name = directory.join(&part);
        match fs::symlink_metadata(&name) {
            Ok(found) if found.is_symlink() && links < MAX_LINKS => {
                links += 1;
                if let Ok(target) = fs::read_link(&name) {
                    rest.extend(parts(&target));
                }
                names.insert(name);
            }
            Ok(found) if found.is_dir() && !rest.is_empty() => directory = name,
            _ => {
                names.insert(name);
                break;
            }
        }
    }
    names
}

/// The parts of a path, last one first, without `.`.
fn parts(path: &Path) -> Vec<OsString> {
    let mut parts: Vec<_> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| part.as_os_str().to_owned())
        .collect();
    parts.reverse();
    parts
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn below(dir: &Path, path: &str) -> Vec<String> {
        let names = names_on_the_way(&dir.join(path));
        names.iter().map(|name| name.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_link_and_the_final_name_are_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.join("..v1")).unwrap();
        fs::write(dir.join("..v1/app.json"), "").unwrap();
        symlink("..v1", dir.join("..data")).unwrap();
        symlink("..data/app.json", dir.join("app.json")).unwrap();
        assert_eq!(below(&dir, "app.json"), ["..data", "..v1/app.json", "app.json"]);
        assert_eq!(below(&dir, "./..v1/../app.json"), ["..data", "..v1/app.json", "app.json"]);
        symlink(dir.join("app.json"), dir.join("absolute")).unwrap();
        assert_eq!(below(&dir, "absolute"), ["..data", "..v1/app.json", "absolute", "app.json"]);
    }

    #[test]
    fn the_way_ends_at_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        assert_eq!(below(&dir, "a/b/c.json"), ["a"]);
        fs::create_dir(dir.join("a")).unwrap();
        assert_eq!(below(&dir, "a/b/c.json"), ["a/b"]);
        symlink("nowhere", dir.join("dangling")).unwrap();
        assert_eq!(below(&dir, "dangling"), ["dangling", "nowhere"]);
        symlink("loop", dir.join("loop")).unwrap();
        assert_eq!(below(&dir, "loop"), ["loop"]);
    }
}
