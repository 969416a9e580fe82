//! Known ways to break the implementation: files in `tests/mutants/`.
//!
//! A mutant is a sentence, and edits that replace a text which stands in a file exactly once.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "mutants are files, read by tests alone")]

use std::path::{Path, PathBuf};
use std::{fs, io};

use toml_edit::{DocumentMut, Item};

/// One way to break the implementation.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The name of its file, without the ending.
    pub name: String,
    /// What is wrong then, as a sentence.
    pub says: String,
    /// Whether starts of meshes have to find it, and not whole histories.
    pub starts: bool,
    /// What to change, in this order.
    pub edits: Vec<Edit>,
}

/// One change of one file.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The file, below the root of the repository.
    pub file: String,
    find: String,
    replace: String,
}

impl Edit {
    /// The broken source; none where the text to replace does not stand in it exactly once.
    pub fn apply(&self, source: &str) -> Option<String> {
        (source.matches(&self.find).count() == 1).then(|| source.replace(&self.find, &self.replace))
    }
}

impl Mutant {
    /// The files below `root` as this mutant has them, each once; the file that an edit does not apply to otherwise.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn sources(&self, root: &Path) -> io::Result<Result<Vec<(PathBuf, String)>, String>> {
        let mut sources: Vec<(PathBuf, String)> = Vec::new();
        for edit in &self.edits {
            let file = root.join(&edit.file);
            let at = match sources.iter().position(|(known, _)| *known == file) {
                Some(at) => at,
                None => {
                    let source = fs::read_to_string(&file)?;
                    sources.push((file, source));
                    sources.len() - 1
                }
            };
            let Some((_, source)) = sources.get_mut(at) else { continue };
            match edit.apply(source) {
                Some(broken) => *source = broken,
                None => return Ok(Err(edit.file.clone())),
            }
        }
        Ok(Ok(sources))
    }
}

/// Every mutant of the repository at `root`, by name.
///
/// # Errors
/// Where a file cannot be read, or says something else than a mutant.
pub fn mutants(root: &Path) -> io::Result<Vec<Mutant>> {
    let folder = root.join("tests/mutants");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> io::Result<Mutant> {
    let bad = |why: String| io::Error::other(format!("{}: {why}", file.display()));
    let document: DocumentMut = fs::read_to_string(file)?.parse().map_err(|error| bad(format!("{error}")))?;
    let text = |item: Option<&Item>, name: &str| {
        let found = item.and_then(Item::as_str).map(str::to_owned);
        found.ok_or_else(|| bad(format!("`{name}` is missing")))
    };
    let edits =
        document.get("edit").and_then(Item::as_array_of_tables).ok_or_else(|| bad("no `[[edit]]`".to_owned()))?;
    let edit = |table: &toml_edit::Table| {
        let field = |name: &str| text(table.get(name), name);
        Ok(Edit { file: field("file")?, find: field("find")?, replace: field("replace")? })
    };
    Ok(Mutant {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        says: text(document.get("says"), "says")?,
        starts: document.get("mode").and_then(Item::as_str) == Some("starts"),
        edits: edits.iter().map(edit).collect::<io::Result<_>>()?,
    })
}
