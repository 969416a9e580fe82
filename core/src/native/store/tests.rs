//! The store on real disks: crashes, full disks, and directories that others have been at.
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::error::Code;

mod damage;

fn put(key: &str, bytes: &str) -> Write {
    Write::Put { key: key.into(), bytes: bytes.into() }
}

fn entry(key: &str, bytes: &str) -> Entry {
    (key.into(), bytes.into())
}

/// Runs the test of that name again, in a process of its own that finds `dir` in its environment.
fn in_a_process(shell: &str, test: &str, dir: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let test = format!("native::store::tests::{test}");
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact {test} --nocapture")])
        .arg(program)
        .env("CONFMESH_TEST_STORE", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The directory, in such a process.
fn given_directory() -> Option<PathBuf> {
    std::env::var_os("CONFMESH_TEST_STORE").map(PathBuf::from)
}

#[test]
fn batches_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new/data");
    let store = Store::open(&dir).unwrap();
    assert_eq!(store.read_all().unwrap(), []);
    store.commit(&[put("b", "2"), put("a", "1"), put("ab", "3")]).unwrap();
    store.commit(&[Write::Delete { key: b"b".into() }, Write::Delete { key: b"none".into() }]).unwrap();
    drop(store);
    let store = Store::open(&dir).unwrap();
    assert_eq!(store.read_all().unwrap(), [entry("a", "1"), entry("ab", "3")]);
    assert_eq!(store.read_prefix(b"ab").unwrap(), [entry("ab", "3")]);
}

#[test]
fn a_second_store_on_the_same_directory_is_refused_with_the_pid() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert_eq!(error.code(), Code::InUse);
    let expected = format!("is in use by another confmesh (pid {})", std::process::id());
    assert!(error.message().ends_with(&expected), "{error}");
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_dropped_store_frees_the_directory_also_while_its_lock_is_inherited() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    // What a process holds between its start and its program.
    let inherited = store._lock.0.try_clone().unwrap();
    drop(store);
    Store::open(dir.path()).unwrap();
    drop(inherited);
}

#[cfg(unix)]
#[test]
fn a_killed_process_frees_the_lock_and_loses_no_committed_batch() {
    if let Some(dir) = given_directory() {
        let store = Store::open(&dir).unwrap();
        for number in 0_u64.. {
            store.commit(&[put(&format!("{number:08}"), &"x".repeat(5_000))]).unwrap();
            println!("committed {number}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = in_a_process("", "a_killed_process_frees_the_lock_and_loses_no_committed_batch", dir.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line == "committed 30"));
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.message().ends_with(&format!("(pid {})", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    let last = lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<usize>().ok()).last();
    let last = last.unwrap_or(30);

    let entries = Store::open(dir.path()).unwrap().read_all().unwrap();
    assert!(entries.len() > last, "{} entries, but {last} was committed", entries.len());
    for (number, (key, bytes)) in entries.iter().enumerate() {
        assert_eq!((key.as_slice(), bytes.len()), (format!("{number:08}").as_bytes(), 5_000));
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_costs_only_the_batch() {
    if let Some(dir) = given_directory() {
        let store = Store::open(&dir).unwrap();
        store.commit(&[put("kept", "1")]).unwrap();
        let error = store.commit(&[put("big", &"x".repeat(64 << 20))]).unwrap_err();
        println!("error {error:?}");
        store.commit(&[put("later", "2")]).unwrap();
        println!("recovered");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // A limit on file sizes, in blocks of 512 or 1024 bytes, stands for the full disk: both refuse the same writes.
    let limit = "trap '' XFSZ; ulimit -f 16384;";
    let child = in_a_process(limit, "a_full_disk_is_reported_and_costs_only_the_batch", dir.path());
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(output.contains("error Error[store]: cannot use the store"), "{output}");
    assert!(output.contains("the file may not grow any further"), "{output}");
    assert!(output.contains("recovered"), "{output}");
    let entries = Store::open(dir.path()).unwrap().read_all().unwrap();
    assert_eq!(entries, [entry("kept", "1"), entry("later", "2")]);
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("data")).unwrap_err();
    assert_eq!(error.code(), Code::Store);
    assert!(error.message().contains("a part of the path is no directory"), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _store = Store::open(&data).unwrap();
    for (path, mode) in [(data.clone(), 0o700), (data.join("store.redb"), 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn a_planted_link_is_not_followed_and_its_target_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let target = dir.path().join("precious");
        for name in ["lock", "mark", "store.redb"] {
            for is_hard in [false, true] {
                let _ = fs::remove_dir_all(&data);
                fs::create_dir(&data).unwrap();
                fs::write(&target, "precious").unwrap();
                let link = data.join(name);
                if is_hard {
                    fs::hard_link(&target, &link).unwrap()
                } else {
                    symlink(&target, &link).unwrap()
                }
                // Before there is a store a new mark takes the place of whatever has its name.
                match Store::open(&data) {
                    Ok(_) => assert_eq!(name, "mark"),
                    Err(error) => {
                        let text = error.message();
                        assert!(text.contains(name) && text.contains("remove it"), "{error:?}");
                    }
                }
                assert_eq!(fs::read_to_string(&target).unwrap(), "precious", "{name}, hard: {is_hard}");
            }
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_the_lock_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new("mkfifo").arg(dir.path().join("lock")).status().unwrap();
        assert!(made.success());
        let error = Store::open(dir.path()).unwrap_err();
        assert!(error.message().contains("is no plain file"), "{error:?}");
    }

    #[test]
    fn a_directory_that_everybody_may_write_to_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(error.message().starts_with("everybody may write to the data directory"), "{error:?}");
        assert!(error.hint().unwrap().contains("chmod o-w"), "{error:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was put into it");
        Store::open(&dir.path().join("in-it")).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
        Store::open(dir.path()).unwrap();
    }

    #[test]
    fn a_directory_of_another_user_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        // Whoever is no administrator cannot give a directory away, and meets what belongs to others everywhere.
        let theirs = match chown(dir.path(), Some(4_242), None) {
            Ok(()) => dir.path().to_owned(),
            Err(_) => {
                let own = fs::metadata(dir.path()).unwrap().uid();
                let of_others = |path: &PathBuf| {
                    fs::metadata(path).is_ok_and(|found| found.is_dir() && ![own, 0].contains(&found.uid()))
                };
                let places = ["/var", "/var/spool", "/var/cache", "/var/lib", "/home", "/run"].map(Path::new);
                let inside = places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten();
                let Some(found) = inside.filter_map(|entry| Some(entry.ok()?.path())).find(of_others) else {
                    println!("this system has no directory of another user");
                    return;
                };
                found
            }
        };
        let error = Store::open(&theirs).unwrap_err();
        assert!(error.message().contains("belongs to another user"), "{error:?}");
        assert!(error.hint().unwrap().contains("chown"), "{error:?}");
    }
}

#[test]
fn what_a_start_that_was_killed_left_unfinished_is_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().commit(&[put("kept", "1")]).unwrap();
    fs::write(dir.path().join("store.redb.new"), "half of one").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.read_all().unwrap(), [entry("kept", "1")]);
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "mark", "place", "store.redb"]);
}

#[test]
fn a_store_is_set_aside_whatever_is_in_it_and_never_simply_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    assert_eq!(set_aside(dir.path(), &[]).unwrap().kept, None, "there was none");
    for (at, name) in ["store.redb.aside", "store.redb.aside-1"].into_iter().enumerate() {
        fs::write(&path, format!("broken {at}")).unwrap();
        let kept = set_aside(dir.path(), &[put("mark", "new")]).unwrap().kept.unwrap();
        assert_eq!(kept, dir.path().join(name));
        assert_eq!(fs::read_to_string(&kept).unwrap(), format!("broken {at}"));
        assert_eq!(Store::open(dir.path()).unwrap().read_all().unwrap(), [entry("mark", "new")]);
    }
    // Killed between the two renames.
    fs::rename(&path, dir.path().join("store.redb.next")).unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().read_all().unwrap(), [entry("mark", "new")]);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(set_aside(dir.path(), &[]).unwrap_err().code(), Code::InUse);
    drop(store);
}
