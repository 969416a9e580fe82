//! The key of an instance, beside its database.
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::Path;

use crate::error::{Code, Error, Result};
use crate::native::file::sync_directory;
use crate::native::io_error::failure;

/// The name of the file in a data directory.
pub const KEY_FILE: &str = "instance.key";

/// The seed of the key in a data directory that this process has opened: the one that lies there, else `fresh`, which is
/// kept there from now on. The file is for its owner alone.
///
/// # Errors
/// [`Code::Store`] where it cannot be read or written, [`Code::Damaged`] where it holds something else.
pub fn instance_key(dir: &Path, fresh: &[u8; 32]) -> Result<[u8; 32]> {
    let path = dir.join(KEY_FILE);
    match read(&path) {
        Ok(text) => seed(&text).ok_or_else(|| {
            Error::new(Code::Damaged, format!("`{}` holds no key of an instance", path.display())).with_hint(
                "put it back from a copy; or remove it: the instance then takes another name and keeps its document, of which a peer or `confmesh repair` makes it a member again",
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write(dir, &path, fresh).map_err(|error| failure(Code::Store, "write", &path, &error))?;
            Ok(*fresh)
        }
        Err(error) => Err(failure(Code::Store, "read", &path, &error)),
    }
}

/// The seed that a file holds: 64 digits, and behind `-` a checksum, or another digit would make another instance. Files of
/// before have none.
fn seed(text: &str) -> Option<[u8; 32]> {
    let text = text.trim_end();
    let (text, check) = text.split_once('-').map_or((text, None), |(text, check)| (text, Some(check)));
    if text.len() != 64 || !text.is_ascii() || check.is_some_and(|check| check != checksum(text)) {
        return None;
    }
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(seed)
}

fn checksum(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the file and closes it to others, whoever let them in.
fn read(path: &Path) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, no_follow());
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    let mut bytes = Vec::new();
    file.take(128).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A key that is half there would be none: it gets its name when it is on the disk.
fn write(dir: &Path, path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let fresh = dir.join(format!("{KEY_FILE}.new"));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    let text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "{text}-{}", checksum(&text))?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_directory(dir)
}

#[cfg(unix)]
fn no_follow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        assert_eq!(instance_key(dir.path(), &[7; 32]).unwrap(), [7; 32]);
        assert_eq!(instance_key(dir.path(), &[8; 32]).unwrap(), [7; 32]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(), 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            instance_key(dir.path(), &[8; 32]).unwrap();
            assert_eq!(mode(), 0o600);
        }
        fs::write(&path, "nonsense").unwrap();
        let error = instance_key(dir.path(), &[8; 32]).unwrap_err();
        assert_eq!(error.code(), Code::Damaged);
        assert!(error.message().contains(KEY_FILE) && error.hint().is_some(), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }

    #[test]
    fn a_changed_bit_of_the_key_is_told_or_harmless() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        instance_key(dir.path(), &[0xa7; 32]).unwrap();
        let good = fs::read(&path).unwrap();
        for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            fs::write(&path, &bad).unwrap();
            let read = instance_key(dir.path(), &[8; 32]);
            assert!(
                read.as_ref().map_or_else(|error| error.code() == Code::Damaged, |key| *key == [0xa7; 32]),
                "{at} {bit}"
            );
        }
        fs::write(&path, "a7".repeat(32)).unwrap();
        assert_eq!(instance_key(dir.path(), &[8; 32]).unwrap(), [0xa7; 32], "a file of before");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_key_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "theirs").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(KEY_FILE)).unwrap();
        assert!(instance_key(dir.path(), &[8; 32]).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    }
}
