//! `confmesh repair`: the way out of a document with authors or members that nobody is.
use clap::Args;

use super::arguments::Instance;
use super::client::Client;
use super::online::{items, plain};
use super::output::{DONE, Outcome, data, json, say};
use crate::value::Value;

/// How many authors are printed.
const SHOWN: usize = 20;

/// Removes authors and members that nobody is from a document.
#[derive(Debug, Args)]
#[command(after_help = "\
Authors that hold no write (dead ones, or some that somebody made up) cost every instance memory and
messages, members that nobody lives as hold up the dropping of history, and a document without a
living member takes writes that reach nobody. Without `--yes` nothing is done: it shows what would
be removed. Then the document goes on as another one, with the same content, no history, and this
instance as its first member. Every instance that shares it follows as soon as it is connected, and
makes again what it wrote meanwhile. One that was away keeps what it had aside where that differs:
see `confmesh kept`. Settle open conflicts first: `confmesh conflicts`. Run it at one instance only.

Example:
  confmesh repair
  confmesh repair --yes")]
pub(super) struct Repair {
    /// Do it.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub instance: Instance,
}

pub(super) fn run_repair(arguments: &Repair, as_json: bool) -> Outcome {
    let client = Client::new(&arguments.instance)?;
    if arguments.yes {
        let answer = client.repair()?;
        if as_json {
            json(&answer)?;
        } else {
            let (authors, members) = (plain(answer.child("authors_removed")), plain(answer.child("members_removed")));
            say(format!("{authors} authors and {members} members are removed; the others follow: `confmesh status`"));
        }
        return Ok(DONE);
    }
    let plan = client.repair_plan()?;
    if as_json {
        json(&plan)?;
        return Ok(DONE);
    }
    for author in items(&plan, "idle_authors").take(SHOWN) {
        let (name, writes, why) = (author.child("author"), author.child("writes"), author.child("why"));
        data(&format!("author {}: {} writes, {}\n", plain(name), plain(writes), plain(why)))?;
    }
    for member in items(&plan, "members") {
        let mut text = format!("member {}", plain(member.child("replica")));
        if let Some(instance) = member.child("instance_id").and_then(Value::as_str) {
            text.push_str(&format!(" (instance {instance})"));
        }
        text.push_str(&format!(": {}", plain(member.child("why"))));
        if let Some(at) = member.child("acknowledged").and_then(Value::as_str) {
            text.push_str(&format!("; last acknowledged {at}"));
        }
        data(&format!("{text}\n"))?;
    }
    let idle = plan.child("idle").and_then(Value::as_u64).unwrap_or(0);
    let members = items(&plan, "members").count();
    if plan.child("orphaned").and_then(Value::as_bool) == Some(true) {
        say("no living member is left: this instance would be one");
    }
    for path in items(&plan, "undecided") {
        say(format!("`{}` waits for a decision first: `confmesh conflicts`", plain(Some(path))));
    }
    for instance in items(&plan, "behind") {
        say(format!("instance {} has not acknowledged everything yet", plain(Some(instance))));
    }
    let authors = plain(plan.child("authors"));
    say(format!(
        "{idle} of {authors} authors and {members} members would be removed; nothing is done yet: `--yes` does it"
    ));
    Ok(DONE)
}
