//! The process that people start: it gets the lock, renews it, and passes on how the command ended. What must not fail even
//! where this process is stopped or killed is with the guard.
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::clock::{end_ms, now_ms};
use super::guard::Order;
use super::{Lock, target};
use crate::error::{Code, Error};
use crate::native::cli::client::Client;
use crate::native::cli::online::plain;
use crate::native::cli::output::{FAILED, Outcome, Stop};
use crate::native::cli::signals::Signals;
use crate::native::io_error::reason;
use crate::value::Value;

/// How long the guard may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(10);
/// How long the way to the authority and back may take, beside waiting.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long the instance may take to answer that the lock is released.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

enum News {
    /// The lock was renewed by a request that was sent at that time.
    Renewed(u64),
    /// It is somebody else's, or nobody's.
    Lost(Error),
    /// What the guard says.
    Guard(String),
    GuardGone,
    Signal,
}

struct Held {
    key: String,
    token: String,
    session: String,
    ttl_ms: u64,
}

pub(super) fn run(arguments: &Lock, as_json: bool) -> Outcome {
    let key = arguments.key.clone().unwrap_or_default();
    let ttl_ms = arguments.ttl;
    let patience = Duration::from_millis(arguments.wait).saturating_add(ANSWER_WITHIN);
    let client = Client::patient(&arguments.instance, patience)?;
    // The guard is there before the lock is: what it takes to start it is not of the lock's time.
    let (mut guard, stream) = start_guard(arguments)?;
    let (held, until_ms) = match acquire(arguments, &client, &key, ttl_ms) {
        Ok(held) => held,
        Err(stop) => {
            drop(stream);
            let _ = guard.wait();
            return Err(stop);
        }
    };
    let outcome = watch(arguments, &held, until_ms, stream);
    // Of one that was lost there is nothing to release, and maybe nobody who answers.
    let is_held = !matches!(&outcome, Err(Stop::Error(error, _)) if error.code() == Code::Locked);
    let released =
        if is_held { release(&Client::patient(&arguments.instance, RELEASE_WITHIN)?, &held) } else { Ok(()) };
    let _ = guard.wait();
    if let Err(error) = released
        && !as_json
    {
        super::say(format!("the lock ends by itself within {ttl_ms} ms: {}", error.message()));
    }
    outcome
}

/// The lock, and when the command has to be gone.
fn acquire(arguments: &Lock, client: &Client, key: &str, ttl_ms: u64) -> Result<(Held, u64), Stop> {
    let holder = arguments.holder.clone().unwrap_or_else(|| {
        let user =
            std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "somebody".to_owned());
        format!("{user} (process {})", std::process::id())
    });
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::new(Code::Internal, format!("no random numbers: {error}")))?;
    let session: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (ttl, wait) = (ttl_ms.to_string(), arguments.wait.to_string());
    let query = [("ttl_ms", ttl.as_str()), ("wait_ms", &wait), ("holder", &holder), ("session", &session)];
    let mut sent_ms = now_ms();
    let lease = client.call("POST", &target(key, "", &query), None)?;
    let held = Held { key: plain(lease.child("key")), token: plain(lease.child("token")), session, ttl_ms };
    if now_ms().saturating_sub(sent_ms) > ttl_ms / 10 {
        // It was waited for, and its time began somewhere in between.
        sent_ms = now_ms();
        renew(client, &held)?;
    }
    Ok((held, end_ms(sent_ms, ttl_ms)))
}

fn renew(client: &Client, held: &Held) -> Result<Value, Stop> {
    let query = [("token", held.token.as_str()), ("session", &held.session)];
    client.call("POST", &target(&held.key, "/renew", &query), None)
}

fn release(client: &Client, held: &Held) -> Result<(), Error> {
    let query = [("token", held.token.as_str()), ("session", &held.session)];
    match client.call("DELETE", &target(&held.key, "", &query), None) {
        // It has ended before.
        Err(Stop::Error(error, _)) if error.code() != Code::Locked => Err(error),
        _ => Ok(()),
    }
}

/// Starts the guard, and waits until it has called.
fn start_guard(arguments: &Lock) -> Result<(Child, UnixStream), Stop> {
    let failed = |what: &str, error: &std::io::Error| Error::new(Code::Internal, format!("{what}: {}", reason(error)));
    let place = tempfile::tempdir().map_err(|error| failed("cannot make a directory for a socket", &error))?;
    let socket = place.path().join("guard");
    let listener = UnixListener::bind(&socket).map_err(|error| failed("cannot make a socket", &error))?;
    listener.set_nonblocking(true).map_err(|error| failed("cannot use the socket", &error))?;
    let program = std::env::current_exe().map_err(|error| failed("cannot find this program", &error))?;
    let mut command = Command::new(program);
    command.args(["lock", "guard"]).arg(&socket).arg("--url").arg(&arguments.instance.url);
    if let Some(file) = &arguments.instance.token_file {
        command.arg("--token-file").arg(file);
    }
    if let Some(file) = &arguments.instance.tls_ca {
        command.arg("--tls-ca").arg(file);
    }
    let mut guard =
        command.stdin(Stdio::inherit()).spawn().map_err(|error| failed("cannot start the guard", &error))?;
    let end = Instant::now() + UP_WITHIN;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(|error| failed("cannot use the socket", &error))?;
                return Ok((guard, stream));
            }
            Err(_) if Instant::now() < end && matches!(guard.try_wait(), Ok(None)) => {
                thread::sleep(Duration::from_millis(2));
            }
            Err(error) => {
                let _ = guard.kill();
                return Err(failed("the guard does not come up", &error).into());
            }
        }
    }
}

/// Lets the guard run the command, and renews the lock until that has ended.
fn watch(arguments: &Lock, held: &Held, until_ms: u64, stream: UnixStream) -> Outcome {
    let mut told = stream
        .try_clone()
        .map_err(|error| Error::new(Code::Internal, format!("cannot use the socket: {}", reason(&error))))?;
    let order = Order {
        command: arguments.command.clone(),
        until_ms,
        key: held.key.clone(),
        token: held.token.clone(),
        session: held.session.clone(),
    };
    let (news, heard) = mpsc::channel();
    say_to(&mut told, &order.line());
    hear_guard(stream, news.clone());
    hear_signals(news.clone());
    let (stop, stopped) = mpsc::channel::<()>();
    renew_in_background(arguments, held, news, stopped)?;
    let outcome = follow(held, &mut told, &heard);
    drop(stop);
    outcome
}

fn follow(held: &Held, told: &mut UnixStream, heard: &Receiver<News>) -> Outcome {
    let (mut group, mut why) = (None, None);
    let lost = |why: Option<Error>| {
        let message = format!("the lock on `{}` was lost, and the command was stopped", held.key);
        let error = Error::new(Code::Locked, message);
        let error = why.into_iter().fold(error, Error::with_related);
        Stop::Error(error.with_hint("what it had done by then stays done: look before it is run again"), FAILED)
    };
    let number = |text: &str| text.split(' ').next().and_then(|text| text.parse::<i32>().ok());
    loop {
        match heard.recv() {
            Ok(News::Renewed(sent_ms)) => say_to(told, &format!("until {}", end_ms(sent_ms, held.ttl_ms))),
            Ok(News::Lost(error)) => {
                why = Some(error);
                say_to(told, "lost");
            }
            Ok(News::Signal) => say_to(told, "terminate"),
            Ok(News::Guard(line)) => match line.split_once(' ').unwrap_or((&line, "")) {
                ("started", id) => group = number(id).and_then(Pid::from_raw),
                ("ended", status) => {
                    let status = number(status).unwrap_or(i32::from(FAILED));
                    return Ok(u8::try_from(status & 0xff).unwrap_or(FAILED));
                }
                ("unstarted", rest) => {
                    let status = number(rest).and_then(|status| u8::try_from(status).ok()).unwrap_or(FAILED);
                    let reason = rest.split_once(' ').map_or("", |(_, reason)| reason);
                    let error = Error::new(Code::Usage, format!("cannot start the command: {reason}"));
                    return Err(Stop::Error(error, status));
                }
                ("lost", _) => return Err(lost(why)),
                _ => {}
            },
            Ok(News::GuardGone) | Err(_) => {
                // Nobody else would stop the command now.
                if let Some(group) = group {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let error = Error::new(Code::Internal, "the process that watched over the command was killed");
                return Err(lost(Some(error)));
            }
        }
    }
}

fn say_to(told: &mut UnixStream, line: &str) {
    // Where that fails the guard is gone, which is heard.
    let _ = writeln!(told, "{line}");
}

fn hear_guard(stream: UnixStream, news: Sender<News>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            if news.send(News::Guard(line)).is_err() {
                return;
            }
        }
        let _ = news.send(News::GuardGone);
    });
}

fn hear_signals(news: Sender<News>) {
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut signals) = Signals::new() else { return };
            loop {
                signals.next().await;
                if news.send(News::Signal).is_err() {
                    return;
                }
            }
        });
    });
}

fn renew_in_background(arguments: &Lock, held: &Held, news: Sender<News>, stopped: Receiver<()>) -> Result<(), Stop> {
    let every = Duration::from_millis(held.ttl_ms / 3);
    let client = Client::patient(&arguments.instance, every.max(Duration::from_millis(500)))?;
    let held = Held { key: held.key.clone(), token: held.token.clone(), session: held.session.clone(), ..*held };
    thread::spawn(move || {
        let mut wait = every;
        while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
            let sent_ms = now_ms();
            let said = match renew(&client, &held) {
                Ok(_) => {
                    wait = every;
                    News::Renewed(sent_ms)
                }
                Err(Stop::Error(error, _)) if matches!(error.code(), Code::Locked | Code::Forbidden) => {
                    let _ = news.send(News::Lost(error));
                    return;
                }
                // It may come back in time.
                Err(_) => {
                    wait = (every / 4).min(Duration::from_millis(500));
                    continue;
                }
            };
            if news.send(said).is_err() {
                return;
            }
        }
    });
    Ok(())
}
