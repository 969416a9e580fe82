//! `confmesh history`, `confmesh show`, `confmesh rollback`, and `confmesh diff --version`.
use clap::Args;

use super::arguments::{Diff, Instance};
use super::client::{Client, encode};
use super::online::{items, plain, written};
use super::output::{CORRECTABLE, DONE, Outcome, data, json, table, warn};
use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::path::Path;
use crate::value::Value;

/// How many paths of a version are printed in the list.
const NAMED: usize = 3;

/// How much of the past an instance keeps.
#[derive(Debug, Args)]
pub(in crate::native::cli) struct Keeping {
    /// How many versions of what is shared are kept; 0 keeps none.
    #[arg(long, value_name = "N", default_value_t = crate::history::Budget::default().versions)]
    pub history_versions: usize,
    /// How old a version may get: 90d, 12h, 30m or 45s; older ones go with the next change.
    #[arg(long, value_name = "AGE", default_value = "90d", value_parser = age)]
    pub history_age: u64,
    /// How many bytes versions may take in all.
    #[arg(long, value_name = "N", default_value_t = crate::history::Budget::default().bytes)]
    pub history_bytes: usize,
}

impl Keeping {
    pub fn budget(&self) -> crate::history::Budget {
        crate::history::Budget { versions: self.history_versions, age_ms: self.history_age, bytes: self.history_bytes }
    }
}

/// `90d`, `12h`, `30m` or `45s`, in milliseconds.
fn age(text: &str) -> std::result::Result<u64, String> {
    let units = [("d", 86_400_000_u64), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let found = units.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)));
    let parsed = found.and_then(|(count, ms)| count.parse::<u64>().ok()?.checked_mul(ms));
    parsed.ok_or_else(|| "an age is a number and d, h, m or s, as in 90d".to_owned())
}

/// Lists the versions of what instances share, the newest first: when, who, why, and what changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line is a visible change, numbered by the instance that is asked.

Example: what happened to one value:
  confmesh history app.rate_limit --limit 5")]
pub(in crate::native::cli) struct History {
    /// Only what changed something at this path, above or below.
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// How many are listed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u64,
    #[command(flatten)]
    pub instance: Instance,
}

/// Shows a version: who made it and why, what it changed, and with --document what was shared after it.
#[derive(Debug, Args)]
#[command(after_help = "\
VERSION is a number, a name such as config_20240101120000.json, or a time such as
2024-01-01T12:00:00Z, which is the version that was in force then. Secrets are masked.

Example:
  confmesh show 17")]
pub(in crate::native::cli) struct Show {
    /// The version.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Print the document instead.
    #[arg(long)]
    pub document: bool,
    #[command(flatten)]
    pub instance: Instance,
}

/// Makes what instances share what it was at a version.
#[derive(Debug, Args)]
#[command(after_help = "\
It writes what differs, as an ordinary write: checked, and a version of its own, so that it
can be taken back. Values of files and variables stay. Prints what returns, changes and goes.

Example: see first what it would do, then do it:
  confmesh rollback 17 --path 'app.*' --dry-run
  confmesh rollback 17 --path 'app.*' --message 'the limit was wrong'")]
pub(in crate::native::cli) struct Rollback {
    /// The version, as `confmesh show` takes it.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Only what matches, and all below it.
    #[arg(long, value_name = "PATTERN")]
    pub path: Option<String>,
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Print what it would do, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Only if this is the digest or the hash of the document.
    #[arg(long, value_name = "DIGEST")]
    pub if_hash: Option<String>,
    #[command(flatten)]
    pub instance: Instance,
}

pub(super) fn run_history(arguments: &History, as_json: bool) -> Outcome {
    let mut target = format!("/config/default/versions?limit={}", arguments.limit);
    if let Some(path) = &arguments.path {
        target.push_str("&path=");
        encode(path, &mut target);
    }
    let found = Client::new(&arguments.instance)?.call("GET", &target, None)?;
    if as_json {
        json(&found)?;
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> = items(&found, "versions").map(row).collect();
    data(&table(&rows))?;
    Ok(DONE)
}

fn row(version: &Value) -> Vec<String> {
    let mut paths: Vec<String> = items(version, "changed").take(NAMED).map(|path| plain(Some(path))).collect();
    let more = version.child("count").and_then(Value::as_u64).unwrap_or(0);
    let more = more.saturating_sub(u64::try_from(paths.len()).unwrap_or(u64::MAX));
    if more > 0 {
        paths.push(format!("and {more} more"));
    }
    vec![plain(version.child("id")), plain(version.child("timestamp")), who(version), paths.join(", "), why(version)]
}

/// Who wrote it: the first of those that are named, else what brought it.
fn who(version: &Value) -> String {
    let users: Vec<&str> =
        items(version, "writes").filter_map(|write| write.child("user").and_then(Value::as_str)).collect();
    users.first().map_or_else(|| plain(version.child("cause")), |user| (*user).to_owned())
}

fn why(version: &Value) -> String {
    let messages: Vec<&str> =
        items(version, "writes").filter_map(|write| write.child("message").and_then(Value::as_str)).collect();
    // A row is one line.
    messages.join("; ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn of_version(version: &str) -> String {
    let mut target = "/config/default/versions/".to_owned();
    encode(version, &mut target);
    target
}

pub(super) fn run_show(arguments: &Show, as_json: bool) -> Outcome {
    let found = Client::new(&arguments.instance)?.call("GET", &of_version(&arguments.version), None)?;
    if arguments.document {
        json(found.child("document").unwrap_or(&Value::Null))?;
        return Ok(DONE);
    }
    if as_json {
        json(&found)?;
        return Ok(DONE);
    }
    let nothing = Value::Null;
    let version = found.child("version").unwrap_or(&nothing);
    let mut text = format!("version {} ({})\n", plain(version.child("id")), plain(version.child("name")));
    text.push_str(&format!("  {} by {}\n", plain(version.child("timestamp")), plain(version.child("cause"))));
    for write in items(version, "writes") {
        text.push_str(&format!("  {}", super::online::write_text(write)));
        let message = write.child("message").and_then(Value::as_str);
        text.push_str(&message.map(|message| format!(": {message}\n")).unwrap_or_else(|| "\n".to_owned()));
    }
    text.push_str(&changes_text(&found, "changes"));
    data(&text)?;
    Ok(DONE)
}

/// A line a change, as `confmesh diff` prints them.
fn changes_text(found: &Value, list: &str) -> String {
    table(&items(found, list).map(change_row).collect::<Vec<_>>())
}

fn change_row(change: &Value) -> Vec<String> {
    let side = |name: &str| change.child(name).map(canonical);
    let what = match (side("old"), side("new")) {
        (Some(old), Some(new)) => format!("{old} -> {new}"),
        (old, new) => old.or(new).unwrap_or_default(),
    };
    vec![plain(change.child("op")), format!("{}: {what}", plain(change.child("path")))]
}

/// `confmesh diff --version A [B]`.
pub(super) fn run_diff(arguments: &Diff, as_json: bool) -> Outcome {
    let (from, to) = (&arguments.old, arguments.new.as_deref());
    if arguments.merge_patch
        || arguments.secrecy.schema.is_some()
        || !arguments.secrecy.secrets.is_empty()
        || arguments.reading.input_format.is_some()
    {
        let error =
            Error::new(Code::Usage, "`--version` compares what an instance shared, and takes no options for files");
        return Err(error.with_hint("leave them out; secrets of the instance are masked").into());
    }
    let mut target = "/config/default/compare?before=".to_owned();
    encode(from, &mut target);
    if let Some(to) = to {
        target.push_str("&after=");
        encode(to, &mut target);
    }
    let found = Client::new(&arguments.instance)?.call("GET", &target, None)?;
    if as_json {
        json(&found)?;
    } else {
        data(&changes_text(&found, "changes"))?;
    }
    let differ = items(&found, "changes").next().is_some();
    Ok(if arguments.exit_code && differ { CORRECTABLE } else { DONE })
}

pub(super) fn run_rollback(arguments: &Rollback, as_json: bool) -> Outcome {
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let fields = [
        ("version", Some(arguments.version.as_str().into())),
        ("pattern", text(&arguments.path)),
        ("message", text(&arguments.message)),
        ("if_hash", text(&arguments.if_hash)),
        ("dry_run", arguments.dry_run.then(|| true.into())),
    ];
    let body: Value = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let done = Client::new(&arguments.instance)?.call("POST", "/config/default/rollback", Some(&body))?;
    let lost: Vec<String> = items(&done, "lost").map(|path| format!("`{}`", plain(Some(path)))).collect();
    if !lost.is_empty() {
        let message = format!("{} stays as it is: it is a secret, and nobody kept what it was", lost.join(", "));
        let hint = "start the instance with `--encrypt-key-file FILE`, and secrets of later versions are kept sealed";
        warn(&Error::new(Code::NotFound, message).with_hint(hint), as_json);
    }
    if as_json {
        json(&done)?;
        let receipt = done.child("receipt").filter(|receipt| receipt.as_map().is_some());
        return receipt.map_or(Ok(DONE), |receipt| written(&Path::root(), receipt, "rolled back", false));
    }
    let words =
        if arguments.dry_run { ["would return", "would change", "would go"] } else { ["returns", "changes", "goes"] };
    let lists = ["returns", "changes", "goes"].into_iter().zip(words);
    let rows = lists.flat_map(|(list, word)| {
        items(&done, list).map(move |change| {
            let what = change_row(change).pop().unwrap_or_default();
            vec![word.to_owned(), what]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        data(&format!(
            "nothing differs from version {}\n",
            plain(done.child("version").and_then(|version| version.child("id")))
        ))?;
        return Ok(DONE);
    }
    data(&table(&rows))?;
    let receipt = done.child("receipt").filter(|receipt| receipt.as_map().is_some());
    receipt.map_or(Ok(DONE), |receipt| written(&Path::root(), receipt, "rolled back", false))
}
