//! What `serve`, `demo` and the commands take that ask an instance.
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::shared::{Composing, Instance, Reading, milliseconds};
use crate::native::cli::access::Access;
use crate::native::cli::history::Keeping;
use crate::native::cli::terms::Terms;
use crate::native::mesh::LogLevel;

/// Tells why a value is what it is: who set it, where, and what it overrides.
#[derive(Debug, Args)]
#[command(after_help = "\
With files it merges them as `confmesh merge` does; without any it asks the running instance.

Example:
  confmesh explain app.rate_limit base.json local.yaml --env DEMO")]
pub(in crate::native::cli) struct Explain {
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
pub(in crate::native::cli) struct Serve {
    /// The file that mirrors the document; it is created when the document gets content. FILE;format=NAME says what it is
    /// where its name does not.
    #[arg(long, value_name = "FILE")]
    pub bind: Option<PathBuf>,
    /// A file of settings, each an option: see `confmesh config --help`.
    #[arg(long, value_name = "FILE", env = "CONFMESH_CONFIG")]
    pub config: Option<String>,
    /// What is set where nothing else says: single (no socket), ha-addon, development or production.
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// An address to listen on; port 0 takes a free one. Default: 127.0.0.1:8765.
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// Listen nowhere: no socket, and no page.
    #[arg(long)]
    pub no_listen: bool,
    /// Start only with `--auth`, also where only this machine can connect.
    #[arg(long)]
    pub require_auth: bool,
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
    /// How often instances compare what they have: 5s, or milliseconds.
    #[arg(long, value_name = "TIME", default_value = "5000", value_parser = milliseconds)]
    pub heartbeat: u64,
    /// How long a new instance looks for its peers before it starts from its own file: 3s, or milliseconds.
    #[arg(long, value_name = "TIME", default_value = "3000", value_parser = milliseconds)]
    pub found_after: u64,
    /// How long a document has to be in use until it never gives way to another one by itself: 10m, or milliseconds.
    #[arg(long, value_name = "TIME", default_value = "600000", value_parser = milliseconds)]
    pub old_after: u64,
    /// After how long without being in step with another instance, or with a source that stays broken, this one is not
    /// ready: 1m, or milliseconds. Default: never.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub stale_after: Option<u64>,
    /// How much is told: off, error, warn or info. The variable CONFMESH_LOG decides over it.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
    /// How the lines of the log look, text or json. Default: what CONFMESH_LOG_FORMAT says, else text.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// If the document begins here, drop its history once every instance has it: all must come back now and then.
    #[arg(long)]
    pub settle: bool,
    #[command(flatten)]
    pub keeping: Keeping,
    /// The file of keys that seal, in the data directory, secrets in versions and in documents of sources; without it they are
    /// not kept.
    #[arg(long, value_name = "FILE", env = "CONFMESH_ENCRYPT_KEY_FILE")]
    pub encrypt_key_file: Option<PathBuf>,
    /// Take webhooks (POST /webhook/config) that are signed with one of the secrets in FILE, one a line, NAME=SECRET. The
    /// variable CONFMESH_WEBHOOK_SECRET names more of them, by comma. Without any none are taken.
    #[arg(long, value_name = "FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// What webhooks may write; empty: nothing. Default: everything.
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    pub webhook_paths: Option<Vec<String>>,
    /// Send a signed request (Standard Webhooks) there when something begins to be wrong, and when it is over: a conflict to
    /// decide, what is written and not in force, a source or a peer that went silent.
    #[arg(long = "notify-url", value_name = "URL")]
    pub notify_urls: Vec<String>,
    /// The file with the secret that these requests are signed with.
    #[arg(long, value_name = "FILE")]
    pub notify_secret_file: Option<PathBuf>,
    /// Run this for each of them: a program and its arguments, which reads it (JSON) on stdin.
    #[arg(long, value_name = "COMMAND")]
    pub notify_command: Option<String>,
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

/// Shows what every setting of `serve` is, and which option, variable, file or preset says so.
#[derive(Debug, Args)]
#[command(after_help = "\
A setting is an option of `serve`, a variable, or a path of the file of `--config` (TOML, YAML or JSON). An option
beats a variable, which beats the file, which beats the preset.

Example: what a service will start with:
  confmesh config --config /etc/confmesh.toml --preset production")]
pub(in crate::native::cli) struct Config {
    #[command(flatten)]
    pub serve: Serve,
}

/// Prints the value at a path, or the whole document.
#[derive(Debug, Args)]
#[command(after_help = "\
A secret is printed where its own path is named, and masked in anything larger.

Example: a string is printed as it is, everything else as JSON:
  confmesh get app.rate_limit")]
pub(in crate::native::cli) struct Get {
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
pub(in crate::native::cli) struct Set {
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
pub(in crate::native::cli) struct Unset {
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
pub(in crate::native::cli) struct Watch {
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
pub(in crate::native::cli) struct Status {
    #[command(flatten)]
    pub instance: Instance,
}

/// Starts two instances on this machine that share a document, to play with.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh demo --port 9000 --no-open")]
pub(in crate::native::cli) struct Demo {
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
