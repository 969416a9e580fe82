//! `confmesh lock`: a command that runs while a lock is held, and what else there is to do with locks.
#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod run;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::arguments::{Instance, milliseconds};
use super::client::{Client, encode};
use super::online::{items, plain};
use super::output::{DONE, Outcome, Stop, data, json, say, table};
use crate::error::{Code, Error};
use crate::value::Value;

/// Runs a command while a lock on paths of the document is held, and stops it before somebody else can get it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
The lock is renewed while COMMAND runs. Where it cannot be, as when the instance is gone, COMMAND and what
it started in its process group are killed before the lock can be given to anybody else; so they are when
this command dies or is stopped. COMMAND finds the token in CONFMESH_FENCE, which `confmesh set` and
`unset` take from there, and the pattern in CONFMESH_LOCK. A resource of your own is safe only where it
checks the token: see docs/locks.md.

Exit status: that of COMMAND (128 and the signal that ended it), 1 where the lock was not got, 2 where it
was lost and COMMAND was stopped, 126 or 127 where COMMAND could not be started.

Example:
  confmesh lock 'db.*' --ttl 30s --wait 10s -- ./migrate.sh
  confmesh lock list
  confmesh lock force-release 'db.*' --reason 'the host is gone'"
)]
pub(super) struct Lock {
    #[command(subcommand)]
    action: Option<Action>,
    /// The paths that the lock covers: `db` is exactly `db`, `db.*` everything below. They need not exist.
    #[arg(value_name = "PATTERN", required = true)]
    key: Option<String>,
    /// How long the lock is held without being renewed: 30s, or milliseconds; from 1s to 10m.
    #[arg(long, value_name = "TIME", default_value = "30000", value_parser = milliseconds)]
    ttl: u64,
    /// How long to wait while others hold it. Default: not at all.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = milliseconds)]
    wait: u64,
    /// Who holds it, for those who look. Default: the user and this process.
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    #[command(flatten)]
    instance: Instance,
    /// What to run, and its arguments.
    #[arg(last = true, value_name = "COMMAND", required = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Release(Release),
    ForceRelease(ForceRelease),
    Authority(Authority),
    #[command(hide = true)]
    Guard(Guard),
}

/// Lists who holds locks, and who grants them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh lock list")]
struct List {
    #[command(flatten)]
    instance: Instance,
}

/// Ends a lock that was got over HTTP, by its token and session.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh lock release 'db.*' --token 1099511627777 --session 7f3a…")]
struct Release {
    /// The paths that it covers, as it is listed.
    #[arg(value_name = "PATTERN")]
    key: String,
    /// The token of the lock. Default: the variable CONFMESH_FENCE holds it.
    #[arg(long, value_name = "TOKEN", env = "CONFMESH_FENCE")]
    token: String,
    /// The session that it was given to.
    #[arg(long, value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    instance: Instance,
}

/// Takes a lock from whoever holds it. Who did, and why, is in `confmesh audit` of the instance that grants.
#[derive(Debug, Args)]
#[command(after_help = "\
The holder is not asked. A command that `confmesh lock` runs is stopped when it next renews; until then
two may run, and the token alone tells them apart.

Example:
  confmesh lock force-release 'db.*' --reason 'the host is gone'")]
struct ForceRelease {
    /// The paths that it covers, as it is listed.
    #[arg(value_name = "PATTERN")]
    key: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    instance: Instance,
}

/// Shows which instance grants locks, or lets this one do it where that one is gone for good.
#[derive(Debug, Args)]
#[command(after_help = "\
Where locks may be held that this instance has not heard of, it grants none for ten minutes after it took
over. If the other one lives on where it cannot be reached, both grant until they meet, and only the tokens
tell their locks apart: take over only where it is gone.

Example:
  confmesh lock authority
  confmesh lock authority --take --yes")]
struct Authority {
    /// Take over.
    #[arg(long, requires = "yes")]
    take: bool,
    /// The other one is gone for good.
    #[arg(long, requires = "take")]
    yes: bool,
    #[command(flatten)]
    instance: Instance,
}

/// The process that watches over a command.
#[derive(Debug, Args)]
struct Guard {
    socket: PathBuf,
    #[command(flatten)]
    instance: Instance,
}

pub(super) fn run_lock(arguments: &Lock, as_json: bool) -> Outcome {
    match &arguments.action {
        Some(Action::List(list)) => run_list(list, as_json),
        Some(Action::Release(release)) => {
            let query = [("token", release.token.as_str()), ("session", &release.session)];
            let reply = ask(&release.instance, "DELETE", &target(&release.key, "", &query))?;
            told(&reply, as_json, |key| format!("the lock on `{key}` is released"))
        }
        Some(Action::ForceRelease(force)) => {
            let query = [("reason", force.reason.as_str())];
            let reply = ask(&force.instance, "POST", &target(&force.key, "/force-release", &query))?;
            let holder = plain(reply.child("holder"));
            told(&reply, as_json, |key| format!("the lock on `{key}` is taken from `{holder}`"))
        }
        Some(Action::Authority(authority)) => run_authority(authority, as_json),
        #[cfg(unix)]
        Some(Action::Guard(guard)) => guard::watch_over(&guard.socket, &guard.instance),
        #[cfg(unix)]
        None => run::run(arguments, as_json),
        #[cfg(not(unix))]
        _ => Err(Error::new(Code::Usage, "a command can be run under a lock on Unix only")
            .with_hint("ask for the lock over HTTP: `POST /locks/PATTERN`")
            .into()),
    }
}

fn ask(instance: &Instance, method: &str, target: &str) -> Result<Value, Stop> {
    Client::new(instance)?.call(method, target, None)
}

fn told(reply: &Value, as_json: bool, words: impl Fn(&str) -> String) -> Outcome {
    if as_json {
        json(reply)?;
    } else {
        say(words(&plain(reply.child("key"))));
    }
    Ok(DONE)
}

/// The route of a lock.
fn target(key: &str, what: &str, query: &[(&str, &str)]) -> String {
    let mut target = "/locks/".to_owned();
    encode(key, &mut target);
    target.push_str(what);
    for (at, (name, value)) in query.iter().enumerate() {
        target.push_str(&format!("{}{name}=", if at == 0 { '?' } else { '&' }));
        encode(value, &mut target);
    }
    target
}

fn run_list(list: &List, as_json: bool) -> Outcome {
    let reply = ask(&list.instance, "GET", "/locks")?;
    if as_json {
        json(&reply)?;
        return Ok(DONE);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for lock in items(&reply, "locks") {
        let left = lock.child("expires_in_ms").and_then(Value::as_u64).unwrap_or(0).div_ceil(1_000);
        let text = |name: &str| plain(lock.child(name));
        rows.push(vec![text("key"), text("holder"), format!("token {}", text("token")), format!("ends in {left} s")]);
    }
    if rows.is_empty() {
        say("nobody holds a lock");
    } else {
        data(&table(&rows))?;
    }
    Ok(DONE)
}

fn run_authority(authority: &Authority, as_json: bool) -> Outcome {
    let client = Client::new(&authority.instance)?;
    let found = match authority.take {
        true => Some(client.call("POST", "/lock-authority", None)?),
        false => client.call("GET", "/locks", None)?.child("authority").filter(|found| **found != Value::Null).cloned(),
    };
    let Some(found) = found else {
        let error = Error::new(Code::NotFound, "nobody has granted a lock of this document yet");
        return Err(error.with_hint("the instance that founded it grants the first").into());
    };
    if as_json {
        json(&found)?;
    } else {
        let (instance, epoch) = (plain(found.child("instance_id")), plain(found.child("epoch")));
        data(&format!("instance {instance} grants the locks, in epoch {epoch}\n"))?;
    }
    Ok(DONE)
}
