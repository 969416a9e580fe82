//! Programs that run while a test looks at them.
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{Run, program, run};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

/// A running program; it is killed when the test ends.
pub struct Running {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Running {
    pub fn start(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = program(dir);
        command.args(arguments).envs(variables.iter().copied());
        Running::of(command)
    }

    pub fn of(mut command: Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        send(name, self.child.id());
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        wait_for("the end of the program", || self.child.try_wait().unwrap())
    }

    /// Waits for a line on stdout that contains a text, and gives the line.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        wait_for(&format!("`{text}` on stdout; stderr: {}", self.errors()), || find(&self.stdout, text))
    }

    /// Waits for a line on stderr that contains a text, and gives the line.
    #[track_caller]
    pub fn tells(&self, text: &str) -> String {
        wait_for(&format!("`{text}` on stderr"), || find(&self.stderr, text))
    }

    pub fn errors(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("it said: {:#?}\nand told: {:#?}", self.stdout.lock().unwrap(), self.stderr.lock().unwrap());
        }
    }
}

pub fn send(signal: &str, process: u32) {
    let status = std::process::Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
    assert!(status.unwrap().success());
}

fn collect(stream: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let collected = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            collected.lock().unwrap().push(line);
        }
    });
    lines
}

fn find(lines: &Lines, text: &str) -> Option<String> {
    lines.lock().unwrap().iter().find(|line| line.contains(text)).cloned()
}

/// A running instance.
pub struct Instance {
    pub process: Running,
    pub url: String,
}

impl Instance {
    /// Starts `serve` on a free port and waits until it has its document.
    pub fn start(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Instance {
        Instance::start_at(dir, "127.0.0.1:0", arguments, variables)
    }

    pub fn start_at(dir: &Path, address: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Instance {
        let mut all = vec!["serve", "--listen", address];
        if !arguments.contains(&"--found-after") {
            all.extend(["--found-after", "50"]);
        }
        all.extend(arguments);
        Instance::of(Running::start(dir, &all, variables))
    }

    /// Of `serve`: waits until it has its document.
    pub fn of(process: Running) -> Instance {
        let line = process.tells("  page  http://");
        let url = line.trim_start_matches("  page  ").trim_end_matches('/').to_owned();
        let instance = Instance { process, url };
        wait_for("the founding", || {
            (instance.status()["documents"][0]["founded"] == serde_json::Value::Bool(true)).then_some(())
        });
        instance
    }

    /// Runs a command against it.
    pub fn run(&self, arguments: &[&str]) -> Run {
        run(Path::new("."), &[arguments, &["--url", &self.url]].concat())
    }

    /// The data of a command that must succeed and say nothing else.
    #[track_caller]
    pub fn data(&self, arguments: &[&str]) -> String {
        self.run(arguments).data()
    }

    /// What `confmesh status` says, however its lines break.
    pub fn words(&self) -> String {
        self.data(&["status"]).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub fn status(&self) -> serde_json::Value {
        super::json(&self.data(&["status", "--json"]))
    }
}
