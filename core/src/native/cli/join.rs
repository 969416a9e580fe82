//! `confmesh join` and `confmesh kept`, and what `confmesh status` says of other documents and of what is kept.
use clap::Args;

use super::arguments::Instance;
use super::client::Client;
use super::online::{items, plain};
use super::output::{DONE, Outcome, Stop, data, json, say};
use crate::diff::Change;
use crate::error::{Code, Error};
use crate::native::mesh::adopting::{Sight, lost, nothing_to_join};
use crate::value::Value;

/// Gives the document of an instance up for another one.
#[derive(Debug, Args)]
#[command(after_help = "\
Two documents that were both in use for a while are never merged by themselves: both sides say
`other document` in their status. Decide which one stays, and run this at an instance of the other
one: it and every instance that shares its document take over the one that stays. The two have to
be connected. Without `--yes` nothing is done: it shows what would be lost. Whatever was held
before is kept: see `confmesh kept`.

Example:
  confmesh join --adopt http://10.0.0.7:4733
  confmesh join --adopt http://10.0.0.7:4733 --yes")]
pub(super) struct Join {
    /// An instance that holds the document that stays.
    #[arg(long, value_name = "URL")]
    pub adopt: String,
    /// Do it.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub instance: Instance,
}

pub(super) fn run_join(arguments: &Join, as_json: bool) -> Outcome {
    let here = Client::new(&arguments.instance)?;
    let there = Client::new(&arguments.instance.at(&http_url(&arguments.adopt)))?;
    let genesis = |client: &Client| -> Result<String, Stop> {
        let status = client.status()?;
        let first = items(&status, "documents").next().map(|document| plain(document.child("genesis")));
        Ok(first.unwrap_or_default())
    };
    let (mine, other) = (genesis(&here)?, genesis(&there)?);
    if mine == other {
        return Err(nothing_to_join().into());
    }
    let sight = |client: &Client| -> Result<Sight, Stop> {
        Ok(Sight { value: client.value("")?.unwrap_or_default(), shown: client.shown("")?.unwrap_or_default() })
    };
    let lost: Vec<Value> = lost(&sight(&here)?, &sight(&there)?).iter().map(Change::to_value).collect();
    if arguments.yes {
        here.adopt(&other)?;
    }
    if as_json {
        let fields = [("genesis", other.into()), ("lost", Value::from(lost)), ("done", arguments.yes.into())];
        json(&fields.into_iter().collect())?;
        return Ok(DONE);
    }
    if !arguments.yes {
        for change in &lost {
            let new = change.child("new").map_or_else(|| "nothing".to_owned(), crate::canonical::canonical);
            let old = change.child("old").map(crate::canonical::canonical).unwrap_or_default();
            data(&format!("{}: {old} becomes {new}\n", plain(change.child("path"))))?;
        }
        say(format!("{} values here would be lost; nothing is done yet: `--yes` does it", lost.len()));
        return Ok(DONE);
    }
    say(format!("the document of {} is taken over; what was here is kept: `confmesh kept`", arguments.adopt));
    Ok(DONE)
}

/// Peers are named as they are dialed; commands ask the same listener.
fn http_url(url: &str) -> String {
    let url = url.strip_suffix("/sync").unwrap_or(url);
    match (url.strip_prefix("ws://"), url.strip_prefix("wss://")) {
        (Some(rest), _) => format!("http://{rest}"),
        (_, Some(rest)) => format!("https://{rest}"),
        _ => url.to_owned(),
    }
}

/// Shows what an instance held before other documents took its place.
#[derive(Debug, Args)]
#[command(after_help = "\
What a bound file held before the document of others took its place is kept, and named in
`confmesh status` until somebody confirms that it is not needed. With a number it prints the text.

Example:
  confmesh kept
  confmesh kept 1 > before.yaml
  confmesh kept 1 --confirm")]
pub(super) struct Kept {
    /// Print what is kept under this number.
    #[arg(value_name = "NUMBER")]
    pub id: Option<u64>,
    /// It is not needed any more.
    #[arg(long, requires = "id")]
    pub confirm: bool,
    #[command(flatten)]
    pub instance: Instance,
}

pub(super) fn run_kept(arguments: &Kept, as_json: bool) -> Outcome {
    let client = Client::new(&arguments.instance)?;
    if let (Some(id), true) = (arguments.id, arguments.confirm) {
        let answer = client.confirm_kept(id)?;
        if as_json {
            json(&answer)?;
        } else {
            say(format!("{id} is confirmed"));
        }
        return Ok(DONE);
    }
    let answer = client.kept()?;
    let Some(id) = arguments.id else {
        if as_json {
            json(&answer)?;
        } else {
            for kept in items(&answer, "kept") {
                data(&format!("{}\n", kept_text(kept)))?;
            }
        }
        return Ok(DONE);
    };
    match items(&answer, "kept").find(|kept| kept.child("id").and_then(Value::as_u64) == Some(id)) {
        Some(kept) if as_json => json(kept)?,
        Some(kept) => data(&plain(kept.child("text")))?,
        None => {
            let error = Error::new(Code::NotFound, format!("nothing is kept under the number {id}"));
            return Err(error.with_hint("`confmesh kept` lists what is").into());
        }
    }
    Ok(DONE)
}

fn kept_text(kept: &Value) -> String {
    let why = match plain(kept.child("why")).as_str() {
        "joined" => "the file as it was before this instance joined".to_owned(),
        "given-up" => "the document that was given up".to_owned(),
        _ => "what was here before its document gave way to another one".to_owned(),
    };
    let mut text = format!("{}: {why}, {}", plain(kept.child("id")), plain(kept.child("at")));
    if let Some(file) = kept.child("file").and_then(Value::as_str) {
        text.push_str(&format!(", also as {file}"));
    }
    if let Some(left) = kept.child("left").and_then(Value::as_u64) {
        text.push_str(&format!("; {left} writes in it were made by instances that are not here"));
    }
    text
}

/// The lines of `confmesh status` about other documents and what is kept.
pub(super) fn rows(document: &Value) -> Vec<Vec<String>> {
    let apart = items(document, "apart").map(|apart| {
        let whose = apart
            .child("instance_id")
            .map_or_else(|| "a peer".to_owned(), |id| format!("instance {}", plain(Some(id))));
        vec!["apart".to_owned(), format!("{whose} holds another document ({})", plain(apart.child("genesis")))]
    });
    let kept = items(document, "kept").map(|kept| vec!["kept".to_owned(), kept_text(kept)]);
    apart.chain(kept).collect()
}
