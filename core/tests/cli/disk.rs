//! Disks that are full, stores that are damaged, and what killed processes leave behind.
#![cfg(target_os = "linux")]
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::{Instance, Running, send, wait_for};
use super::{dir, program, run};

/// How the disk of the data directory comes to be full.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Disk {
    /// Nothing may be written beyond the first bytes of any file.
    Limited,
    /// It is a small one in memory, mounted for this process alone.
    Small,
}

/// An instance whose store, and nothing else, lies on such a disk.
struct Full {
    instance: Instance,
    disk: Disk,
    fill: PathBuf,
}

/// Whether this user may mount something; with what.
fn unshare() -> Option<&'static [&'static str]> {
    let may = |options: &&[&str]| {
        let tried = Command::new("unshare").args(*options).args(["sh", "-c", "mount -t tmpfs none /mnt"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    [["-m"].as_slice(), ["-rm"].as_slice()].into_iter().find(may)
}

impl Full {
    fn start(dir: &Path, disk: Disk, arguments: &[&str]) -> Full {
        let data = dir.join("data");
        fs::create_dir(&data).unwrap();
        let confmesh = program(dir);
        let mut command = match disk {
            Disk::Limited => {
                let mut command = Command::new("sh");
                command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
                command
            }
            Disk::Small => {
                let mut command = Command::new("unshare");
                command.args(unshare().unwrap()).args(["sh", "-c"]);
                command.arg("mount -t tmpfs -o size=8m,mode=700 none data && exec \"$0\" \"$@\"");
                command
            }
        };
        command.arg(confmesh.get_program()).args(["serve", "--listen", "127.0.0.1:0", "--found-after", "50"]);
        command.args(["--data-dir", "data"]).args(arguments);
        command.current_dir(dir).env_remove("CONFMESH_URL").env_remove("CONFMESH_LOG");
        let instance = Instance::of(Running::of(command));
        // As the instance sees it.
        let fill = format!("/proc/{}/root{}/fill", instance.process.id(), data.canonicalize().unwrap().display());
        Full { instance, disk, fill: fill.into() }
    }

    fn limit(&self, bytes: &str) {
        let limit = format!("--fsize={bytes}:unlimited");
        let done = Command::new("prlimit").args(["--pid", &self.instance.process.id().to_string(), &limit]).status();
        assert!(done.unwrap().success());
    }

    fn fill(&self) {
        match self.disk {
            Disk::Limited => self.limit("4096"),
            Disk::Small => drop(fs::write(&self.fill, vec![1; 9 << 20]).unwrap_err()),
        }
    }

    fn make_room(&self) {
        match self.disk {
            Disk::Limited => self.limit("unlimited"),
            Disk::Small => fs::remove_file(&self.fill).unwrap(),
        }
    }

    /// What the store refuses a write with, sooner or later.
    fn refusal(&self) -> String {
        let mut number = 0;
        wait_for("a write that is refused", || {
            number += 1;
            let refused = self.instance.run(&["set", &format!("big.{number}"), &"x".repeat(100_000)]);
            (refused.status != 0).then_some(refused.stderr)
        })
    }

    fn health(&self) -> serde_json::Value {
        self.instance.status()["health"].clone()
    }

    fn store_check(&self) -> serde_json::Value {
        let checks = self.health()["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "store").unwrap()
    }
}

/// The disks that this user can fill.
fn disks() -> Vec<Disk> {
    let mut disks = vec![Disk::Limited];
    match unshare() {
        Some(_) => disks.push(Disk::Small),
        None => println!("nothing can be mounted here: only the limit on file sizes is tried"),
    }
    disks
}

fn holds(path: &Path, words: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(words))
}

#[test]
fn after_a_full_disk_writes_edits_of_the_file_and_peers_go_on_by_themselves() {
    for disk in disks() {
        let dir = dir(&[("a.json", "{\n  \"name\": \"first\"\n}\n")]);
        let file = dir.path().join("a.json");
        let a = Full::start(dir.path(), disk, &["--bind", "a.json"]);
        let peer = a.instance.url.replace("http://", "ws://");
        let b = Instance::start(dir.path(), &["--data-dir", "b", "--peer", &peer], &[]);
        let at_b = |key: &str| b.run(&["get", key]).stdout.trim().to_owned();
        wait_for("b to have it", || (at_b("name") == "first").then_some(()));
        a.fill();
        let refusal = a.refusal();
        assert!(refusal.contains("the store") && refusal.contains("data/store.redb"), "{disk:?}: {refusal}");
        assert!(refusal.contains("hint: "), "{disk:?}: {refusal}");
        assert_eq!(a.health()["status"], "degraded", "{disk:?}");
        assert_eq!(a.store_check()["status"], "degraded", "{disk:?}");
        b.data(&["set", "from_b", "2"]);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replacen('{', "{\n  \"edited\": true,", 1)).unwrap();
        // A while in which nobody writes.
        let lines = a.instance.process.errors().lines().count();
        let up = |status: &serde_json::Value| status["uptime_seconds"].as_u64().unwrap();
        let since = up(&a.instance.status());
        wait_for("some seconds", || (up(&a.instance.status()) >= since + 6).then_some(()));
        let log = a.instance.process.errors();
        let more = log.lines().count() - lines;
        assert!(more <= 12, "{disk:?}: {more} lines in six seconds:\n{log}");
        assert_eq!(at_b("edited"), "", "{disk:?}: it cannot be in the store yet");
        a.make_room();
        wait_for("the edit at b", || (at_b("edited") == "true").then_some(()));
        wait_for("b's write in a's file", || holds(&file, "\"from_b\": 2").then_some(()));
        assert!(holds(&file, "\"edited\": true"), "{disk:?}");
        wait_for("health", || (a.health()["status"] == "healthy").then_some(()));
        let log = a.instance.process.errors();
        assert_eq!(log.matches("the store takes writes again").count(), 1, "{disk:?}: {log}");
    }
}

#[test]
fn health_recovers_although_nobody_writes() {
    let dir = dir(&[]);
    let a = Full::start(dir.path(), Disk::Limited, &[]);
    a.fill();
    a.refusal();
    assert_eq!(a.store_check()["status"], "degraded");
    a.make_room();
    wait_for("health", || (a.health()["status"] == "healthy").then_some(()));
}

#[test]
fn killed_processes_leave_no_temporary_files_behind_after_the_next_start() {
    let dir = dir(&[("a.json", "{\n  \"count\": 0\n}\n")]);
    for round in 0..6 {
        let mut instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
        let url = instance.url.clone();
        let place = dir.path().to_owned();
        let writing = std::thread::spawn(move || {
            // Until it is gone.
            let set = |value: u32| run(&place, &["set", "count", &value.to_string(), "--url", &url]).status;
            (0..).take_while(|value| set(round * 1_000 + value) == 0).count()
        });
        let count = || instance.run(&["get", "count"]).stdout.trim().parse::<u32>().ok();
        wait_for("writes", || count().filter(|count| *count >= round * 1_000 + 3));
        send("KILL", instance.process.id());
        instance.process.ended();
        assert!(writing.join().unwrap() > 0);
    }
    // One that was killed in the middle for certain: nobody holds it.
    let unfinished = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".confmesh-"));
    println!("{} unfinished files before the last start", unfinished.count());
    let mut instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    instance.process.signal("TERM");
    instance.process.ended();
    let names = |place: &Path| {
        let mut names: Vec<String> =
            fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(dir.path()), [".a.json.confmesh", "a.json"]);
    assert_eq!(names(&dir.path().join(".a.json.confmesh")), ["instance.key", "lock", "mark", "place", "store.redb"]);
}

#[test]
fn a_damaged_store_is_refused_with_the_way_out_and_never_called_a_defect() {
    let dir = dir(&[("a.json", "{\"name\": \"first\"}")]);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--bind", "a.json"];
    let mut instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    instance.process.signal("TERM");
    instance.process.ended();
    let store = dir.path().join(".a.json.confmesh/store.redb");
    let whole = fs::read(&store).unwrap();
    let mut torn = whole.clone();
    torn[5_000..].fill(0x5a);
    for bytes in [Vec::new(), torn, whole[..9_000].to_vec()] {
        let at = bytes.len();
        fs::write(&store, bytes).unwrap();
        let told = program(dir.path()).args(serve).stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8(told.stderr).unwrap();
        assert!(!told.contains("defect") && !told.contains("panicked"), "{at}: {told}");
        assert!(told.contains("is damaged: ") && told.contains("hint: `confmesh rebuild --data-dir"), "{at}: {told}");
    }
    let data = run(dir.path(), &["rebuild", "--bind", "a.json", "--json"]).data();
    assert!(super::json(&data)["kept"].as_str().unwrap().ends_with("store.redb.aside"), "{data}");
    assert!(holds(&dir.path().join("a.json"), "first"), "the file is left alone");
    let told = run(dir.path(), &["rebuild", "--bind", "b.json"]);
    assert!(told.stderr.contains("start the instance again"), "{told:?}");
}

#[test]
fn a_pipe_in_the_place_of_the_bound_file_stops_nobody_and_goes_like_any_other_fault() {
    let dir = dir(&[("c.yaml", "a: 1\n")]);
    let instance = Instance::start(dir.path(), &["--bind", "c.yaml"], &[]);
    let path = dir.path().join("c.yaml");
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    wait_for("the pipe is told", || instance.words().contains("is a pipe, a socket or a device").then_some(()));
    assert_eq!(instance.run(&["set", "b", "2"]).status, 0);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "a: 3\n").unwrap();
    wait_for("the file counts again", || (instance.data(&["get", "a"]) == "3\n").then_some(()));
}
