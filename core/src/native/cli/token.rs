//! `confmesh token`: who may come in, kept in an authentication file.
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{DONE, Outcome, data, json, say, table};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::{Code, Error, Result};
use crate::guard::Entry;
use crate::native::guard::{NewToken, new_token, read_table, revoke};
use crate::source::duration_ms;
use crate::value::Value;

/// Makes, lists and revokes the tokens of an authentication file.
#[derive(Debug, Args)]
#[command(after_help = "\
Instances that were started with `confmesh serve --auth FILE` take every change at once:
whoever is revoked is disconnected. The file holds hashes; a token is shown once.

Example:
  confmesh token new ci --role writer --paths 'app.*' --auth auth.toml > ci.token
  confmesh set app.rate 5 --token-file ci.token
  confmesh token revoke ci --auth auth.toml")]
pub(super) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    New(New),
    List(List),
    Revoke(Revoke),
}

/// Prints a new token, once.
#[derive(Debug, Args)]
#[command(after_help = "\
reader reads, without secrets; secret-reader reads them too; writer reads, writes, settles
conflicts and locks; admin may do everything; peer is another instance. A `[[role]]` of the
file with `name` and `verbs` is one more. A pattern grants what it matches and what is below.

Example:
  confmesh token new dashboard --role reader --paths 'app.*' --expires 90d --auth auth.toml")]
struct New {
    /// Who it is for; nobody else in the file has this name.
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do: reader, secret-reader, writer, admin, peer, or a role of the file.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// Only paths that match this pattern, and everything below them. Default: all.
    #[arg(long = "paths", value_name = "PATTERN")]
    paths: Vec<String>,
    /// Only this document; `team-*` is every one that begins so. Default: all.
    #[arg(long = "document", value_name = "NAME")]
    documents: Vec<String>,
    /// When it ends: a time such as 2027-01-01T00:00:00Z, or after 12h or 90d. Default: when it is revoked.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    file: AuthFile,
}

/// Lists who may come in.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh token list --auth auth.toml")]
struct List {
    #[command(flatten)]
    file: AuthFile,
}

/// Takes a token back.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh token revoke ci --auth auth.toml")]
struct Revoke {
    /// Whose.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    file: AuthFile,
}

#[derive(Debug, Args)]
struct AuthFile {
    /// The authentication file: TOML, YAML or JSON, as its name says.
    #[arg(long, value_name = "FILE", env = "CONFMESH_AUTH_FILE")]
    auth: PathBuf,
}

pub(super) fn run_token(arguments: &Token, as_json: bool) -> Outcome {
    match &arguments.action {
        Action::New(new) => run_new(new, as_json),
        Action::List(list) => run_list(list, as_json),
        Action::Revoke(revoked) => {
            revoke(&revoked.file.auth, &revoked.name)?;
            match as_json {
                true => json(&[("revoked", Value::from(revoked.name.as_str()))].into_iter().collect())?,
                false => say(format!("`{}` is revoked", revoked.name)),
            }
            Ok(DONE)
        }
    }
}

fn run_new(arguments: &New, as_json: bool) -> Outcome {
    let new = NewToken {
        name: arguments.name.clone(),
        roles: arguments.roles.clone(),
        paths: arguments.paths.clone(),
        documents: arguments.documents.clone(),
        expires: arguments.expires.as_deref().map(end).transpose()?,
    };
    let token = new_token(&arguments.file.auth, &new)?;
    match as_json {
        true => json(&[("name", new.name.into()), ("token", Value::from(token))].into_iter().collect())?,
        false => {
            data(&format!("{token}\n"))?;
            say("this is the only time that it is shown: keep it in a file that only its user can read");
        }
    }
    Ok(DONE)
}

/// A time, or how long from now.
fn end(text: &str) -> Result<String> {
    if let Some(ms) = parse_rfc3339(text) {
        return Ok(rfc3339(ms));
    }
    let days =
        text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()).and_then(|days| days.checked_mul(86_400_000));
    let lasts = days.or_else(|| duration_ms(text)).filter(|ms| *ms > 0 && *ms < 100 * 366 * 86_400_000);
    let lasts = lasts.ok_or_else(|| {
        Error::new(Code::Usage, format!("`{text}` is no time")).with_hint("write 2027-01-01T00:00:00Z, 12h or 90d")
    })?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(rfc3339(u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_add(lasts)))
}

fn run_list(arguments: &List, as_json: bool) -> Outcome {
    let known = read_table(&arguments.file.auth)?;
    let entries = known.entries().iter().map(|entry| (entry, entry.grant.to_value()));
    if as_json {
        let listed: Vec<Value> = entries.map(|(_, value)| value).collect();
        json(&[("principals", Value::from(listed))].into_iter().collect())?;
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> = entries.map(|(entry, value)| row(entry, &value)).collect();
    let head = ["NAME", "ROLES", "PATHS", "DOCUMENTS", "SHOWS", "EXPIRES"].map(str::to_owned).to_vec();
    data(&table(&[vec![head], rows].concat()))?;
    Ok(DONE)
}

fn row(entry: &Entry, value: &Value) -> Vec<String> {
    let listed = |key: &str| {
        let items = value.child(key).and_then(Value::as_list)?;
        Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
    };
    let shows = match (&entry.token, &entry.san) {
        (Some(_), Some(san)) => format!("a token or {san}"),
        (Some(_), None) => "a token".to_owned(),
        (None, san) => san.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    vec![
        entry.grant.principal().to_string(),
        listed("roles").unwrap_or_default(),
        listed("paths").unwrap_or_else(|| "all".to_owned()),
        listed("documents").unwrap_or_else(|| "all".to_owned()),
        shows,
        value.child("expires").and_then(Value::as_str).unwrap_or("never").to_owned(),
    ]
}
