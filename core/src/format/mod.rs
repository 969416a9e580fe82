//! Text to values and back: JSON, JSONC, JSON5, YAML, TOML, INI, properties and dotenv, with places for errors and edits that keep the
//! author's comments, order and layout.
//!
//! Every parser refuses what another reader would take for something else: keys given twice, numbers that lose digits,
//! NaN and infinities, nesting beyond [`MAX_DEPTH`](crate::limits::MAX_DEPTH). Every syntax error has a line and a column.

pub(crate) mod align;
mod argument;
mod dotenv;
mod edit;
mod flow_edit;
mod hold;
mod ini;
mod ini_edit;
mod json;
#[cfg(feature = "json5")]
mod json5;
mod json_edit;
mod json_print;
mod note;
#[cfg(feature = "properties")]
mod properties;
mod sections;
#[cfg(feature = "toml")]
mod toml;
#[cfg(feature = "toml")]
mod toml_edits;
#[cfg(feature = "toml")]
mod toml_places;
#[cfg(feature = "toml")]
mod toml_spell;
#[cfg(feature = "toml")]
mod toml_tables;
mod tree;
#[cfg(feature = "yaml")]
mod yaml;
#[cfg(feature = "yaml")]
mod yaml_ambiguous;
#[cfg(feature = "yaml")]
mod yaml_block;
#[cfg(feature = "yaml")]
mod yaml_documents;
#[cfg(feature = "yaml")]
mod yaml_edit;
#[cfg(feature = "yaml")]
mod yaml_print;
#[cfg(feature = "yaml")]
mod yaml_relaxed;
#[cfg(feature = "yaml")]
mod yaml_scalar;
#[cfg(feature = "yaml")]
mod yaml_shape;
#[cfg(feature = "yaml")]
mod yaml_style;
#[cfg(feature = "yaml")]
mod yaml_tag;

pub use argument::{FileArgument, Which};
pub(crate) use argument::{commented, read_as, split_options};
pub use hold::{Held, LeftOut, held, holdable, left_out};
pub(crate) use note::parse_lines;
pub use note::{Noted, parse_noting};
pub(crate) use sections::Sections;
#[cfg(feature = "yaml")]
pub use yaml_documents::rewrite_document;

use crate::error::{Code, Error, Result};
use crate::limits::MAX_TEXT_BYTES;
use crate::origin::{Location, Origin};
use crate::path::Path;
use crate::value::Value;

/// Whether this build knows INI and .env.
const INI: bool = cfg!(feature = "ini");

/// A text format of configuration documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Strict JSON (RFC 8259).
    Json,
    /// JSON with `//` and `/* */` comments and trailing commas.
    Jsonc,
    /// JSON5: comments, bare keys, texts in single quotes, hexadecimal numbers; infinities and NaN are refused.
    Json5,
    /// YAML 1.2, core schema, one document.
    Yaml,
    /// TOML; dates and times are strings as spelled.
    Toml,
    /// `KEY=value` lines; `__` nests, every value is a string.
    Dotenv,
    /// `[section]` and `key = value` lines; `[a.b]` nests, every value is a string.
    Ini,
    /// Java properties, `key = value` lines; dots nest, every value is a string.
    Properties,
}

const KNOWN: &str =
    "known formats: json, jsonc, json5, yaml (.yaml, .yml), toml, ini (.ini, .cfg), properties, dotenv (.env)";

impl Format {
    /// The format of that name (`json`, `jsonc`, `json5`, `yaml` or `yml`, `toml`, `ini` or `cfg`, `properties`,
    /// `dotenv` or `env`), in any case.
    ///
    /// # Errors
    /// [`Code::UnknownFormat`], with the known names in the hint.
    pub fn from_name(name: &str) -> Result<Format> {
        match name.to_ascii_lowercase().as_str() {
            "json" => Ok(Format::Json),
            "jsonc" => Ok(Format::Jsonc),
            "json5" => Ok(Format::Json5),
            "yaml" | "yml" => Ok(Format::Yaml),
            "toml" => Ok(Format::Toml),
            "dotenv" | "env" => Ok(Format::Dotenv),
            "ini" | "cfg" => Ok(Format::Ini),
            "properties" => Ok(Format::Properties),
            _ => Err(Error::new(Code::UnknownFormat, format!("unknown format `{name}`")).with_hint(KNOWN)),
        }
    }

    /// The format that a file's name tells: its extension, `.env` and `.env.<anything>`, and the names of programs that read
    /// comments in `.json` files, as `tsconfig.json`.
    ///
    /// # Errors
    /// [`Code::UnknownFormat`], with the known extensions in the hint.
    pub fn from_path(path: &str) -> Result<Format> {
        let (name, folder) = match path.rsplit_once(['/', '\\']) {
            Some((above, name)) => (name, above.rsplit(['/', '\\']).next().unwrap_or(above)),
            None => (path, ""),
        };
        let by_extension = name.rsplit_once('.').and_then(|(_, extension)| match extension {
            "dotenv" => None,
            "code-workspace" => Some(Format::Jsonc),
            "json" if has_comments(name, folder) => Some(Format::Jsonc),
            extension => Format::from_name(extension).ok(),
        });
        match by_extension {
            Some(format) => Ok(format),
            None if name.starts_with(".env.") => Ok(Format::Dotenv),
            None => Err(Error::new(Code::UnknownFormat, format!("cannot tell the format of `{path}` from its name"))
                .with_hint(KNOWN)),
        }
    }

    /// The name that [`Format::from_name`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Jsonc => "jsonc",
            Format::Json5 => "json5",
            Format::Yaml => "yaml",
            Format::Toml => "toml",
            Format::Dotenv => "dotenv",
            Format::Ini => "ini",
            Format::Properties => "properties",
        }
    }

    /// Whether every scalar of the format is a text, which takes the type of the value that it overrides.
    pub fn is_untyped(self) -> bool {
        matches!(self, Format::Dotenv | Format::Ini | Format::Properties)
    }
}

/// Whether the program that a JSON file belongs to reads comments in it.
fn has_comments(name: &str, folder: &str) -> bool {
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let is = |known: &str| stem == known || stem.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
    ["tsconfig", "jsconfig", "devcontainer", ".eslintrc", "deno", "turbo", "api-extractor"]
        .iter()
        .any(|known| is(known))
        || folder == ".vscode"
        || folder == ".devcontainer"
}

/// Reads a text. An empty YAML, TOML, INI, properties or dotenv text is the empty map; a byte order mark is skipped.
///
/// # Errors
/// [`Code::Syntax`], [`Code::DuplicateKey`], [`Code::NumberRange`] or [`Code::TooLarge`], with line and column in an
/// origin whose source is empty; [`Code::UnknownFormat`] where this build leaves the format out.
///
/// ```
/// use confmesh::format::{Format, parse};
/// let error = parse("{\"a\": 1,}", Format::Json).unwrap_err();
/// assert_eq!(error.origin().unwrap().location.unwrap().to_string(), "1:8");
/// assert!(parse("{\"a\": 1,} // fine", Format::Jsonc).is_ok());
/// ```
pub fn parse(text: &str, format: Format) -> Result<Value> {
    let text = bounded(text)?;
    match format {
        Format::Json => json::parse(text, json::Dialect::Strict),
        Format::Jsonc => json::parse(text, json::Dialect::Comments),
        #[cfg(feature = "json5")]
        Format::Json5 => json::parse(text, json::Dialect::Five),
        #[cfg(feature = "yaml")]
        Format::Yaml => yaml::parse(text),
        #[cfg(feature = "toml")]
        Format::Toml => toml::parse(text),
        Format::Dotenv if INI => dotenv::parse(text),
        Format::Ini if INI => ini::parse(text),
        #[cfg(feature = "properties")]
        Format::Properties => properties::parse(text),
        _ => Err(not_built(format)),
    }
}

/// Reads a text as [`parse`] does; errors name `source`.
///
/// # Errors
/// The same as [`parse`].
pub fn parse_from(text: &str, format: Format, source: &str) -> Result<Value> {
    parse(text, format).map_err(|error| in_source(error, source))
}

/// An error of a text, named after its source.
fn in_source(error: Error, source: &str) -> Error {
    let location = error.origin().and_then(|origin| origin.location);
    error.with_origin(Origin::source(source).at(location))
}

/// The path that a key of a dotenv file names: `DB__HOST` is `DB.HOST`.
pub(crate) fn key_path(key: &str) -> Path {
    dotenv::path_of(key)
}

/// Where the key (in a list: the item) at `path` stands in the text; the root stands at the start.
///
/// `None` where the text holds no such path or cannot be read.
pub fn locate(text: &str, format: Format, path: &Path) -> Option<Location> {
    locate_all(text, format, std::slice::from_ref(path)).pop().flatten()
}

/// Where the keys of many paths stand, each as [`locate`] says; the text is read once for all of them.
pub fn locate_all(text: &str, format: Format, paths: &[Path]) -> Vec<Option<Location>> {
    let Ok(text) = bounded(text) else { return vec![None; paths.len()] };
    let in_tree = |tree: Result<tree::Node>| match tree {
        Ok(tree) => paths.iter().map(|path| tree.locate(path.segments())).collect(),
        Err(_) => vec![None; paths.len()],
    };
    let offsets: Vec<Option<usize>> = match format {
        Format::Json => in_tree(json::parse_tree(text, json::Dialect::Strict)),
        Format::Jsonc => in_tree(json::parse_tree(text, json::Dialect::Comments)),
        #[cfg(feature = "json5")]
        Format::Json5 => in_tree(json::parse_tree(text, json::Dialect::Five)),
        #[cfg(feature = "yaml")]
        Format::Yaml => in_tree(yaml::parse_tree(text)),
        #[cfg(feature = "toml")]
        Format::Toml => toml::locate(text, paths),
        Format::Dotenv if INI => dotenv::locate(text, paths),
        Format::Ini if INI => in_tree(ini::parse_tree(text)),
        #[cfg(feature = "properties")]
        Format::Properties => in_tree(properties::parse_tree(text)),
        _ => vec![None; paths.len()],
    };
    // Line starts are found once; each offset then looks at its own line only.
    let mut starts = vec![0];
    starts.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
    let place = |offset: usize| {
        let line = starts.partition_point(|start| *start <= offset);
        let start = starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = text.get(start..offset).unwrap_or("").chars().count() + 1;
        Location { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    };
    offsets.into_iter().map(|offset| offset.map(place)).collect()
}

/// Writes a value prettily, with a final newline: two spaces of indentation, keys in RFC 8785 order.
///
/// # Errors
/// [`Code::Unrepresentable`], with the path, where the format cannot hold the value.
pub fn print(value: &Value, format: Format) -> Result<String> {
    match format {
        Format::Json | Format::Jsonc | Format::Json5 => Ok(json_print::pretty(value)),
        #[cfg(feature = "yaml")]
        Format::Yaml => Ok(yaml_print::document(value)),
        #[cfg(feature = "toml")]
        Format::Toml => toml::print(value),
        Format::Dotenv if INI => dotenv::print(value),
        Format::Ini if INI => ini_edit::print(value),
        #[cfg(feature = "properties")]
        Format::Properties => properties::print(value),
        _ => Err(not_built(format)),
    }
}

/// Changes a text in place so that it parses to `target`.
///
/// Comments, key order, indentation, quoting and line endings of what did not change survive byte for byte; new keys go
/// to the end of their map. Where an edit in place is impossible, the smallest enclosing node that can be is printed
/// anew. In dotenv, INI and properties every scalar is held as a string.
///
/// # Errors
/// What [`parse`] says of the old text, so that a broken file is never overwritten; [`Code::Unrepresentable`] where the
/// format cannot hold the target (see [`holdable`]).
///
/// ```
/// use confmesh::format::{Format, parse, rewrite};
/// let text = "# limits\nrate: 10 # per second\nburst: 5\n";
/// let target = parse("{rate: 20, burst: 5}", Format::Yaml)?;
/// assert_eq!(rewrite(text, Format::Yaml, &target)?, "# limits\nrate: 20 # per second\nburst: 5\n");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn rewrite(text: &str, format: Format, target: &Value) -> Result<String> {
    bounded(text)?;
    rewrite_from(text, format, &parse(text, format)?, target)
}

/// Changes a text as [`rewrite`] does, where it is known what it parses to: that is not read again.
pub(crate) fn rewrite_from(text: &str, format: Format, old: &Value, target: &Value) -> Result<String> {
    let body = bounded(text)?;
    let as_texts = format.is_untyped().then(|| parse(&print(target, format)?, format)).transpose()?;
    let target = as_texts.as_ref().unwrap_or(target);
    if old == target {
        return Ok(text.to_owned());
    }
    let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let edited = match format {
        Format::Json => json_edit::rewrite(body, json::Dialect::Strict, target, newline),
        Format::Jsonc => json_edit::rewrite(body, json::Dialect::Comments, target, newline),
        #[cfg(feature = "json5")]
        Format::Json5 => json_edit::rewrite(body, json::Dialect::Five, target, newline),
        #[cfg(feature = "yaml")]
        Format::Yaml => yaml_edit::rewrite(body, target, newline),
        #[cfg(feature = "toml")]
        Format::Toml => toml_edits::rewrite(body, target, newline),
        Format::Dotenv if INI => dotenv::rewrite(body, target, newline),
        Format::Ini if INI => ini_edit::rewrite(body, target, newline),
        #[cfg(feature = "properties")]
        Format::Properties => properties::rewrite(body, target, newline),
        _ => None,
    };
    // A second mark behind the first is text, and has to stay the second one to be read so.
    let is_marked = body.len() < text.len();
    let marked = |edited: String| if is_marked { format!("{BYTE_ORDER_MARK}{edited}") } else { edited };
    let holds = |text: &String| parse(text, format).is_ok_and(|value| value == *target);
    // Those edits were read already, and a long text is not read twice.
    let was_read = !is_marked && matches!(format, Format::Json | Format::Jsonc | Format::Json5 | Format::Yaml);
    // What was last may have gone, and blank lines stood above it.
    let blank_end = format!("{newline}{newline}");
    let trimmed = edited.as_ref().filter(|edited| edited.ends_with(&blank_end) && !body.ends_with(&blank_end));
    let trimmed = trimmed.map(|edited| marked(format!("{}{newline}", edited.trim_end_matches(['\r', '\n']))));
    let kept = || edited.map(marked).filter(|edited| was_read || holds(edited));
    if let Some(result) = trimmed.filter(holds).or_else(kept) {
        return Ok(result);
    }
    let printed = print(target, format)?;
    let with_breaks = (newline != "\n").then(|| marked(printed.replace('\n', newline))).filter(holds);
    Ok(with_breaks.unwrap_or_else(|| marked(printed)))
}

fn not_built(format: Format) -> Error {
    Error::new(Code::UnknownFormat, format!("this build cannot read or write {}", format.name()))
        .with_hint("this build leaves the format out; use JSON")
}

fn bounded(text: &str) -> Result<&str> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::new(
            Code::TooLarge,
            format!("the text has {} bytes, at most {MAX_TEXT_BYTES} are allowed", text.len()),
        ));
    }
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Line and column of a byte offset.
fn location(text: &str, offset: usize) -> Location {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Location { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

/// An error at a byte offset of the text.
fn error_at(text: &str, offset: usize, code: Code, message: impl Into<String>) -> Error {
    Error::new(code, message).with_origin(Origin::source("").at(Some(location(text, offset))))
}

#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml"))]
mod kept_tests;
#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml"))]
mod rewrite_tests;
#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml"))]
mod tests;
