//! The process that watches over a command under a lock. It is in a session of its own, starts the command in a process group
//! of its own, and kills that group at the end of the lock, or when whoever renews the lock is gone or stopped.
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, setsid, waitid, waitpgid};

use super::clock::now_ms;
use crate::error::{Code, Error};
use crate::format::{Format, parse};
use crate::native::cli::arguments::Instance;
use crate::native::cli::client::Client;
use crate::native::cli::output::{DONE, FAILED, Outcome};
use crate::native::io_error::reason;
use crate::value::Value;

/// How often the clock is asked: sleep does not count while the machine does.
const TICK: Duration = Duration::from_millis(50);
/// How long the instance may take to answer that the lock is released.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);
/// How long what is left of a killed group is waited for.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What the guard is told first.
pub(super) struct Order {
    pub(super) command: Vec<OsString>,
    pub(super) until_ms: u64,
    pub(super) key: String,
    pub(super) token: String,
    pub(super) session: String,
}

enum News {
    Until(u64),
    /// Asks the command to end.
    Terminate,
    /// The lock is lost.
    Lost,
    /// Whoever renews is gone.
    Alone,
    Ended,
}

impl Order {
    pub(super) fn line(&self) -> String {
        let hex = |word: &OsString| word.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let command: Vec<Value> = self.command.iter().map(|word| hex(word).into()).collect();
        let fields = [
            ("command", Value::from(command)),
            ("until", self.until_ms.into()),
            ("key", self.key.as_str().into()),
            ("token", self.token.as_str().into()),
            ("session", self.session.as_str().into()),
        ];
        crate::canonical::canonical(&fields.into_iter().collect())
    }

    fn read(line: &str) -> Option<Order> {
        let value = parse(line, Format::Json).ok()?;
        let text = |name: &str| Some(value.child(name)?.as_str()?.to_owned());
        let word = |word: &Value| {
            let text = word.as_str()?;
            let bytes = (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok());
            bytes.collect::<Option<Vec<u8>>>().map(OsString::from_vec)
        };
        Some(Order {
            command: value.child("command")?.as_list()?.iter().map(word).collect::<Option<_>>()?,
            until_ms: value.child("until")?.as_u64()?,
            key: text("key")?,
            token: text("token")?,
            session: text("session")?,
        })
    }
}

pub(super) fn watch_over(socket: &Path, instance: &Instance) -> Outcome {
    let failed = |what: &str, error: &std::io::Error| Error::new(Code::Internal, format!("{what}: {}", reason(error)));
    // Not the terminal's: what stops or ends a group there does not reach this process.
    let _ = setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let stream =
        UnixStream::connect(socket).map_err(|error| failed("cannot reach the command that started this", &error))?;
    let mut told = stream.try_clone().map_err(|error| failed("cannot use the socket", &error))?;
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    // Gone already: nothing was started.
    if !matches!(lines.read_line(&mut first), Ok(read) if read > 0) {
        return Ok(DONE);
    }
    let order = Order::read(&first).ok_or_else(|| Error::new(Code::Internal, "the order cannot be read"))?;
    let [program, arguments @ ..] = order.command.as_slice() else { return Ok(FAILED) };
    if now_ms() >= order.until_ms {
        return tell(&mut told, "lost");
    }
    let mut command = Command::new(program);
    command.args(arguments).env("CONFMESH_FENCE", &order.token).env("CONFMESH_LOCK", &order.key).process_group(0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let status = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
            return tell(&mut told, &format!("unstarted {status} {}", reason(&error)));
        }
    };
    let group = Group { id: i32::try_from(child.id()).ok().and_then(Pid::from_raw) };
    let _ = tell(&mut told, &format!("started {}", child.id()));
    let (news, heard) = mpsc::channel();
    group.wait_in_background(news.clone());
    thread::spawn(move || listen(lines, &news));
    let mut until_ms = order.until_ms;
    let (mut is_alone, mut is_lost) = (false, false);
    loop {
        if now_ms() >= until_ms {
            is_lost = true;
            break;
        }
        let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
        match heard.recv_timeout(left.min(TICK)) {
            Ok(News::Until(later)) => until_ms = until_ms.max(later),
            Ok(News::Terminate) => group.signal(Signal::TERM),
            Ok(News::Lost) => is_lost = true,
            Ok(News::Alone) => is_alone = true,
            Ok(News::Ended) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_alone = true,
        }
        if is_alone || is_lost {
            break;
        }
    }
    let status = group.end(child);
    if is_lost {
        release(instance, &order);
        return tell(&mut told, "lost");
    }
    // Whoever renews releases; without it this process does.
    if is_alone || tell(&mut told, &format!("ended {status}")).is_err() {
        release(instance, &order);
    }
    Ok(DONE)
}

fn tell(told: &mut UnixStream, line: &str) -> Outcome {
    match writeln!(told, "{line}") {
        Ok(()) => Ok(DONE),
        Err(error) => Err(Error::new(Code::Internal, reason(&error)).into()),
    }
}

fn listen(lines: BufReader<UnixStream>, news: &Sender<News>) {
    for line in lines.lines() {
        let Ok(line) = line else { break };
        let said = match line.split_once(' ').unwrap_or((&line, "")) {
            ("until", time) => time.parse().ok().map(News::Until),
            ("terminate", _) => Some(News::Terminate),
            ("lost", _) => Some(News::Lost),
            _ => None,
        };
        if said.is_some_and(|said| news.send(said).is_err()) {
            return;
        }
    }
    let _ = news.send(News::Alone);
}

/// The processes of a command.
struct Group {
    id: Option<Pid>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _ = kill_process_group(id, signal);
        }
    }

    /// Tells when the command itself has ended; it is not reaped, so that its number, and that of its group, stay its own.
    fn wait_in_background(&self, news: Sender<News>) {
        let Some(id) = self.id else { return };
        thread::spawn(move || {
            while let Err(rustix::io::Errno::INTR) =
                waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            {}
            let _ = news.send(News::Ended);
        });
    }

    /// Kills whatever is left of it, and waits until it is gone. The exit status of the command, as a shell has it.
    fn end(&self, mut child: Child) -> i32 {
        self.signal(Signal::KILL);
        let status = child.wait().ok();
        let end = now_ms().saturating_add(u64::try_from(GONE_WITHIN.as_millis()).unwrap_or(0));
        // Those whose parents are gone are this process's children now.
        while let Some(id) = self.id
            && now_ms() < end
        {
            self.signal(Signal::KILL);
            match waitpgid(id, WaitOptions::NOHANG) {
                Err(_) => break,
                Ok(Some(_)) => {}
                Ok(None) => thread::sleep(Duration::from_millis(5)),
            }
        }
        let signal = status.and_then(|status| status.signal()).map(|signal| 128 + signal);
        status.and_then(|status| status.code()).or(signal).unwrap_or(i32::from(FAILED))
    }
}

fn release(instance: &Instance, order: &Order) {
    let Ok(client) = Client::patient(instance, RELEASE_WITHIN) else { return };
    let query = [("token", order.token.as_str()), ("session", &order.session)];
    // It ends by itself where that fails.
    let _ = client.call("DELETE", &super::target(&order.key, "", &query), None);
}
