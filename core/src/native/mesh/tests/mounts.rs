//! A bound file that is a mount of its own, as a single file in a Compose file is.
use std::process::Command as Process;

use super::*;

/// Mounts one file over another until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// None where this process may not mount anything.
    fn new(from: &FilePath, over: &FilePath) -> Option<Mounted> {
        let done = Process::new("mount").arg("--bind").args([from, over]).output();
        done.is_ok_and(|done| done.status.success()).then(|| Mounted(over.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

/// Where mounting is not allowed the same has to hold for a plain file, and the driver's tests say what a mount does.
#[test]
fn a_file_that_is_a_mount_of_its_own_follows_and_its_edits_count() {
    let dir = tempfile::tempdir().unwrap();
    let (outside, inside) = (dir.path().join("outside.json"), dir.path().join("config.json"));
    fs::write(&outside, "{\n  \"a\": 1\n}\n").unwrap();
    fs::write(&inside, "{\n  \"a\": 1\n}\n").unwrap();
    let mounted = Mounted::new(&outside, &inside);
    let outside = if mounted.is_some() { outside } else { inside.clone() };
    let mesh = MeshOptions::default().bind(&inside).data_dir(dir.path().join("data")).start().unwrap();
    for number in 2..6 {
        mesh.set("a", number).wait().unwrap();
        until("the file follows", || holds(&outside, &format!("\"a\": {number}")));
    }
    let status = mesh.status().wait().unwrap();
    assert!(status.is_healthy(), "{:?}", status.documents[0].status.sources);
    fs::write(&outside, "{\"a\": 5, \"b\": 7}").unwrap();
    until("an edit of the file counts", || shows(&mesh, "b", 7));
    mesh.set("a", 6).wait().unwrap();
    until("it follows again", || holds(&inside, "\"a\": 6"));
    drop(mesh);
    drop(mounted);
}
