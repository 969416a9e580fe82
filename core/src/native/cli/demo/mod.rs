//! `confmesh demo`: two instances on this machine that share a document.
mod child;
mod place;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::arguments::Demo;
use super::client::Client;
use super::output::{DONE, FAILED, Outcome, Stop, data, say};
use super::signals::Signals;
use crate::error::{Code, Error};
use crate::native::io_error::reason;
use crate::value::Value;

use child::Child;
use place::Place;

/// How long an instance may take to come up.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How often it is asked whether it has.
const ASKED_EVERY: Duration = Duration::from_millis(40);
/// How long the first instance looks for the second one, which is not there yet, in milliseconds.
const FOUND_AFTER_MS: &str = "200";

pub(super) fn run_demo(arguments: &Demo) -> Outcome {
    let first = SocketAddr::new(arguments.address, arguments.port);
    let second = SocketAddr::new(arguments.address, arguments.port.saturating_add(1));
    ensure_free(first)?;
    ensure_free(second)?;
    let place = Place::create(arguments.dir.as_deref())?;
    let opens = !arguments.no_open && std::env::var_os("DEMO_OPEN").is_none_or(|value| value != "0");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| internal("cannot start", &error))?;
    let outcome = runtime.block_on(play(&place, first, second, opens));
    // A question that still waits for its answer must not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn play(place: &Place, first: SocketAddr, second: SocketAddr, opens: bool) -> Outcome {
    let mut signals = Signals::new().map_err(|error| internal("cannot wait for signals", &error))?;
    let mut a = Child::start("a", place, first, second, &["--env", "DEMO", "--found-after", FOUND_AFTER_MS])?;
    // The first one founds the document before the second one comes up and joins it: every run has the same outcome.
    let begun = tokio::select! {
        ready = ready(&mut a, first) => ready,
        () = signals.next() => return finish(vec![a], signals).await,
    };
    if let Err(stop) = begun {
        return fail(stop, vec![a], signals).await;
    }
    let mut b = match Child::start("b", place, second, first, &[]) {
        Ok(b) => b,
        Err(stop) => return fail(stop, vec![a], signals).await,
    };
    let begun = tokio::select! {
        ready = ready(&mut b, second) => ready,
        stop = died(&mut a) => Err(stop),
        () = signals.next() => return finish(vec![a, b], signals).await,
    };
    if let Err(stop) = begun {
        return fail(stop, vec![a, b], signals).await;
    }
    if let Err(stop) = data(&place.instructions(first, second)) {
        return fail(stop, vec![a, b], signals).await;
    }
    if opens {
        open(&format!("http://{first}"));
    }
    tokio::select! {
        stop = died(&mut a) => fail(stop, vec![b], signals).await,
        stop = died(&mut b) => fail(stop, vec![a], signals).await,
        () = signals.next() => finish(vec![a, b], signals).await,
    }
}

/// Waits until an instance answers and has its document.
async fn ready(child: &mut Child, address: SocketAddr) -> Result<(), Stop> {
    let asked = async {
        loop {
            let asked = tokio::task::spawn_blocking(move || is_ready(address)).await;
            if asked.unwrap_or(false) {
                return;
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    };
    tokio::select! {
        stop = died(child) => Err(stop),
        asked = tokio::time::timeout(READY_WITHIN, asked) => asked.map_err(|_| {
            let message = format!("instance {} did not come up within {} s", child.name(), READY_WITHIN.as_secs());
            Stop::Error(Error::new(Code::NotReady, message).with_hint("its messages are above"), FAILED)
        }),
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let Ok(client) = Client::new(&crate::native::cli::arguments::Instance::default().at(&format!("http://{address}")))
    else {
        return false;
    };
    let founded = |status: &Value| {
        let mut documents = status.child("documents").and_then(Value::as_list).into_iter().flatten();
        documents.next().and_then(|document| document.child("founded")).and_then(Value::as_bool) == Some(true)
    };
    client.is_ready() && client.status().is_ok_and(|status| founded(&status))
}

/// Waits until an instance ends by itself, which it should not.
async fn died(child: &mut Child) -> Stop {
    let how = child.ended().await;
    let mut message = format!("instance {} ended by itself ({how})", child.name());
    for line in child.last_lines() {
        message.push_str("\n  ");
        message.push_str(&line);
    }
    Stop::Error(Error::new(Code::Internal, message), FAILED)
}

async fn fail(stop: Stop, children: Vec<Child>, signals: Signals) -> Outcome {
    finish(children, signals).await?;
    Err(stop)
}

/// Ends the instances; a second signal ends them at once.
async fn finish(children: Vec<Child>, mut signals: Signals) -> Outcome {
    let ending = children.into_iter().map(|child| tokio::spawn(child.end())).collect::<Vec<_>>();
    let all = async {
        for one in ending {
            // A task that ended early took its instance with it.
            let _ = one.await;
        }
    };
    tokio::select! {
        () = all => {}
        () = signals.next() => {}
    }
    Ok(DONE)
}

fn ensure_free(address: SocketAddr) -> Result<(), Stop> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(Code::Listen, format!("cannot listen on {address}: {}", reason(&error)))
            .with_hint("something else listens there: take another port with `--port`")
            .into()),
    }
}

fn internal(what: &str, error: &std::io::Error) -> Stop {
    Error::new(Code::Internal, format!("{what}: {}", reason(error))).into()
}

/// Opens a page in the user's browser; where that fails the address was printed anyway.
fn open(url: &str) {
    use std::process::{Command, Stdio};
    let (program, leading): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/c", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(leading).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_err() {
        say(format!("no browser could be opened: open {url} yourself"));
    }
}
