//! `confmesh token`: who may come in, kept in an authentication file.
use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{DONE, Outcome, data, json, say, table};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::{Code, Error, Result};
use crate::guard::{Entry, Grant};
use crate::native::guard::{NewToken, new_token, read_table, revoke};
use crate::native::net::Token as Shown;
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
  confmesh token revoke ci --auth auth.toml

JSON Web Tokens that another authority signs are taken where a `[[jwt]]` of the file names it:
see docs/access.md. `confmesh token check` says who a token is.")]
pub(super) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    New(New),
    List(List),
    Check(Check),
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

/// Says who a token is here and what it may do, or why it is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads a token or a JSON Web Token from a file or from stdin, never from the command line,
where others could see it. Exit status: 0 taken, 1 refused.

Example:
  confmesh token check --auth auth.toml < ci.token")]
struct Check {
    /// Where the token stands. Default: stdin.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
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
        Action::Check(check) => run_check(check, as_json),
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
    Ok(rfc3339(now_ms().saturating_add(lasts)))
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The longest text that a token is looked for in.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

fn run_check(arguments: &Check, as_json: bool) -> Outcome {
    let known = read_table(&arguments.file.auth)?;
    let token = match &arguments.token_file {
        Some(file) => Shown::File(file.clone()).read()?.unwrap_or_default(),
        None => {
            let mut text = String::new();
            let read = std::io::stdin().take(MAX_TOKEN_BYTES).read_to_string(&mut text);
            read.map_err(|error| Error::new(Code::File, format!("cannot read stdin: {error}")))?;
            text
        }
    };
    let now = now_ms();
    let grant = known.grant(&known.proof(&token, now)?, now)?;
    let value = grant.to_value();
    match as_json {
        true => json(&value)?,
        false => data(&table(&[HEAD.map(str::to_owned).to_vec(), row(&grant, "this token")]))?,
    }
    Ok(DONE)
}

/// What lists of principals have above them.
const HEAD: [&str; 6] = ["NAME", "ROLES", "PATHS", "DOCUMENTS", "SHOWS", "EXPIRES"];

fn run_list(arguments: &List, as_json: bool) -> Outcome {
    let known = read_table(&arguments.file.auth)?;
    if as_json {
        let listed: Vec<Value> = known.entries().iter().map(|entry| entry.grant.to_value()).collect();
        let issuers: Vec<Value> = known.issuers().map(|(name, _)| name.clone().into()).collect();
        let mut fields = vec![("principals", Value::from(listed))];
        fields.extend((!issuers.is_empty()).then(|| ("issuers", Value::from(issuers))));
        json(&fields.into_iter().collect())?;
        return Ok(DONE);
    }
    let rows = known.entries().iter().map(|entry| row(&entry.grant, &shows(entry)));
    let others = known.issuers().map(|(name, roles)| {
        let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(" ") };
        let all = || "all".to_owned();
        vec!["(others)".to_owned(), roles, all(), all(), format!("a JWT of {name}"), "with it".to_owned()]
    });
    let all: Vec<Vec<String>> = [HEAD.map(str::to_owned).to_vec()].into_iter().chain(rows).chain(others).collect();
    data(&table(&all))?;
    Ok(DONE)
}

/// What somebody comes in with.
fn shows(entry: &Entry) -> String {
    let ways = [
        entry.token.map(|_| "a token".to_owned()),
        entry.san.as_ref().map(ToString::to_string),
        entry.subject.as_ref().map(|subject| format!("a JWT of {} for {}", subject.issuer, subject.name)),
    ];
    ways.into_iter().flatten().collect::<Vec<_>>().join(" or ")
}

fn row(grant: &Grant, shows: &str) -> Vec<String> {
    let value = grant.to_value();
    let listed = |key: &str| {
        let items = value.child(key).and_then(Value::as_list)?;
        Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
    };
    vec![
        grant.principal().to_string(),
        listed("roles").unwrap_or_default(),
        listed("paths").unwrap_or_else(|| "all".to_owned()),
        listed("documents").unwrap_or_else(|| "all".to_owned()),
        shows.to_owned(),
        value.child("expires").and_then(Value::as_str).unwrap_or("never").to_owned(),
    ]
}
