//! The authentication file: read by instances, written by `confmesh token`.
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};
use crate::format::{Format, parse_from, print, rewrite};
use crate::guard::{Table, token, token_hash};
use crate::native::file::{Replaced, create_private, read_regular, replace_if_unchanged, write_in_place};
use crate::value::{List, Map, Str, Value};

/// How often a file is read again that somebody else changes at the same time.
const ATTEMPTS: usize = 8;
/// The key of the list of principals.
const PRINCIPALS: &str = "principal";

/// A principal that is to be added.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Its name, which nobody else has.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// The patterns that it is limited to; none for all paths.
    pub paths: Vec<String>,
    /// The documents that it is limited to; none for all.
    pub documents: Vec<String>,
    /// When it ends.
    pub expires: Option<String>,
}

/// What stands in an authentication file; its name says its format.
///
/// # Errors
/// What is wrong with the file, with its name and place.
pub fn read_table(path: &Path) -> Result<Table> {
    read_with_key_files(path).map(|(table, _)| table)
}

/// The same, with the key files that it names.
///
/// # Errors
/// As [`read_table`].
pub(crate) fn read_with_key_files(path: &Path) -> Result<(Table, Vec<PathBuf>)> {
    let missing = || {
        let error = Error::new(Code::File, format!("cannot read `{}`: no such file or directory", path.display()));
        error.with_hint(format!(
            "make the first token: `confmesh token new NAME --role admin --auth {}`",
            path.display()
        ))
    };
    with_key_files(path, &read_regular(path)?.ok_or_else(missing)?)
}

/// What such a text says, and the key files that it names; they stand beside it.
///
/// # Errors
/// As [`read_table`].
pub(crate) fn with_key_files(path: &Path, text: &str) -> Result<(Table, Vec<PathBuf>)> {
    let source = path.display().to_string();
    let value = parse_from(text, format_of(path)?, &source)?;
    let mut files = Vec::new();
    let mut read = |name: &str| {
        let file = path.parent().unwrap_or_else(|| Path::new("")).join(name);
        files.push(file.clone());
        let missing = || {
            let error = Error::new(Code::File, format!("cannot read `{}`: no such file or directory", file.display()));
            error.with_hint("a key file stands beside the authentication file, or is named from the root")
        };
        read_regular(&file)?.ok_or_else(missing)
    };
    let table = Table::read(&value, &mut read);
    let table = table.map_err(|error| error.with_origin(crate::origin::Origin::source(&source)))?;
    Ok((table, files))
}

/// Adds a principal with a fresh token, and makes the file where there is none. Returns the token, of which the file has the
/// hash alone.
///
/// # Errors
/// [`Code::AlreadySet`] where there is one of that name; what is wrong with the file, or with what it would become.
pub fn new_token(path: &Path, new: &NewToken) -> Result<String> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map_err(|error| Error::new(Code::Internal, format!("the system gives no random numbers: {error}")))?;
    let token = token(entropy);
    let list = |texts: &[String]| Value::from(texts.iter().map(|text| text.as_str().into()).collect::<Vec<Value>>());
    let mut fields: Vec<(&str, Value)> = vec![
        ("name", new.name.as_str().into()),
        ("token_sha256", token_hash(&token).to_string().into()),
        ("roles", list(&new.roles)),
    ];
    fields.extend((!new.paths.is_empty()).then(|| ("paths", list(&new.paths))));
    fields.extend((!new.documents.is_empty()).then(|| ("documents", list(&new.documents))));
    fields.extend(new.expires.as_deref().map(|at| ("expires", at.into())));
    let entry: Value = fields.into_iter().collect();
    change(path, true, |entries| {
        if entries.iter().any(|entry| name_of(entry) == Some(new.name.as_str())) {
            let error = Error::new(Code::AlreadySet, format!("there is a principal `{}` already", new.name));
            return Err(error.with_hint("revoke it first, or choose another name"));
        }
        Ok(entries.iter().cloned().chain([entry.clone()]).collect())
    })?;
    Ok(token)
}

/// Takes a principal out of the file. Instances that use it let nobody in with that token from then on, and end the
/// connections of whoever is in.
///
/// # Errors
/// [`Code::NotFound`] where nobody has that name, and what is wrong with the file.
pub fn revoke(path: &Path, name: &str) -> Result<()> {
    change(path, false, |entries| {
        let kept: Vec<Value> = entries.iter().filter(|entry| name_of(entry) != Some(name)).cloned().collect();
        if kept.len() == entries.len() {
            let error = Error::new(Code::NotFound, format!("there is no principal `{name}` in `{}`", path.display()));
            return Err(error.with_hint("`confmesh token list` names them"));
        }
        Ok(kept)
    })
}

fn name_of(entry: &Value) -> Option<&str> {
    entry.child("name").and_then(Value::as_str)
}

fn format_of(path: &Path) -> Result<Format> {
    Format::from_path(&path.to_string_lossy())
}

/// Changes the list of principals in place, if what it becomes is a table.
fn change(path: &Path, may_begin: bool, edit: impl Fn(&List) -> Result<Vec<Value>>) -> Result<()> {
    let format = format_of(path)?;
    for _ in 0..ATTEMPTS {
        let before = read_regular(path)?;
        if before.is_none() && !may_begin {
            read_table(path)?;
        }
        let text = before.as_deref().unwrap_or_default();
        let source = path.display().to_string();
        let old = if text.trim().is_empty() { Value::empty_map() } else { parse_from(text, format, &source)? };
        let map = old.as_map().cloned().unwrap_or_default();
        let entries = map.get(PRINCIPALS).and_then(Value::as_list).cloned().unwrap_or_default();
        let new = edit(&entries)?;
        let new = match (format, entries.as_slice(), new.as_slice()) {
            // A table of its own at the end, as people write it.
            (Format::Toml, old, [kept @ .., added]) if old == kept => format!("{text}{}{}", gap(text), section(added)?),
            _ => rewritten(text, format, &map, new)?,
        };
        with_key_files(path, &new)?;
        let replaced = match &before {
            None => create_private(path, &new)?,
            Some(before) => match replace_if_unchanged(path, Some(before), &new)? {
                Replaced::Fixed(_) => write_in_place(path, before, &new)?,
                replaced => replaced,
            },
        };
        if replaced == Replaced::Done {
            return Ok(());
        }
    }
    Err(Error::new(Code::Busy, format!("`{}` is being changed by others", path.display())).with_hint("try it again"))
}

fn rewritten(text: &str, format: Format, map: &Map, entries: Vec<Value>) -> Result<String> {
    let target = Value::Map(map.with(Str::from(PRINCIPALS), entries.into()));
    if text.trim().is_empty() { print(&target, format) } else { rewrite(text, format, &target) }
}

/// A blank line between what is there and what comes.
fn gap(text: &str) -> &'static str {
    match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    }
}

fn section(entry: &Value) -> Result<String> {
    Ok(format!("[[{PRINCIPALS}]]\n{}", print(entry, Format::Toml)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Proof;

    fn new(name: &str) -> NewToken {
        NewToken { name: name.to_owned(), roles: vec!["reader".to_owned()], ..NewToken::default() }
    }

    #[test]
    fn tokens_are_added_and_revoked_in_every_format_and_everything_else_stays() {
        for (name, begins) in [
            ("auth.toml", "# ours\n[[role]] # one\nname = \"ops\"\nverbs = [\"operate\"]\n"),
            ("auth.yaml", "# ours\nrole:\n  - name: ops # one\n    verbs: [operate]\n"),
            ("auth.json", "{\n  \"role\": [{\"name\": \"ops\", \"verbs\": [\"operate\"]}]\n}\n"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            std::fs::write(&path, begins).unwrap();
            let ann = new_token(&path, &new("ann")).unwrap();
            let bob = new_token(&path, &NewToken { paths: vec!["app.*".to_owned()], ..new("bob") }).unwrap();
            assert_eq!(new_token(&path, &new("ann")).unwrap_err().code(), Code::AlreadySet);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains(&ann) && !text.contains(&bob), "{text}");
            let table = read_table(&path).unwrap();
            assert!(table.grant(&Proof::of_token(&ann), 0).is_ok() && table.grant(&Proof::of_token(&bob), 0).is_ok());
            revoke(&path, "ann").unwrap();
            assert_eq!(revoke(&path, "ann").unwrap_err().code(), Code::NotFound);
            let table = read_table(&path).unwrap();
            assert!(table.grant(&Proof::of_token(&ann), 0).is_err() && table.grant(&Proof::of_token(&bob), 0).is_ok());
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.contains("# ours"), begins.contains("# ours"), "{text}");
            assert!(text.contains("ops"), "{text}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_new_file_is_for_its_owner_alone_and_what_would_be_no_table_is_not_written() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.toml");
        let wrong = NewToken { roles: vec!["raeder".to_owned()], ..new("ann") };
        assert_eq!(new_token(&path, &wrong).unwrap_err().hint(), Some("did you mean `reader`?"));
        assert!(!path.exists());
        assert!(read_table(&path).unwrap_err().hint().unwrap().contains("confmesh token new"));
        assert_eq!(revoke(&path, "ann").unwrap_err().code(), Code::File);
        new_token(&path, &new("ann")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
