//! What belongs to a file besides its content, when another one takes its place: owner, group, mode, access list, attributes.
use std::fs::File;
use std::io;

/// Gives the new file what belongs to the old one; where something would be lost, what that is. Nothing widens: where it is
/// lost the new file must not be used.
#[cfg(unix)]
pub(super) fn carry_over(old: &File, new: &File) -> io::Result<Option<&'static str>> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (was, is) = (old.metadata()?, new.metadata()?);
    if was.nlink() > 1 {
        return Ok(Some("it has another name, too (a hard link)"));
    }
    // Only the administrator may give files away.
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) && fchown(new, Some(was.uid()), Some(was.gid())).is_err() {
        return Ok(Some("its owner and group cannot be given to another file"));
    }
    new.set_permissions(was.permissions())?;
    attributes::carry_over(old, new)
}

#[cfg(not(unix))]
pub(super) fn carry_over(old: &File, new: &File) -> io::Result<Option<&'static str>> {
    new.set_permissions(old.metadata()?.permissions())?;
    Ok(None)
}

/// Takes the room on the disk that a file of that length needs, so that writing it does not fail halfway. Where the file
/// system cannot do that, writing finds out.
pub(super) fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if bytes > 0 {
        use rustix::fs::{FallocateFlags, fallocate};
        let taken = fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes as u64).map_err(io::Error::from);
        if let Err(error) = taken
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return Err(error);
        }
    }
    let _ = (file, bytes);
    Ok(())
}

#[cfg(target_os = "linux")]
mod attributes {
    use std::ffi::CStr;
    use std::fs::File;
    use std::io;

    use rustix::fs::{XattrFlags, fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, fremovexattr, fsetxattr};
    use rustix::io::Errno;

    const ACCESS: &CStr = c"system.posix_acl_access";

    /// Sets what the old file has, its access list first of all, and takes away a list that the directory gave to the new one.
    pub(super) fn carry_over(old: &File, new: &File) -> io::Result<Option<&'static str>> {
        let (had, has) = (names(old)?, names(new)?);
        let has_access = |names: &[u8]| split(names).any(|name| name == ACCESS);
        if has_access(&has) && !has_access(&had) {
            fremovexattr(new, ACCESS)?;
        }
        for name in split(&had) {
            let set = value(old, name).and_then(|value| fsetxattr(new, name, &value, XattrFlags::empty()));
            // What the system itself keeps (labels, capabilities) it gives, or refuses to everybody but the administrator.
            if set.is_err() && name == ACCESS {
                return Ok(Some("its access list cannot be given to another file"));
            }
            if set.is_err() && name.to_bytes().starts_with(b"user.") {
                return Ok(Some("its attributes cannot be given to another file"));
            }
        }
        Ok(None)
    }

    fn split(names: &[u8]) -> impl Iterator<Item = &CStr> {
        names.split_inclusive(|byte| *byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    }

    /// All names, each with a 0 behind it; none where the file system knows no attributes.
    fn names(file: &File) -> io::Result<Vec<u8>> {
        let read = || {
            let mut names = vec![0; flistxattr_query(file)?];
            let length = if names.is_empty() { 0 } else { flistxattr(file, names.as_mut_slice())? };
            names.truncate(length);
            Ok(names)
        };
        match read() {
            Err(Errno::NOTSUP | Errno::NOSYS) => Ok(Vec::new()),
            other => other.map_err(io::Error::from),
        }
    }

    fn value(file: &File, name: &CStr) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0; fgetxattr_query(file, name)?];
        let length = if value.is_empty() { 0 } else { fgetxattr(file, name, value.as_mut_slice())? };
        value.truncate(length);
        Ok(value)
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod attributes {
    pub(super) fn carry_over(_: &std::fs::File, _: &std::fs::File) -> std::io::Result<Option<&'static str>> {
        Ok(None)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use rustix::fs::{XattrFlags, getxattr, setxattr};

    use crate::native::file::{Replaced, read, replace_if_unchanged, write_in_place};

    /// An access list in the form of the kernel: the owner may write, user 2000 may read, the group nothing.
    const LIST: [u8; 44] = [
        2, 0, 0, 0, // version
        1, 0, 6, 0, 255, 255, 255, 255, // owner rw-
        2, 0, 4, 0, 208, 7, 0, 0, // user 2000 r--
        4, 0, 0, 0, 255, 255, 255, 255, // group ---
        16, 0, 4, 0, 255, 255, 255, 255, // mask r--
        32, 0, 0, 0, 255, 255, 255, 255, // others ---
    ];

    #[test]
    fn access_lists_and_attributes_stay_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "1").unwrap();
        setxattr(&path, "system.posix_acl_access", &LIST, XattrFlags::empty()).unwrap();
        setxattr(&path, "user.owner", b"ops", XattrFlags::empty()).unwrap();
        assert_eq!(replace_if_unchanged(&path, Some("1"), "2").unwrap(), Replaced::Done);
        let attribute = |name: &str| {
            let mut value = [0; 64];
            let length = getxattr(&path, name, &mut value).unwrap();
            value[..length].to_vec()
        };
        assert_eq!(attribute("system.posix_acl_access"), LIST);
        assert_eq!(attribute("user.owner"), b"ops");
    }

    #[test]
    fn a_list_that_the_directory_gives_to_new_files_does_not_widen_one_that_had_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "1").unwrap();
        setxattr(dir.path(), "system.posix_acl_default", &LIST, XattrFlags::empty()).unwrap();
        assert_eq!(replace_if_unchanged(&path, Some("1"), "2").unwrap(), Replaced::Done);
        assert!(getxattr(&path, "system.posix_acl_access", &mut [0; 64]).is_err());
    }

    #[test]
    fn a_file_with_two_names_is_left_to_be_written_in_place_and_keeps_both() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a.json"), dir.path().join("b.json"));
        fs::write(&path, "1").unwrap();
        fs::hard_link(&path, &other).unwrap();
        let fixed = Replaced::Fixed("it has another name, too (a hard link)");
        assert_eq!(replace_if_unchanged(&path, Some("1"), "2").unwrap(), fixed);
        assert_eq!(read(&other).unwrap().as_deref(), Some("1"));
        assert_eq!(write_in_place(&path, "1", "2").unwrap(), Replaced::Done);
        assert_eq!(read(&other).unwrap().as_deref(), Some("2"));
    }
}
