//! What several commands take: how files are read and composed, what is masked, and which instance is asked.
use std::path::PathBuf;

use clap::Args;

use crate::format::Format;
use crate::merge::InvalidVariables;
use crate::source::duration_ms;

/// The address that every command talks to when none is named.
pub(in crate::native::cli) const DEFAULT_URL: &str = "http://127.0.0.1:8765";

/// How files are read.
#[derive(Debug, Args)]
pub(in crate::native::cli) struct Reading {
    /// The format of every FILE: json, jsonc, json5, yaml, toml, ini, properties or dotenv. Default: what
    /// `FILE;format=NAME` says, else its name; `-` is json.
    #[arg(long, value_name = "FORMAT", value_parser = format_name)]
    pub input_format: Option<Format>,
}

/// How layers become one document.
#[derive(Debug, Args)]
pub(in crate::native::cli) struct Composing {
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
    /// What becomes of a variable that is nothing of the type that the schema declares: refuse or ignore.
    #[arg(long = "invalid-variables", value_name = "WHAT", default_value = "refuse")]
    pub invalid_variables: InvalidVariables,
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
pub(in crate::native::cli) struct Secrecy {
    /// Mask the values that this schema calls secret.
    #[arg(long, value_name = "SCHEMA")]
    pub schema: Option<String>,
    /// Mask the values of these paths.
    #[arg(long = "secret", value_name = "PATTERN")]
    pub secrets: Vec<String>,
}

/// Which instance is asked.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::native::cli) struct Instance {
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

pub(super) fn format_name(name: &str) -> Result<Format, String> {
    Format::from_name(name).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

/// A time such as 250ms, 3s or 10m; a number alone is milliseconds.
pub(in crate::native::cli) fn milliseconds(text: &str) -> Result<u64, String> {
    let found = text.parse().ok().or_else(|| duration_ms(text));
    found.ok_or_else(|| format!("`{text}` is no time: write 250ms, 3s, 10m or 1h"))
}
