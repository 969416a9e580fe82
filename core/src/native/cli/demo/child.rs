//! One instance of the demo: a process of its own, whose log lines are passed on.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{ChildStdin, Command};

use super::place::{Place, STEERING, VARIABLE, VARIABLE_VALUE};
use crate::error::{Code, Error};
use crate::native::cli::output::{Stop, say};
use crate::native::io_error::reason;

/// How many lines are repeated when an instance ends by itself.
const LAST_LINES: usize = 8;
/// How long an instance may take to end.
const END_WITHIN: Duration = Duration::from_millis(3_500);
/// How long its last lines may take to arrive.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

type Tail = Arc<Mutex<VecDeque<String>>>;

/// A running instance; dropping it kills it.
pub(super) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    /// The instance ends when this is closed, also when the demo is killed.
    stdin: Option<ChildStdin>,
    tail: Tail,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

impl Child {
    /// Starts the instance of one side.
    pub fn start(
        name: &'static str,
        place: &Place,
        listen: SocketAddr,
        peer: SocketAddr,
        more: &[&str],
    ) -> Result<Child, Stop> {
        let failed = |error: std::io::Error| -> Stop {
            Error::new(Code::Internal, format!("cannot start instance {name}: {}", reason(&error))).into()
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("serve").arg("--bind").arg(place.file(name)).arg("--until-stdin-ends");
        command.args(["--listen", &listen.to_string(), "--peer", &format!("ws://{peer}/sync")]).args(more);
        // What steers the demo is no configuration of what it shows.
        for variable in STEERING {
            command.env_remove(variable);
        }
        command.env(VARIABLE, VARIABLE_VALUE).env_remove("CONFMESH_URL");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C in a terminal reaches the whole group: the instances are ended by the demo, one way only.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn().map_err(failed)?;
        let tail = Tail::default();
        let mut readers = Vec::new();
        if let Some(stream) = process.stdout.take() {
            readers.push(tokio::spawn(pass_on(name, stream, Arc::clone(&tail))));
        }
        if let Some(stream) = process.stderr.take() {
            readers.push(tokio::spawn(pass_on(name, stream, Arc::clone(&tail))));
        }
        let stdin = process.stdin.take();
        Ok(Child { name, process, stdin, tail, readers })
    }

    /// `a` or `b`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until it ends and tells how.
    pub async fn ended(&mut self) -> String {
        let how = match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => reason(&error),
        };
        self.drain().await;
        how
    }

    /// What it said last.
    pub fn last_lines(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Ends it: cleanly if it takes the hint, else at once.
    pub async fn end(mut self) {
        drop(self.stdin.take());
        if tokio::time::timeout(END_WITHIN, self.process.wait()).await.is_err() {
            say(format!("instance {} does not end by itself and is killed", self.name));
            // If this fails it has ended after all.
            let _ = self.process.kill().await;
        }
        self.drain().await;
    }

    /// Waits for the lines that were written before the end.
    async fn drain(&mut self) {
        for reader in std::mem::take(&mut self.readers) {
            if tokio::time::timeout(DRAIN_WITHIN, reader).await.is_err() {
                return;
            }
        }
    }
}

async fn pass_on(name: &'static str, stream: impl AsyncRead + Unpin, tail: Tail) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        say(format!("[{name}] {line}"));
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.push_back(line);
        if tail.len() > LAST_LINES {
            tail.pop_front();
        }
    }
}
