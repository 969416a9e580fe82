//! The options of a source, in a text and in a map.
use crate::error::{Code, Error, Result};
use crate::format::{FileArgument, Format, Which};
use crate::poll::{Every, PollOptions};
use crate::schema::nearest;
use crate::value::Value;

/// The shortest interval: a slip of a unit must not become a flood.
const MIN_INTERVAL_MS: u64 = 100;
const DEFAULT_INTERVAL_MS: u64 = 30_000;
const DEFAULT_TIMEOUT_MS: u64 = 10_000;

/// What is said of a source beside its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceOptions {
    /// `name=ID`: what it is called in `explain`, `status` and messages; else its place.
    pub name: Option<String>,
    /// `priority=N`: lower wins; else as its kind has.
    pub priority: Option<i32>,
    /// `interval=10s` or `adaptive=1s..60s`: how often it is asked.
    pub every: Option<Every>,
    /// `format=NAME`, where the answer does not say it.
    pub format: Option<Format>,
    /// `optional`: it may be missing.
    pub is_optional: bool,
    /// `secret`: all of its values are masked, and none is kept on disk.
    pub is_secret: bool,
    /// `document=N`, of a YAML file with several documents.
    pub document: Option<Which>,
    /// `unset`: markers in it take out what lies below.
    pub removes: bool,
    /// `token-env=NAME`: the variable with a bearer token.
    pub token_env: Option<String>,
    /// `token-file=PATH`: the file with a bearer token, read for every request.
    pub token_file: Option<String>,
    /// `basic-env=NAME`: the variable with `user:password`.
    pub basic_env: Option<String>,
    /// `header=NAME: VALUE`, as often as wanted.
    pub headers: Vec<(String, Hidden)>,
    /// `header-env=NAME: VARIABLE`: a header whose value a variable has, an API key for instance.
    pub header_envs: Vec<(String, String)>,
    /// `timeout=5s`: how long one answer may take in all.
    pub timeout_ms: Option<u64>,
    /// `stale-after=30s`: after how long without a good answer the instance is not ready.
    pub stale_after_ms: Option<u64>,
    /// `ca=FILE`: certificates (PEM) that are trusted instead of the system's.
    pub ca: Option<String>,
    /// `max-updates-per-minute=N`: more wait, and only the newest of them counts.
    pub max_updates_per_minute: Option<u32>,
}

/// A text that may be a secret: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The kinds of sources, as bits.
pub(super) const FILE: u8 = 1;
pub(super) const DOTENV: u8 = 2;
pub(super) const ENV: u8 = 4;
pub(super) const HTTP: u8 = 8;
pub(super) const EXEC: u8 = 16;
pub(super) const CUSTOM: u8 = 32;
const POLLED: u8 = HTTP | EXEC | CUSTOM;
const ALL: u8 = FILE | DOTENV | ENV | POLLED;

/// Each option: its name, the kinds that take it, whether it has a value.
const OPTIONS: &[(&str, u8, bool)] = &[
    ("priority", ALL, true),
    ("name", POLLED, true),
    ("format", FILE | HTTP | EXEC, true),
    ("optional", FILE | DOTENV | POLLED, false),
    ("document", FILE, true),
    ("unset", FILE, false),
    ("mode", ENV, true),
    ("secret", POLLED, false),
    ("interval", POLLED | ENV, true),
    ("adaptive", POLLED, true),
    ("timeout", POLLED, true),
    ("stale-after", POLLED, true),
    ("max-updates-per-minute", POLLED, true),
    ("token-env", HTTP, true),
    ("token-file", HTTP, true),
    ("basic-env", HTTP, true),
    ("header", HTTP, true),
    ("header-env", HTTP, true),
    ("ca", HTTP, true),
];

/// Whether a text starts with an option.
pub(super) fn starts_option(rest: &str) -> bool {
    let word = rest.split(['=', ';']).next().unwrap_or("");
    let has_value = rest.get(word.len()..).is_some_and(|rest| rest.starts_with('='));
    OPTIONS.iter().any(|(name, _, wants)| *name == word && *wants == has_value)
}

/// Refuses what looks like an option that was mistyped, and so would be taken for a part of the place.
pub(super) fn check_misspelt(text: &str) -> Result<()> {
    for (at, _) in text.match_indices(';') {
        let (before, rest) = (text.get(..at).unwrap_or(""), text.get(at + 1..).unwrap_or(""));
        if before.ends_with('\\') {
            continue;
        }
        if starts_option(rest) {
            break;
        }
        let word = rest.split(['=', ';']).next().unwrap_or("");
        let is_name = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
        if let Some(name) = nearest(word, OPTIONS.iter().map(|(name, ..)| *name)).filter(|_| is_name) {
            let message = format!("`{word}` is no option of a source");
            return Err(Error::new(Code::Usage, message)
                .with_hint(format!("did you mean `{}`? a `;` that is meant as it stands is `\\;`", written(name))));
        }
    }
    Ok(())
}

/// An option as an example.
fn written(name: &str) -> String {
    match OPTIONS.iter().find(|(other, ..)| *other == name) {
        Some((_, _, true)) => format!("{name}=…"),
        _ => name.to_owned(),
    }
}

impl SourceOptions {
    /// Takes an option; `value` is none where it stands alone. `-` and `_` are the same in names.
    pub(super) fn take(&mut self, name: &str, value: Option<&str>, kind: u8) -> Result<()> {
        let name = name.replace('_', "-");
        let Some((_, kinds, wants_value)) = OPTIONS.iter().find(|(other, ..)| *other == name) else {
            let all: Vec<&str> =
                OPTIONS.iter().filter(|(_, kinds, _)| kinds & kind != 0).map(|(name, ..)| *name).collect();
            let hint = match nearest(&name, all.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the options are {}", all.join(", ")),
            };
            return Err(Error::new(Code::Usage, format!("`{name}` is no option of a source")).with_hint(hint));
        };
        if kinds & kind == 0 {
            let message = format!("`{name}` is an option of {} only", kind_names(*kinds));
            return Err(Error::new(Code::Usage, message).with_hint("leave it out"));
        }
        let value = match (value, wants_value) {
            (Some(value), true) => value.trim(),
            (None, false) => "",
            (None, true) => return Err(wrong(&name, "needs a value", &example(&name))),
            (Some(_), false) => return Err(wrong(&name, "takes no value", &name)),
        };
        let wrong_value = || wrong(&name, &format!("is not `{value}`"), &example(&name));
        let too_short = || {
            let least = format!("takes a time from {MIN_INTERVAL_MS}ms on, not `{value}`");
            if duration_ms(value.split("..").next().unwrap_or(value)).is_some() {
                wrong(&name, &least, &example(&name))
            } else {
                wrong_value()
            }
        };
        let text = || if value.is_empty() { Err(wrong_value()) } else { Ok(Some(value.to_owned())) };
        let duration = || duration_ms(value).map(Some).ok_or_else(wrong_value);
        match name.as_str() {
            "priority" => self.priority = Some(value.parse().map_err(|_| wrong_value())?),
            "name" => {
                let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
                // Of those names confmesh itself has layers.
                if value.is_empty() || !value.chars().all(is_plain) || ["shared", "runtime", "default"].contains(&value)
                {
                    return Err(wrong(&name, &format!("cannot be `{value}`"), "name=WORD"));
                }
                self.name = text()?;
            }
            "format" => self.format = Some(Format::from_name(value)?),
            "optional" => self.is_optional = true,
            "secret" => self.is_secret = true,
            "unset" => self.removes = true,
            "document" => self.document = FileArgument::parse(&format!("f;document={value}"))?.document,
            "interval" | "adaptive" if self.every.is_some() => {
                return Err(wrong(&name, "says a second time how often it is asked", "one of them"));
            }
            "interval" => self.every = Some(Every::Fixed(duration()?.filter(is_long_enough).ok_or_else(too_short)?)),
            "adaptive" => {
                let (min, max) = value.split_once("..").ok_or_else(wrong_value)?;
                let (min_ms, max_ms) = duration_ms(min).zip(duration_ms(max)).ok_or_else(wrong_value)?;
                if !is_long_enough(&min_ms) {
                    return Err(too_short());
                }
                if min_ms > max_ms {
                    return Err(wrong(&name, &format!("ends before it begins: `{value}`"), &example(&name)));
                }
                self.every = Some(Every::Adaptive { min_ms, max_ms });
            }
            "timeout" => self.timeout_ms = Some(duration()?.filter(|ms| *ms > 0).ok_or_else(wrong_value)?),
            "stale-after" => self.stale_after_ms = duration()?,
            "max-updates-per-minute" => self.max_updates_per_minute = Some(value.parse().map_err(|_| wrong_value())?),
            "token-env" => self.token_env = text()?,
            "token-file" => self.token_file = text()?,
            "basic-env" => self.basic_env = text()?,
            "header" => {
                let (name, value) = header(value).ok_or_else(|| unshown(&name))?;
                self.headers.push((name, Hidden(value)));
            }
            "header-env" => self.header_envs.push(header(value).ok_or_else(wrong_value)?),
            "ca" => self.ca = text()?,
            _ => return Err(Error::new(Code::Internal, format!("the option `{name}` is not read"))),
        }
        let auths = [&self.token_env, &self.token_file, &self.basic_env];
        if auths.iter().filter(|auth| auth.is_some()).count() > 1 {
            return Err(wrong(&name, "names credentials a second time", "one of token-env, token-file and basic-env"));
        }
        Ok(())
    }

    /// Takes an option of a map: a text, a number, a bool, and for `header` and `header_env` a map.
    pub(super) fn take_value(&mut self, name: &str, value: &Value, kind: u8) -> Result<()> {
        let is_flag = OPTIONS.iter().any(|(other, _, wants)| *other == name.replace('_', "-") && !wants);
        let text = match value {
            Value::Bool(false) if is_flag => return Ok(()),
            Value::Bool(true) if is_flag => return self.take(name, None, kind),
            Value::Map(headers) if matches!(name, "header" | "header_env" | "headers") => {
                let option = if name == "header_env" { name } else { "header" };
                for (header, text) in headers.iter() {
                    let text = text.as_str().ok_or_else(|| unshown(option))?;
                    self.take(option, Some(&format!("{header}: {text}")), kind)?;
                }
                return Ok(());
            }
            Value::String(text) => text.to_string(),
            Value::Number(number) => number.to_string(),
            _ => return Err(wrong(name, &format!("is a {}", value.type_name()), &example(name))),
        };
        self.take(name, Some(&text), kind)
    }

    /// How it is polled.
    pub fn poll_options(&self) -> PollOptions {
        PollOptions {
            every: self.every.unwrap_or(Every::Fixed(DEFAULT_INTERVAL_MS)),
            stale_after_ms: self.stale_after_ms,
            ..PollOptions::default()
        }
    }

    /// How long one answer may take in all, in milliseconds.
    pub fn patience_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)
    }
}

fn is_long_enough(ms: &u64) -> bool {
    *ms >= MIN_INTERVAL_MS
}

/// `NAME: VALUE`.
fn header(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once([':', '='])?;
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty() && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

fn example(name: &str) -> String {
    let value = match name {
        "priority" => "40",
        "interval" | "timeout" => "10s",
        "stale-after" => "5m",
        "adaptive" => "1s..60s",
        "max-updates-per-minute" => "10",
        "header" => "X-Team: web",
        "header-env" => "X-Api-Key: VARIABLE",
        "format" => "yaml",
        "ca" | "token-file" => "PATH",
        _ => "NAME",
    };
    format!("{name}={value}")
}

fn wrong(name: &str, what: &str, write: &str) -> Error {
    Error::new(Code::Usage, format!("the option `{name}` of a source {what}")).with_hint(format!("write `{write}`"))
}

/// What is wrong with an option whose value may be a secret.
fn unshown(name: &str) -> Error {
    wrong(name, "has no name and value", &example(name))
}

fn kind_names(kinds: u8) -> String {
    let names = [
        (FILE, "`file:`"),
        (DOTENV, "`dotenv:`"),
        (ENV, "`env:`"),
        (HTTP, "`http://` and `https://`"),
        (EXEC, "`exec:`"),
        (CUSTOM, "a program's own sources"),
    ];
    let names: Vec<&str> = names.iter().filter(|(kind, _)| kinds & kind != 0).map(|(_, name)| *name).collect();
    names.join(", ")
}

/// A duration such as `250ms`, `10s`, `5m` or `1h`, in milliseconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit_ms);
    }
    let (whole, part) = number.split_once('.')?;
    let digits = u32::try_from(part.len()).ok().filter(|digits| (1..=3).contains(digits))?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    whole.checked_add(part.parse::<u64>().ok()?.checked_mul(unit_ms)? / 10_u64.pow(digits))
}
