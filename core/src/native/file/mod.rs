//! Text files: reading, and replacing without ever losing what somebody else saved meanwhile.
mod belongings;
mod pipe;
mod swap;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::io_error::failure;
use crate::error::{Code, Error, Result};
use crate::limits::MAX_TEXT_BYTES;
pub use swap::Outgone;
use swap::{Swapped, swap_in};

/// How many symbolic links in a row are followed, as on Linux.
const MAX_LINKS: usize = 40;

/// What [`replace_if_unchanged`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The file holds the new text, durably.
    Done,
    /// The file was left alone: it no longer held the expected text but this one (`None`: it is missing).
    ChangedMeanwhile(Option<String>),
    /// The file was left alone: nothing can be put in its place without losing what belongs to it, for this reason; see
    /// [`write_in_place`].
    Fixed(&'static str),
}

/// Reads a text file whole; `None` where there is no such file.
///
/// # Errors
/// [`Code::File`] where it cannot be read, [`Code::TooLarge`] above [`MAX_TEXT_BYTES`], [`Code::Syntax`] where it is
/// not UTF-8.
pub fn read(path: &Path) -> Result<Option<String>> {
    match read_bytes(path)? {
        Some(bytes) => decode(path, bytes).map(Some),
        None => Ok(None),
    }
}

/// As [`read`], but never of a pipe or a device: opening one waits for its other end.
///
/// # Errors
/// Those of [`read`], and [`Code::File`] for what is no file.
pub fn read_regular(path: &Path) -> Result<Option<String>> {
    match std::fs::metadata(path) {
        Ok(about) if !about.is_file() && !about.is_dir() => {
            let error = Error::new(Code::File, format!("`{}` is a pipe, a socket or a device", path.display()));
            Err(error.with_hint("put a file there"))
        }
        _ => read(path),
    }
}

/// Reads a file whole without caring whether it is text, or a pipe to its end; `None` where there is no such file.
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    match pipe::bytes(path, MAX_TEXT_BYTES) {
        Ok(bytes) if bytes.len() > MAX_TEXT_BYTES => {
            Err(Error::new(Code::TooLarge, format!("`{}` is larger than {} MiB", path.display(), MAX_TEXT_BYTES >> 20))
                .with_hint("is this the file you meant? a configuration has a few kilobytes"))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Err(Error::new(Code::File, format!("cannot read `{}`: {error}", path.display()))
                .with_hint("let the program at its other end write, or name a file"))
        }
        Err(error) => Err(failure(Code::File, "read", path, &error)),
    }
}

/// The text of a file's bytes.
pub(super) fn decode(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(Code::Syntax, format!("`{}` is not UTF-8: byte {} is invalid", path.display(), at + 1))
            .with_hint("save the file as UTF-8")
    })
}

/// Replaces the text of a file in one step, if it still holds `expect` (`None`: is still missing).
///
/// Readers see the old text or the new one, never a part; permissions are kept, and the owner where that is allowed.
/// A symbolic link stays, its target is replaced; where owner, group, access list or another name of the file would be lost
/// it is left alone. When this returns the new text survives a power failure.
///
/// # Errors
/// [`Code::File`] where the file cannot be read or written; it is unchanged then. What [`read`] refuses is refused.
pub fn replace_if_unchanged(path: &Path, expect: Option<&str>, text: &str) -> Result<Replaced> {
    Ok(replace_and_keep(path, expect, text)?.0)
}

/// As [`replace_if_unchanged`], and hands out the file that was replaced: whoever had found it under its name just before
/// may yet save into it.
///
/// # Errors
/// Those of [`replace_if_unchanged`].
pub fn replace_and_keep(path: &Path, expect: Option<&str>, text: &str) -> Result<(Replaced, Option<Outgone>)> {
    let target = follow_links(path)?;
    // Looked at twice: here to spare the work, below to keep the time in which a foreign save could be lost minimal.
    let current = read_regular(&target)?;
    if current.as_deref() != expect {
        return Ok((Replaced::ChangedMeanwhile(current), None));
    }
    let fail = |error: io::Error| failure(Code::File, "write", path, &error);
    let directory = parent(&target);
    let mut temporary = beside(&target, 0o666).map_err(fail)?; // less what the umask takes
    if expect.is_some() {
        let lost = belongings::carry_over(&File::open(&target).map_err(fail)?, temporary.as_file()).map_err(fail)?;
        if let Some(lost) = lost {
            // Who may not write to it may not replace it by a file of his own either.
            OpenOptions::new().write(true).open(&target).map_err(fail)?;
            return Ok((Replaced::Fixed(lost), None));
        }
    }
    temporary.write_all(text.as_bytes()).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;

    let current = read_regular(&target)?;
    if current.as_deref() != expect {
        return Ok((Replaced::ChangedMeanwhile(current), None));
    }
    let Some(expect) = expect else {
        if let Err(error) = temporary.persist_noclobber(&target) {
            if error.error.kind() == ErrorKind::AlreadyExists {
                return Ok((Replaced::ChangedMeanwhile(read_regular(&target)?), None));
            }
            return Err(fail(error.error));
        }
        sync_directory(directory).map_err(fail)?;
        return Ok((Replaced::Done, None));
    };
    let theirs = |bytes| Replaced::ChangedMeanwhile(decode(&target, bytes).ok());
    let old = match swap_in(temporary, &target, expect) {
        Ok(Swapped::In(old)) => old,
        Ok(Swapped::Back(bytes)) => return Ok((theirs(bytes), None)),
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
            return Ok((Replaced::Fixed("it is a mount of its own"), None));
        }
        Err(error) => return Err(fail(error)),
    };
    sync_directory(directory).map_err(fail)?;
    let mut outgone = Outgone::new(old, expect, text, &target);
    match outgone.saved_late().map_err(fail)? {
        Some(late) => Ok((outgone.put_back(late)?, None)),
        None => Ok((Replaced::Done, Some(outgone))),
    }
}

/// Makes a file that only its owner can read, if there is none of that name.
///
/// # Errors
/// [`Code::File`] where it cannot be written.
pub fn create_private(path: &Path, text: &str) -> Result<Replaced> {
    let fail = |error: io::Error| failure(Code::File, "write", path, &error);
    let mut temporary = beside(path, 0o600).map_err(fail)?;
    temporary.write_all(text.as_bytes()).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    match temporary.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            return Ok(Replaced::ChangedMeanwhile(read_regular(path)?));
        }
        Err(error) => return Err(fail(error.error)),
    }
    sync_directory(parent(path)).map_err(fail)?;
    Ok(Replaced::Done)
}

/// Writes a text over the one that a file holds, if that still is `expect`: for files that [`replace_if_unchanged`] cannot
/// replace. The file keeps everything but its content, and a crash may leave a part of both texts.
///
/// # Errors
/// [`Code::File`] where the file cannot be read or written; it may hold a part of the new text then.
pub fn write_in_place(path: &Path, expect: &str, text: &str) -> Result<Replaced> {
    let current = read_regular(path)?;
    if current.as_deref() != Some(expect) {
        return Ok(Replaced::ChangedMeanwhile(current));
    }
    let write = |text: &str| -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        belongings::reserve(&file, text.len())?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_all()
    };
    write(text).map_err(|error| {
        let failed = failure(Code::File, "write", path, &error);
        match read_regular(path) {
            Ok(Some(now)) if now == expect => failed,
            // There was room for it a moment ago.
            _ if write(expect).is_ok() => failed,
            _ => failed.with_hint("free some space; the file holds a part of the new text until it can be written"),
        }
    })?;
    Ok(Replaced::Done)
}

/// How many texts are kept beside a file under one suffix.
const MOST_KEPT: u32 = 8;

/// Writes a text to `<path>.<suffix>`, or where that exists to `<path>.<suffix>-1` and so on; where there are eight already
/// the oldest of them goes. A text that is there as one of them is not kept twice.
///
/// Returns where it is; it has the permissions of the file, where that exists, and survives a power failure.
///
/// # Errors
/// [`Code::File`] where it cannot be written.
pub fn keep_text(path: &Path, suffix: &str, text: &str) -> Result<PathBuf> {
    let mut oldest: Option<(std::time::SystemTime, PathBuf)> = None;
    let mut free = None;
    for number in 0..MOST_KEPT {
        let name = numbered(path, suffix, number);
        match fs::metadata(&name) {
            Ok(_) if fs::read(&name).is_ok_and(|kept| kept == text.as_bytes()) => return Ok(name),
            Ok(found) => {
                let age = found.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
                oldest = oldest.filter(|(before, _)| *before <= age).or(Some((age, name)));
            }
            Err(_) => free = free.or(Some(name)),
        }
    }
    let name = free.or(oldest.map(|(_, name)| name)).unwrap_or_else(|| numbered(path, suffix, 0));
    let fail = |error: io::Error| failure(Code::File, "write", &name, &error);
    let directory = parent(&name);
    let mut temporary = beside(path, 0o600).map_err(fail)?;
    temporary.write_all(text.as_bytes()).map_err(fail)?;
    if let Ok(original) = fs::metadata(path) {
        temporary.as_file().set_permissions(original.permissions()).map_err(fail)?;
    }
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(&name).map_err(|error| fail(error.error))?;
    sync_directory(directory).map_err(fail)?;
    Ok(name)
}

/// `<path>.<suffix>`, with `-<number>` behind it from 1 on.
fn numbered(path: &Path, suffix: &str, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    if number > 0 {
        name.push(format!("-{number}"));
    }
    PathBuf::from(name)
}

/// What the names of unfinished files begin with that are to take the place of this one.
fn unfinished(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    format!(".confmesh-{:016x}-", xxh3_64(name.as_encoded_bytes()))
}

const UNFINISHED: &str = ".tmp";

/// An unfinished file beside another one. It is locked for as long as its writer lives.
fn beside(target: &Path, mode: u32) -> io::Result<tempfile::NamedTempFile> {
    let prefix = unfinished(target);
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(&prefix).suffix(UNFINISHED);
    #[cfg(unix)]
    let fresh: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    #[cfg(unix)]
    temporary.permissions(fresh);
    #[cfg(not(unix))]
    let _ = mode;
    let temporary = temporary.tempfile_in(parent(target))?;
    let _ = temporary.as_file().try_lock_shared(); // without, a start of another process could clear it away
    Ok(temporary)
}

/// Removes the unfinished files that killed processes left beside a file. Those that are being written stay.
pub fn clear_unfinished(path: &Path) {
    // Copies that are kept lie beside a link, and what replaces a file beside the file.
    let places = [Some(path.to_owned()), follow_links(path).ok()].into_iter().flatten();
    let entries = places.filter_map(|place| Some((unfinished(&place), fs::read_dir(parent(&place)).ok()?)));
    let entries =
        entries.flat_map(|(prefix, entries)| entries.filter_map(move |entry| Some((prefix.clone(), entry.ok()?))));
    for (prefix, entry) in entries {
        let is_ours =
            entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(UNFINISHED));
        // What cannot be looked at or removed stays: it is in nobody's way.
        if is_ours
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Copies a file to `<path>.<suffix>`, or where that exists to `<path>.<suffix>-1`, `-2` and so on.
///
/// Returns where the copy is; it has the permissions of the file and survives a power failure.
///
/// # Errors
/// [`Code::File`] where the file is missing or cannot be read, or the copy cannot be written.
pub fn keep_copy(path: &Path, suffix: &str) -> Result<PathBuf> {
    let unreadable = |error: io::Error| failure(Code::File, "read", path, &error);
    let mut original = File::open(path).map_err(unreadable)?;
    let permissions = original.metadata().map_err(unreadable)?.permissions();
    let fail = |error: io::Error| failure(Code::File, "copy", path, &error);
    // Under another name first: half a copy is worse than none. Nobody may read it before it has its permissions.
    let mut copy = beside(path, 0o600).map_err(fail)?;
    let written = io::copy(&mut original, &mut copy)
        .and_then(|_| copy.as_file().set_permissions(permissions))
        .and_then(|()| copy.as_file().sync_all());
    written.map_err(fail)?;
    for number in 0_u32.. {
        let name = numbered(path, suffix, number);
        match copy.persist_noclobber(&name) {
            Ok(_) => {
                sync_directory(parent(&name)).map_err(fail)?;
                return Ok(name);
            }
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => copy = error.file,
            Err(error) => return Err(fail(error.error)),
        }
    }
    Err(Error::new(Code::File, format!("cannot find a free name for a copy of `{}`", path.display())))
}

/// The file that a path finally stands for, whether it exists or not.
fn follow_links(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = parent(&target).join(next),
            // Not a link, or not there: whoever reads or writes it next reports what is wrong.
            Err(_) => return Ok(target),
        }
    }
    Err(Error::new(Code::File, format!("`{}` is a symbolic link to itself", path.display()))
        .with_hint("remove the link"))
}

/// The directory of a file; the current one for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(()); // directories cannot be opened there, and renames are journalled
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_missing_file_is_none_and_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&dir.path().join("a.json")).unwrap(), None);
        assert_eq!(read(&dir.path().join("no/a.json")).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = read(dir.path()).unwrap_err();
        assert_eq!(error.code(), Code::File);
        assert!(error.message().contains(dir.path().to_str().unwrap()), "{error}");
        let path = dir.path().join("latin1.txt");
        fs::write(&path, b"caf\xe9").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.code(), Code::Syntax);
        assert!(error.message().ends_with("is not UTF-8: byte 4 is invalid"), "{error}");
    }

    #[test]
    fn a_file_above_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        File::create(&path).unwrap().set_len(MAX_TEXT_BYTES as u64 + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().code(), Code::TooLarge);
    }

    #[test]
    fn an_unchanged_file_is_replaced_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(replace_if_unchanged(&path, None, "1").unwrap(), Replaced::Done);
        assert_eq!(replace_if_unchanged(&path, Some("1"), "2").unwrap(), Replaced::Done);
        assert_eq!(read(&path).unwrap().as_deref(), Some("2"));
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_changed_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "theirs").unwrap();
        let changed = Replaced::ChangedMeanwhile(Some("theirs".to_owned()));
        assert_eq!(replace_if_unchanged(&path, Some("base"), "ours").unwrap(), changed);
        assert_eq!(replace_if_unchanged(&path, None, "ours").unwrap(), changed);
        fs::remove_file(&path).unwrap();
        assert_eq!(replace_if_unchanged(&path, Some("base"), "ours").unwrap(), Replaced::ChangedMeanwhile(None));
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    /// In every round a person saves in place at the very moment at which the file is replaced: whoever comes first, the
    /// save is what the file holds in the end, since a replacement never covers a save that it did not expect.
    #[test]
    fn a_save_that_races_with_a_replacement_is_never_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let (mut before, mut after) = (0, 0);
        for round in 0..400 {
            fs::write(&path, "base").unwrap();
            let start = std::sync::Barrier::new(2);
            let replaced = std::thread::scope(|scope| {
                let saving = scope.spawn(|| {
                    start.wait();
                    // Sweeps the save over the time that the replacement takes.
                    let until = std::time::Instant::now() + std::time::Duration::from_micros(round * 2);
                    while std::time::Instant::now() < until {
                        std::hint::spin_loop();
                    }
                    fs::write(&path, "theirs").unwrap();
                });
                start.wait();
                let (replaced, outgone) = replace_and_keep(&path, Some("base"), "ours").unwrap();
                saving.join().unwrap();
                if let Some(mut outgone) = outgone {
                    assert_eq!(outgone.restore_late_save().unwrap(), None, "round {round}");
                }
                replaced
            });
            match replaced {
                Replaced::Done => after += 1,
                Replaced::ChangedMeanwhile(_) => before += 1,
                Replaced::Fixed(_) => panic!("a plain file"),
            }
            assert_eq!(read(&path).unwrap().as_deref(), Some("theirs"), "round {round}: {replaced:?}");
        }
        assert!(before + after == 400, "{before} saves came before, {after} after");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    /// As an editor that had the file open when it was replaced, which a race shows too rarely.
    #[test]
    fn what_is_saved_into_a_file_after_it_was_replaced_is_put_where_it_was_meant_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "base").unwrap();
        let mut editor = OpenOptions::new().write(true).open(&path).unwrap();
        let (replaced, outgone) = replace_and_keep(&path, Some("base"), "ours").unwrap();
        assert_eq!(replaced, Replaced::Done);
        let mut outgone = outgone.unwrap();
        let holds = |text: &str| assert_eq!(read(&path).unwrap().as_deref(), Some(text));
        editor.set_len(0).unwrap();
        assert_eq!(outgone.restore_late_save().unwrap(), None);
        holds("ours");
        for (piece, whole) in [("the", "the"), ("irs", "theirs")] {
            editor.write_all(piece.as_bytes()).unwrap();
            assert_eq!(outgone.restore_late_save().unwrap(), None);
            holds(whole);
        }
        // What the file has come to hold since then is not covered.
        fs::write(&path, "of a third").unwrap();
        editor.write_all(b", late").unwrap();
        let kept = outgone.restore_late_save().unwrap().unwrap();
        holds("of a third");
        assert_eq!(read(&kept).unwrap().as_deref(), Some("theirs, late"));
        assert_eq!(names(dir.path()), ["a.json", "a.json.late-save"]);
    }

    #[test]
    fn a_text_written_in_place_is_whole_and_only_over_what_was_expected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "a long text").unwrap();
        assert_eq!(write_in_place(&path, "a long text", "short").unwrap(), Replaced::Done);
        assert_eq!(read(&path).unwrap().as_deref(), Some("short"));
        let changed = Replaced::ChangedMeanwhile(Some("short".to_owned()));
        assert_eq!(write_in_place(&path, "a long text", "other").unwrap(), changed);
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn eight_texts_are_kept_beside_a_file_and_none_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for number in 0..12 {
            for _ in 0..2 {
                let kept = keep_text(&path, "before-edit", &number.to_string()).unwrap();
                assert_eq!(read(&kept).unwrap(), Some(number.to_string()));
            }
        }
        assert_eq!(names(dir.path()).len(), 8);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_survive_a_replacement_and_a_copy() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.json");
        fs::write(&path, "1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(replace_if_unchanged(&path, Some("1"), "2").unwrap(), Replaced::Done);
        let copy = keep_copy(&path, "before-join").unwrap();
        for path in [&path, &copy] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_target_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        let target = dir.path().join("real/a.json");
        let link = dir.path().join("a.json");
        std::os::unix::fs::symlink("real/a.json", &link).unwrap();
        assert_eq!(replace_if_unchanged(&link, None, "1").unwrap(), Replaced::Done, "the target is created");
        assert_eq!(replace_if_unchanged(&link, Some("1"), "2").unwrap(), Replaced::Done);
        assert_eq!(fs::read_to_string(&target).unwrap(), "2");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_itself_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("a.json");
        std::os::unix::fs::symlink("a.json", &link).unwrap();
        assert_eq!(replace_if_unchanged(&link, None, "1").unwrap_err().code(), Code::File);
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away_and_what_is_being_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "1").unwrap();
        let left = beside(&path, 0o666).unwrap().into_temp_path().keep().unwrap();
        let other = beside(&dir.path().join("b.json"), 0o666).unwrap();
        let writing = beside(&path, 0o666).unwrap();
        clear_unfinished(&path);
        assert!(!left.exists() && other.path().exists() && writing.path().exists());
        drop((other, writing));
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no/a.json");
        let error = replace_if_unchanged(&path, None, "1").unwrap_err();
        assert!(error.message().contains("no such file or directory"), "{error}");
        assert_eq!(error.hint(), Some("create the directory, or correct the path"));
    }

    #[test]
    fn copies_never_overwrite_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for text in ["0", "1", "2"] {
            fs::write(&path, text).unwrap();
            let copy = keep_copy(&path, "before-join").unwrap();
            assert_eq!(fs::read_to_string(copy).unwrap(), text);
        }
        let expected = ["a.json", "a.json.before-join", "a.json.before-join-1", "a.json.before-join-2"];
        assert_eq!(names(dir.path()), expected);
        assert_eq!(keep_copy(&dir.path().join("missing"), "before-join").unwrap_err().code(), Code::File);
    }
}
