//! `confmesh expel` and `confmesh force-sync`, and the members in `confmesh status`.
use clap::Args;

use super::arguments::Instance;
use super::client::Client;
use super::online::{items, plain};
use super::output::{DONE, Outcome, json, say};
use crate::value::Value;

/// How many digits of a replica's id are printed.
const SHOWN_DIGITS: usize = 12;

/// Stops waiting for an instance that is gone for good.
#[derive(Debug, Args)]
#[command(after_help = "\
Where history is dropped (`serve --settle`), every member has to come back now and then.
`confmesh status` lists them: one that will not come back holds up the dropping until it is
expelled. Ask the instance that all others dial: what the member wrote and this instance has
not seen is not taken any more. Should it come back after all, it takes over the document,
makes its unshared writes again, and becomes a member under a new id.

Example:
  confmesh status
  confmesh expel 3fd2a1")]
pub(super) struct Expel {
    /// The member's replica id or its instance's id, or the beginning of one.
    #[arg(value_name = "MEMBER")]
    pub replica: String,
    #[command(flatten)]
    pub instance: Instance,
}

pub(super) fn run_expel(arguments: &Expel, as_json: bool) -> Outcome {
    let answer = Client::new(&arguments.instance)?.expel(&arguments.replica)?;
    if as_json {
        json(&answer)?;
    } else {
        say(format!("{} is expelled; history waits for it no more", plain(answer.child("expelled"))));
    }
    Ok(DONE)
}

/// Compares an instance with all that it is connected to, at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Instances compare themselves every few seconds anyway, and send changes as they happen: this
is for those who do not want to wait.

Example:
  confmesh force-sync")]
pub(super) struct ForceSync {
    #[command(flatten)]
    pub instance: Instance,
}

pub(super) fn run_force_sync(arguments: &ForceSync, as_json: bool) -> Outcome {
    let answer = Client::new(&arguments.instance)?.force_sync()?;
    if as_json {
        json(&answer)?;
    } else {
        say(format!("{} connected instances are asked", plain(answer.child("peers"))));
    }
    Ok(DONE)
}

/// The lines of `confmesh status` about a history that is dropped.
pub(super) fn rows(settling: &Value) -> Vec<Vec<String>> {
    let is = |member: &Value, what: &str| member.child(what).and_then(Value::as_bool) == Some(true);
    let blocking = items(settling, "members").filter(|member| is(member, "blocks")).count();
    let last = match settling.child("last_dropped").and_then(Value::as_str) {
        Some(at) => format!("last dropped {at}"),
        None => "not dropped since the start".to_owned(),
    };
    let waits = if blocking > 0 { format!(", waits for {blocking} of its members") } else { String::new() };
    let held = plain(settling.child("held_writes"));
    let mut rows = vec![vec!["history".to_owned(), format!("{last}; {held} writes held{waits}")]];
    if is(settling, "orphaned") {
        let what =
            "this instance is no member, and no member is connected: what is written here reaches nobody until one is";
        rows.push(vec!["members".to_owned(), what.to_owned()]);
    }
    rows.extend(items(settling, "members").map(|member| {
        let mut what: String = plain(member.child("replica")).chars().take(SHOWN_DIGITS).collect();
        if let Some(instance) = member.child("instance_id").and_then(Value::as_str) {
            what.push_str(&format!(" (instance {instance})"));
        }
        what.push_str(match (is(member, "own"), is(member, "connected"), is(member, "blocks")) {
            (true, ..) => ": this instance",
            (false, true, false) => ": connected, has everything",
            (false, true, true) => ": connected, holds up the dropping: it has not acknowledged everything yet",
            (false, false, _) => ": not connected here, holds up the dropping",
        });
        if let Some(at) = member.child("acknowledged").and_then(Value::as_str) {
            what.push_str(&format!("; last acknowledged {at}"));
        }
        vec!["member".to_owned(), what]
    }));
    rows
}
