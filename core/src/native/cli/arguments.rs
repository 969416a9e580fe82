//! What can be said on the command line. The help texts are the manual: each command teaches with one example.
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::access::Access;
use super::conflicts::{Assign, Audit, Conflicts, Resolve};
use super::doctor::Doctor;
use super::join::{Join, Kept};
use super::key::Key;
use super::members::{Expel, ForceSync};
use super::rebuild::Rebuild;
use super::repair::Repair;
use super::terms::Terms;
use super::token::Token;
use crate::format::Format;
use crate::schema::ReferenceStyle;

/// The address that every command talks to when none is named.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8765";

/// Merges configuration from many places, explains every value, and keeps every instance in agreement.
#[derive(Debug, Parser)]
#[command(
    name = "confmesh",
    version,
    disable_help_subcommand = true,
    after_help = "\
Start here:
  confmesh merge base.json local.yaml    one document out of many, the later file wins
  confmesh serve --bind config.json      share a file and show it at http://127.0.0.1:8765
  confmesh demo                          two instances on this machine, to play with

stdout carries data only. Exit status: 0 done, 1 something to correct,
2 a failure of confmesh or the system, 3 written but not in force on this instance."
)]
pub(super) struct Arguments {
    /// Print data, and errors, as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Merge(Merge),
    Hash(Hash),
    Diff(Diff),
    Patch(Patch),
    Fmt(Fmt),
    Validate(Validate),
    Schema(SchemaReference),
    Init(Init),
    Explain(Explain),
    Serve(Box<Serve>),
    Get(Get),
    Set(Set),
    Unset(Unset),
    Watch(Watch),
    Status(Status),
    Conflicts(Conflicts),
    Assign(Assign),
    Resolve(Resolve),
    Audit(Audit),
    Expel(Expel),
    Join(Join),
    Kept(Kept),
    ForceSync(ForceSync),
    Repair(Repair),
    Rebuild(Rebuild),
    Token(Token),
    Key(Key),
    Doctor(Doctor),
    Demo(Demo),
}

/// How files are read.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// The format of every FILE: json, jsonc, json5, yaml, toml, ini, properties or dotenv. Default: what
    /// `FILE;format=NAME` says, else its name; `-` is json.
    #[arg(long, value_name = "FORMAT", value_parser = format_name)]
    pub input_format: Option<Format>,
}

/// How layers become one document.
#[derive(Debug, Args)]
pub(super) struct Composing {
    /// Let the variables that start with PREFIX_ win over every file (`__` nests). `PREFIX;mode=known` takes those whose key a
    /// schema or a file has (with a schema the default), `;mode=all` every one, `;mode=strict` refuses the others.
    #[arg(long, value_name = "PREFIX")]
    pub env: Option<String>,
    /// Add a source: file:PATH, dotenv:PATH, env:PREFIX, http://…, https://… or exec:COMMAND, with options behind `;` such as
    /// `priority=35`, `interval=10s`, `format=yaml`, `optional`, `secret`, `token-env=NAME`, `timeout=5s`, `stale-after=1m`.
    #[arg(long = "source", value_name = "SPEC")]
    pub sources: Vec<String>,
    /// Hold the document to this schema: its types for variables, its defaults below every file, its rules.
    #[arg(long, value_name = "SCHEMA")]
    pub schema: Option<String>,
    /// Lay what a file holds below `profiles.NAME` over the rest of that file; the later one wins.
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Replace `${path}` in texts, and `${env:NAME}` of the named variables (`--interpolate=HOST,APP_*`) in files of this
    /// instance.
    #[arg(long, value_name = "NAME,…", num_args = 0..=1, require_equals = true, default_missing_value = "", value_delimiter = ',')]
    pub interpolate: Option<Vec<String>>,
    /// How values merge: override, merge_dict, deep_merge, append_list, union_set or keyed_list:KEY; or `quiet`, for no
    /// warnings about what is ambiguous or repeated there; or `removals`, for markers of files there that take values out.
    #[arg(long = "rule", value_name = "PATTERN=STRATEGY")]
    pub rules: Vec<String>,
    /// Mask the values of these paths, and what refers to them.
    #[arg(long = "secret", value_name = "PATTERN")]
    pub secrets: Vec<String>,
}

/// What is masked where two documents are compared or one is patched.
#[derive(Debug, Args)]
pub(super) struct Secrecy {
    /// Mask the values that this schema calls secret.
    #[arg(long, value_name = "SCHEMA")]
    pub schema: Option<String>,
    /// Mask the values of these paths.
    #[arg(long = "secret", value_name = "PATTERN")]
    pub secrets: Vec<String>,
}

/// Which instance is asked.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Instance {
    /// The instance to talk to.
    #[arg(long, value_name = "URL", env = "CONFMESH_URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// The file with the token that is shown to it. Default: the variable CONFMESH_TOKEN holds it.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The certificates that are trusted where the URL begins with https. Default: those of the system.
    #[arg(long, value_name = "FILE", env = "CONFMESH_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
}

impl Instance {
    /// Another one that the same is shown to.
    pub fn at(&self, url: &str) -> Instance {
        Instance { url: url.to_owned(), ..self.clone() }
    }
}

/// Prints one document merged from many files and the environment.
#[derive(Debug, Args)]
#[command(after_help = "\
The later file wins: the last one has priority 30, each before it one more.

Example: maps unite key by key, the tags are joined, DEMO_DB__HOST sets db.host:
  confmesh merge base.json local.yaml --env DEMO --rule 'app.tags=union_set'")]
pub(super) struct Merge {
    /// The files, the most important last; `-` is stdin.
    #[arg(required_unless_present = "sources", value_name = "FILE")]
    pub files: Vec<String>,
    /// The format to print.
    #[arg(long, value_enum, default_value_t = Printed::Json)]
    pub format: Printed,
    /// Print where each value comes from instead of the document.
    #[arg(long)]
    pub explain: bool,
    /// Print secrets as they are instead of `***`.
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub composing: Composing,
    #[command(flatten)]
    pub reading: Reading,
}

/// A format that documents are printed in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Printed {
    Json,
    Yaml,
    Toml,
}

impl Printed {
    pub fn format(self) -> Format {
        match self {
            Printed::Json => Format::Json,
            Printed::Yaml => Format::Yaml,
            Printed::Toml => Format::Toml,
        }
    }
}

/// Prints the content hash of a document: equal in every format and key order.
#[derive(Debug, Args)]
#[command(after_help = "\
The hash is the SHA-256 of the canonical form (RFC 8785).

Example: the same document in two formats has one hash:
  confmesh hash config.yaml && confmesh merge config.yaml | confmesh hash -")]
pub(super) struct Hash {
    /// The document; `-` is stdin.
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Print the canonical form itself, without a newline.
    #[arg(long)]
    pub canonical: bool,
    #[command(flatten)]
    pub reading: Reading,
}

/// Shows what differs between two documents, whatever their formats.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: make a patch and apply it:
  confmesh diff old.json new.yaml --json > change.json
  confmesh patch old.json change.json")]
pub(super) struct Diff {
    /// The old document; `-` is stdin.
    #[arg(value_name = "A")]
    pub old: String,
    /// The new document; `-` is stdin.
    #[arg(value_name = "B")]
    pub new: String,
    /// Print a merge patch (RFC 7396); --json prints a JSON Patch (RFC 6902).
    #[arg(long)]
    pub merge_patch: bool,
    /// Exit with 0 where both are equal, 1 where they differ, 2 on any error.
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub secrecy: Secrecy,
    #[command(flatten)]
    pub reading: Reading,
}

/// Applies a JSON Patch (RFC 6902) to a document and prints the result.
#[derive(Debug, Args)]
#[command(after_help = "\
A patch applies as a whole or not at all; the files stay as they are.

Example:
  echo '{\"rate_limit\": 200}' | confmesh patch config.json - --merge-patch")]
pub(super) struct Patch {
    /// The document; `-` is stdin.
    #[arg(value_name = "DOC")]
    pub document: String,
    /// The patch; `-` is stdin.
    #[arg(value_name = "PATCH")]
    pub patch: String,
    /// PATCH is a merge patch (RFC 7396).
    #[arg(long)]
    pub merge_patch: bool,
    /// Change DOC in place instead of printing the result; comments, order and layout stay.
    #[arg(long)]
    pub in_place: bool,
    #[command(flatten)]
    pub secrecy: Secrecy,
    #[command(flatten)]
    pub reading: Reading,
}

/// Tidies files: no blanks at the ends of lines, one kind of line breaks, one at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
No value, comment or order changes. Prints the names of the files that were not tidy.

Example: exit status 1 where a file is not tidy, and nothing is written:
  confmesh fmt --check config.yaml app.toml")]
pub(super) struct Fmt {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Write nothing: exit status 1 where a file is not tidy.
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub reading: Reading,
}

/// Checks files and lists every problem with its place.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 1 where any file has a problem. Types that clash between files are told as
warnings. With a schema, a profile or references the result of the merge is checked too.

Example:
  confmesh validate base.json local.yaml --schema schema.yaml --env DEMO")]
pub(super) struct Validate {
    /// The files; `-` is stdin.
    #[arg(required_unless_present = "sources", value_name = "FILE")]
    pub files: Vec<String>,
    #[command(flatten)]
    pub composing: Composing,
    #[command(flatten)]
    pub reading: Reading,
}

/// Prints the reference of a schema: every field, its type, default, variable and rules.
#[derive(Debug, Args)]
#[command(after_help = "\
A schema is a file in the compact form (a map with `fields`) or a JSON Schema document.

Example:
  confmesh schema schema.yaml --format markdown --output CONFIGURATION.md
  confmesh schema schema.yaml --format json-schema --output app.schema.json")]
pub(super) struct SchemaReference {
    /// The schema; `-` is stdin.
    #[arg(value_name = "SCHEMA")]
    pub schema: String,
    /// The style: human, json, yaml, markdown, or json-schema for editors. Default: human.
    #[arg(long, value_name = "STYLE", value_parser = style_name)]
    pub format: Option<ReferenceStyle>,
    /// Only the fields of this category.
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    /// Only the fields that a variable sets.
    #[arg(long)]
    pub env_only: bool,
    /// Show the defaults of secrets.
    #[arg(long)]
    pub show_sensitive: bool,
    /// Write to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub reading: Reading,
}

/// Prints a file to start from, made of a schema's defaults and descriptions.
#[derive(Debug, Args)]
#[command(after_help = "\
A file that exists is never overwritten.

Example:
  confmesh init schema.yaml --format toml --output config.toml")]
pub(super) struct Init {
    /// The schema; `-` is stdin.
    #[arg(value_name = "SCHEMA")]
    pub schema: String,
    /// The format to write.
    #[arg(long, value_enum, default_value_t = Printed::Json)]
    pub format: Printed,
    /// Write to this new file instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub reading: Reading,
}

/// Tells why a value is what it is: who set it, where, and what it overrides.
#[derive(Debug, Args)]
#[command(after_help = "\
With files it merges them as `confmesh merge` does; without any it asks the running instance.

Example:
  confmesh explain app.rate_limit base.json local.yaml --env DEMO")]
pub(super) struct Explain {
    /// The path, such as app.rate_limit or /app/rate_limit.
    #[arg(value_name = "PATH")]
    pub path: String,
    /// The files, the most important last; `-` is stdin.
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    #[command(flatten)]
    pub composing: Composing,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub instance: Instance,
}

/// Runs an instance: shares the document `default` with its peers and shows it on a page.
#[derive(Debug, Args)]
#[command(after_help = "\
The bound file mirrors what is shared: edit it, and every instance follows; set a value
elsewhere, and it is written here with your comments kept. Ctrl-C ends it cleanly.

An address that other machines can reach needs TLS and authentication: `confmesh token --help`.

Example: two machines that share one file:
  confmesh token new b --role peer --auth auth.toml > peer.token
  confmesh serve --bind config.json --listen 10.0.0.7:8765 --auth auth.toml --tls-cert a.pem --tls-key a.key
  confmesh serve --bind config.json --peer wss://10.0.0.7:8765/sync --token-file peer.token --tls-ca ca.pem")]
pub(super) struct Serve {
    /// The file that mirrors the document; it is created when the document gets content. FILE;format=NAME says what it is
    /// where its name does not.
    #[arg(long, value_name = "FILE")]
    pub bind: Option<PathBuf>,
    /// An address to listen on; port 0 takes a free one. Default: 127.0.0.1:8765.
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// Another instance, such as wss://10.0.0.7:8765/sync, or ws:// on this machine; it may come up later.
    #[arg(long = "peer", value_name = "URL")]
    pub peers: Vec<String>,
    #[command(flatten)]
    pub composing: Composing,
    /// Where the instance remembers. Default: .NAME.confmesh beside the bound file NAME, else ./.confmesh.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A file that counts less than what is shared, on this instance only; the later one wins.
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The rules by pattern: a list of maps with `pattern` and `merge`, `conflict`, `meanwhile`, `stale`, `atomic` or `secret`.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<String>,
    /// How long a new instance looks for its peers before it starts from its own file, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 3_000)]
    pub found_after: u64,
    /// How long a document has to be in use until it never gives way to another one by itself, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 600_000)]
    pub old_after: u64,
    /// After how long without being in step with another instance, or with a source that stays broken, this one is not
    /// ready, in milliseconds. Default: never.
    #[arg(long, value_name = "MS")]
    pub stale_after: Option<u64>,
    /// How the lines of the log look, text or json. Default: what CONFMESH_LOG_FORMAT says, else text.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// If the document begins here, drop its history once every instance has it: all must come back now and then.
    #[arg(long)]
    pub settle: bool,
    /// The file of keys that seal, in the data directory, documents of sources that hold secrets; without it they are not kept.
    #[arg(long, value_name = "FILE", env = "CONFMESH_ENCRYPT_KEY_FILE")]
    pub encrypt_key_file: Option<PathBuf>,
    /// Take webhooks (POST /webhook/config) that are signed with one of the secrets in FILE, one a line, NAME=SECRET. The
    /// variable CONFMESH_WEBHOOK_SECRET names more of them, by comma. Without any none are taken.
    #[arg(long, value_name = "FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// What webhooks may write; empty: nothing. Default: everything.
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    pub webhook_paths: Option<Vec<String>>,
    /// Let pages of this origin follow and change the document: https://app.example, http://localhost:*
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub allow_origins: Vec<String>,
    /// Let the instance be called by this name: config.example, *.example. Addresses always work.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub allow_hosts: Vec<String>,
    #[command(flatten)]
    pub access: Access,
    /// End when stdin ends: a parent that dies takes this instance with it.
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// Prints the value at a path, or the whole document.
#[derive(Debug, Args)]
#[command(after_help = "\
A secret is printed where its own path is named, and masked in anything larger.

Example: a string is printed as it is, everything else as JSON:
  confmesh get app.rate_limit")]
pub(super) struct Get {
    /// The path, such as app.rate_limit or /app/rate_limit. Default: the whole document.
    #[arg(value_name = "PATH", default_value = "")]
    pub path: String,
    /// Print the version instead: what `confmesh set --if-version` takes.
    #[arg(long)]
    pub version: bool,
    /// Print secrets as they are instead of `***`.
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub instance: Instance,
}

/// Sets a value on every instance.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: a number, and a text that looks like one:
  confmesh set app.rate_limit 200
  confmesh set app.pin 0123 --string
Only if nobody changed it since it was read:
  confmesh set app.rate_limit 200 --if-version \"$(confmesh get app.rate_limit --version)\"")]
pub(super) struct Set {
    /// The path, such as app.rate_limit or /app/rate_limit.
    #[arg(value_name = "PATH")]
    pub path: String,
    /// The value: JSON, or else a text.
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub value: String,
    /// Take VALUE as a text even if it is JSON.
    #[arg(long)]
    pub string: bool,
    /// Take VALUE as JSON even where a text stands, or where JSON spells it in another way.
    #[arg(long, conflicts_with = "string")]
    pub as_json: bool,
    /// Change this file in place instead, without an instance; comments, order and layout stay.
    #[arg(long, value_name = "FILE")]
    pub file: Option<String>,
    #[command(flatten)]
    pub terms: Terms,
    #[command(flatten)]
    pub instance: Instance,
}

/// Removes a value on every instance.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh unset app.features.beta")]
pub(super) struct Unset {
    /// The path, such as app.features.beta or /app/features/beta.
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Change this file in place instead, without an instance; comments, order and layout stay.
    #[arg(long, value_name = "FILE")]
    pub file: Option<String>,
    #[command(flatten)]
    pub terms: Terms,
    #[command(flatten)]
    pub instance: Instance,
}

/// Prints one line per change until it is interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Where the connection breaks it reconnects, and prints what changed meanwhile.
--json prints one object per line.

Example:
  confmesh watch 'app.features.*' app.rate_limit")]
pub(super) struct Watch {
    /// Which paths: `*` is one segment (any number at the end), `**` any number. Default: all.
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// Print secrets as they are instead of `***`.
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub instance: Instance,
}

/// Shows how an instance, its peers and its sources are doing.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh status --url http://127.0.0.1:8766")]
pub(super) struct Status {
    #[command(flatten)]
    pub instance: Instance,
}

/// Starts two instances on this machine that share a document, to play with.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh demo --port 9000 --no-open")]
pub(super) struct Demo {
    /// The port of the first instance; the second one takes the next.
    #[arg(long, default_value_t = 8765, value_parser = clap::value_parser!(u16).range(1..=65534))]
    pub port: u16,
    /// Open the page in the browser, which is the default; DEMO_OPEN=0 says no as well.
    #[arg(long, overrides_with = "no_open")]
    pub open: bool,
    /// Do not open the page.
    #[arg(long)]
    pub no_open: bool,
    /// Where the files go: a directory that is empty or missing. Default: a fresh one for temporary files.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Another loopback address to listen on.
    #[arg(long, hide = true, default_value = "127.0.0.1")]
    pub address: IpAddr,
}

fn style_name(name: &str) -> Result<ReferenceStyle, String> {
    name.parse().map_err(|error: crate::Error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

fn format_name(name: &str) -> Result<Format, String> {
    Format::from_name(name).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let called = format!("confmesh {}", command.get_name());
            assert!(help.contains("Example") && help.contains(&called), "{called}: {help}");
            assert!(command.get_about().is_some(), "{called}");
        }
    }
}
