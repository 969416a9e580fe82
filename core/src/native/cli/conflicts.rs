//! `confmesh conflicts`, `confmesh resolve` and `confmesh audit`.
use clap::Args;

use super::arguments::Instance;
use super::client::Client;
use super::offline::argument_value;
use super::online::{items, plain, written};
use super::output::{DONE, Outcome, Stop, data, json, warn};
use super::terms::Terms;
use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::path::Path;
use crate::value::Value;

/// How many digits of a conflict's id are printed.
const SHOWN_DIGITS: usize = 12;

/// Lists what was written at the same time in different ways and waits for a decision.
#[derive(Debug, Args)]
#[command(after_help = "\
Under the rule manual_resolution somebody has to decide; --all also lists what other rules
decided, so that nothing is lost unseen.

Example:
  confmesh conflicts --all")]
pub(super) struct Conflicts {
    /// Also list what a rule decided.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub instance: Instance,
}

/// Names on every instance who is to decide a conflict.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh assign 3fd2a1 ann")]
pub(super) struct Assign {
    /// The conflict's id, or its beginning.
    #[arg(value_name = "ID")]
    pub id: String,
    /// The person; without one it is left to anybody.
    #[arg(value_name = "USER")]
    pub user: Option<String>,
    #[command(flatten)]
    pub instance: Instance,
}

/// Settles a conflict on every instance.
#[derive(Debug, Args)]
#[command(after_help = "\
ID is the beginning of what `confmesh conflicts` prints. A side that arrives later opens the
conflict again, under another id.

Example: take the second side that is listed, or write something else:
  confmesh resolve 3fd2a1 --take 1
  confmesh resolve 3fd2a1 --value 150")]
pub(super) struct Resolve {
    /// The conflict's id, or its beginning.
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub choice: Choice,
    /// Who you are, for those who look at conflicts.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    #[command(flatten)]
    pub instance: Instance,
}

/// Prints how conflicts ended, and what came from elsewhere and became of it.
#[derive(Debug, Args)]
#[command(after_help = "\
One JSON object a line, oldest first: `conflict_resolved`, `save_merged`, `remote_applied`,
`remote_rejected` or `lock_forced`.
The instance keeps the newest 1024; its log has them all.

Example:
  confmesh audit | grep conflict_resolved")]
pub(super) struct Audit {
    #[command(flatten)]
    pub instance: Instance,
}

/// How a conflict is settled.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Choice {
    /// Take the side with this number.
    #[arg(long, value_name = "N")]
    pub take: Option<usize>,
    /// Write this value: JSON, or else a text.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub value: Option<String>,
    /// Keep what the document shows now.
    #[arg(long)]
    pub keep: bool,
    /// Remove the path.
    #[arg(long)]
    pub remove: bool,
}

pub(super) fn run_conflicts(arguments: &Conflicts, as_json: bool) -> Outcome {
    let found = Client::new(&arguments.instance)?.conflicts(arguments.all)?;
    if as_json {
        json(&found)?;
    } else {
        data(&text(&found))?;
    }
    Ok(DONE)
}

pub(super) fn run_audit(arguments: &Audit, as_json: bool) -> Outcome {
    let trail = Client::new(&arguments.instance)?.audit()?;
    if as_json {
        json(&trail)?;
    } else {
        let lines = items(&trail, "entries").map(|entry| canonical(entry) + "\n");
        data(&lines.collect::<String>())?;
    }
    Ok(DONE)
}

/// A paragraph a conflict; nothing where there is none.
fn text(found: &Value) -> String {
    let mut text = String::new();
    for conflict in items(found, "conflicts") {
        let shown = conflict.child("shown").map_or_else(|| "nothing".to_owned(), canonical);
        let open = plain(conflict.child("status")) == "pending_manual_resolution";
        let state = match open {
            true => "waits for a decision",
            false if plain(conflict.child("status")) == "closed" => "was closed by a later write",
            false => "was decided",
        };
        let assigned = conflict.child("assigned_to").and_then(Value::as_str);
        text.push_str(&format!(
            "{}  {} {state}{} ({}); it shows {shown}{}\n",
            short(&plain(conflict.child("id"))),
            plain(conflict.child("path")),
            assigned.map(|user| format!(" by {user}")).unwrap_or_default(),
            plain(conflict.child("strategy")),
            lost(conflict),
        ));
        for (at, side) in items(conflict, "sides").enumerate() {
            let value = side.child("value").map_or_else(|| "removed".to_owned(), canonical);
            let user = side.child("user").and_then(Value::as_str).map(|user| format!(" by {user}")).unwrap_or_default();
            let in_force = side.child("in_force").and_then(Value::as_bool) == Some(true);
            text.push_str(&format!(
                "  {at}: {value}, written {}{user}{}{}\n",
                plain(side.child("timestamp")),
                if in_force { ", in force" } else { "" },
                lost(side)
            ));
        }
    }
    text
}

/// How many conditional writes a conflict, or a side of it, cost; nothing where none.
fn lost(found: &Value) -> String {
    let or_more = if found.child("or_more").and_then(Value::as_bool) == Some(true) { " or more" } else { "" };
    match found.child("lost_updates").and_then(Value::as_u64) {
        None => String::new(),
        Some(1) if or_more.is_empty() => "; 1 update is lost".to_owned(),
        Some(updates) => format!("; {updates}{or_more} updates are lost"),
    }
}

fn short(id: &str) -> String {
    digits(id).chars().take(SHOWN_DIGITS).collect()
}

fn digits(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

pub(super) fn run_assign(arguments: &Assign, as_json: bool) -> Outcome {
    let client = Client::new(&arguments.instance)?;
    let (id, _) = find(&client.conflicts(false)?, &arguments.id)?;
    let receipt = client.assign(&id, &arguments.user.as_deref().map_or(Value::Null, Value::from))?;
    if as_json {
        json(&receipt)?;
    }
    Ok(DONE)
}

pub(super) fn run_resolve(arguments: &Resolve, as_json: bool) -> Outcome {
    let client = Client::new(&arguments.instance)?;
    let (id, path) = find(&client.conflicts(true)?, &arguments.id)?;
    let choice = &arguments.choice;
    let (field, value) = match (choice.take, &choice.value, choice.keep) {
        (Some(at), ..) => ("take", u64::try_from(at).unwrap_or(u64::MAX).into()),
        (None, Some(text), _) => {
            let (value, warning) = argument_value(text)?;
            if let Some(warning) = warning {
                warn(&warning, as_json);
            }
            ("value", value)
        }
        (None, None, true) => ("keep", true.into()),
        (None, None, false) => ("remove", true.into()),
    };
    let terms = Terms { user: arguments.user.clone(), ..Terms::default() };
    let receipt = client.resolve(&id, &[(field, value)].into_iter().collect(), &terms)?;
    written(&path, &receipt, "settled", as_json)
}

/// The one conflict whose id begins so, with its path.
fn find(found: &Value, wanted: &str) -> Result<(String, Path), Stop> {
    let wanted = digits(wanted);
    let mut matching = items(found, "conflicts")
        .map(|conflict| (plain(conflict.child("id")), plain(conflict.child("path"))))
        .filter(|(id, _)| !wanted.is_empty() && digits(id).starts_with(wanted));
    match (matching.next(), matching.next()) {
        (Some((id, path)), None) => Ok((id, Path::parse(&path)?)),
        (Some(_), Some(_)) => {
            let error = Error::new(Code::Usage, format!("`{wanted}` is the beginning of several ids"));
            Err(error.with_hint("name more of it").into())
        }
        (None, _) => Err(Error::new(Code::NotFound, format!("there is no conflict `{wanted}` (any more)"))
            .with_hint("see `confmesh conflicts --all`")
            .into()),
    }
}
