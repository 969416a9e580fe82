//! What the commands take that ask no instance, or not always one.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{Composing, Instance, Reading, Secrecy};
use crate::format::Format;
use crate::schema::ReferenceStyle;

/// Prints one document merged from many files and the environment.
#[derive(Debug, Args)]
#[command(after_help = "\
The later file wins: the last one has priority 30, each before it one more.

Example: maps unite key by key, the tags are joined, DEMO_DB__HOST sets db.host:
  confmesh merge base.json local.yaml --env DEMO --rule 'app.tags=union_set'")]
pub(in crate::native::cli) struct Merge {
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
pub(in crate::native::cli) enum Printed {
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
pub(in crate::native::cli) struct Hash {
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
  confmesh patch old.json change.json
What the instances changed since version 17:
  confmesh diff --version 17")]
pub(in crate::native::cli) struct Diff {
    /// The old document, or with --version the old version; `-` is stdin.
    #[arg(value_name = "A")]
    pub old: String,
    /// The new one; with --version none is what is shared now.
    #[arg(value_name = "B", required_unless_present = "version")]
    pub new: Option<String>,
    /// Compare versions of what the instances share, as `confmesh history` lists them.
    #[arg(long)]
    pub version: bool,
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
    #[command(flatten)]
    pub instance: Instance,
}

/// Applies a JSON Patch (RFC 6902) to a document and prints the result.
#[derive(Debug, Args)]
#[command(after_help = "\
A patch applies as a whole or not at all; the files stay as they are.

Example:
  echo '{\"rate_limit\": 200}' | confmesh patch config.json - --merge-patch")]
pub(in crate::native::cli) struct Patch {
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
pub(in crate::native::cli) struct Fmt {
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
pub(in crate::native::cli) struct Validate {
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
pub(in crate::native::cli) struct SchemaReference {
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
pub(in crate::native::cli) struct Init {
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

fn style_name(name: &str) -> Result<ReferenceStyle, String> {
    name.parse().map_err(|error: crate::Error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}
