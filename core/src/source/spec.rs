//! A source as people write it.
use std::collections::{BTreeMap, BTreeSet};

use super::options::{self, SourceOptions, check_misspelt, starts_option};
use crate::error::{Code, Error, Result};
use crate::format::{FileArgument, Format, split_options};
use crate::merge::priority;
use crate::schema::nearest;
use crate::value::{Str, Value};

/// Where a layer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `file:PATH`.
    File(String),
    /// `dotenv:PATH`.
    Dotenv(String),
    /// `env:PREFIX`, with its `;mode=…`.
    Env(String),
    /// `http://…` or `https://…`.
    Http(String),
    /// `exec:COMMAND`, as words.
    Exec(Vec<String>),
    /// A program's own, by its name.
    Custom(String),
}

/// A source: its place and its options.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// Where.
    pub place: Place,
    /// How.
    pub options: SourceOptions,
}

const FORMS: &str = "write file:PATH, dotenv:PATH, env:PREFIX, http://…, https://… or exec:COMMAND";

impl SourceSpec {
    /// Reads `PLACE;OPTION;NAME=VALUE…`.
    ///
    /// # Errors
    /// [`Code::Usage`] for a place of no kind, an option that is none or that the kind does not take, or a value that does
    /// not fit; [`Code::UnknownFormat`].
    pub fn parse(text: &str) -> Result<SourceSpec> {
        let (place, options) = split_options(text, &starts_option);
        let at = SourceSpec::at(&place.replace("\\;", ";"));
        if let Err(misspelt) = check_misspelt(text) {
            // What stands before it is the place.
            let before = SourceSpec::at(text.split(';').next().unwrap_or(text));
            return Err(before.map_or_else(|_| misspelt.clone(), |spec| misspelt.clone().about(&spec.named())));
        }
        let mut spec = at?;
        let source = spec.named();
        for option in &options {
            match option.split_once('=') {
                Some((name, value)) => spec.take(name, Some(value)),
                None => spec.take(option, None),
            }
            .map_err(|error| error.about(&source))?;
        }
        spec.checked()
    }

    /// Which source an error is about.
    fn named(&self) -> String {
        format!("`{}`", self.id())
    }

    /// Reads a text as [`SourceSpec::parse`] does, or a map with the place under `source` and an entry an option, `_` or `-`
    /// in their names.
    ///
    /// ```
    /// use confmesh::format::{Format, parse};
    /// use confmesh::source::SourceSpec;
    /// let map = parse(r#"{"source": "https://config.example/app", "priority": 35, "optional": true}"#, Format::Json)?;
    /// assert_eq!(SourceSpec::from_value(&map)?, SourceSpec::parse("https://config.example/app;priority=35;optional")?);
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`SourceSpec::parse`]; [`Code::Type`] for anything else.
    pub fn from_value(value: &Value) -> Result<SourceSpec> {
        let map = match value {
            Value::String(text) => return SourceSpec::parse(text),
            Value::Map(map) => map,
            _ => {
                return Err(Error::new(
                    Code::Type,
                    format!("a source is a text or a map, not a {}", value.type_name()),
                )
                .with_hint(FORMS));
            }
        };
        let Some(place) = map.iter().find(|(name, _)| name.as_str() == "source").and_then(|(_, place)| place.as_str())
        else {
            return Err(
                Error::new(Code::Usage, "a source that is a map names its place under `source`").with_hint(FORMS)
            );
        };
        let mut spec = SourceSpec::at(place)?;
        let source = spec.named();
        for (name, value) in map.iter().filter(|(name, _)| name.as_str() != "source") {
            match (name.as_str(), value.as_str()) {
                ("mode", Some(mode)) => spec.take("mode", Some(mode)),
                _ => spec.options.take_value(name, value, spec.place.kind()),
            }
            .map_err(|error| error.about(&source))?;
        }
        spec.checked()
    }

    /// A program's own source.
    pub fn custom(name: impl Into<String>) -> SourceSpec {
        SourceSpec { place: Place::Custom(name.into()), options: SourceOptions::default() }
    }

    /// A program's own source with the options of a map, `_` or `-` in their names.
    ///
    /// # Errors
    /// As [`SourceSpec::from_value`].
    pub fn custom_with(name: &str, options: &Value) -> Result<SourceSpec> {
        let mut spec = SourceSpec::custom(name);
        let source = spec.named();
        for (name, value) in options.as_map().into_iter().flat_map(|map| map.iter()) {
            spec.options.take_value(name, value, spec.place.kind()).map_err(|error| error.about(&source))?;
        }
        Ok(spec)
    }

    fn at(place: &str) -> Result<SourceSpec> {
        let named = |rest: &str| match rest {
            "" => Err(Error::new(Code::Usage, format!("the source `{place}` names nothing")).with_hint(FORMS)),
            rest => Ok(rest.to_owned()),
        };
        let place = match place.split_once(':') {
            Some(("file", path)) => Place::File(named(path)?),
            Some(("dotenv", path)) => Place::Dotenv(named(path)?),
            Some(("env", prefix)) => Place::Env(named(prefix)?),
            Some(("exec", command)) => Place::Exec(words(&named(command)?)?),
            Some(("http" | "https", rest)) if rest.len() > 2 && rest.starts_with("//") => Place::Http(url(place)?),
            _ => {
                let kinds = ["file", "dotenv", "env", "http", "https", "exec"];
                let word = place.split(':').next().unwrap_or("");
                let hint = match nearest(word, kinds).filter(|_| place.contains(':')) {
                    Some(kind) => format!("did you mean `{kind}:`? {FORMS}"),
                    None => format!("{FORMS}; a file alone is `file:{}`", shown(place)),
                };
                return Err(Error::new(Code::Usage, format!("`{}` is no source", shown(place))).with_hint(hint));
            }
        };
        Ok(SourceSpec { place, options: SourceOptions::default() })
    }

    fn take(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        match (&mut self.place, name, value) {
            // The environment reads it itself.
            (Place::Env(prefix), "mode", Some(mode)) => prefix.push_str(&format!(";mode={mode}")),
            (place, name, value) => self.options.take(name, value, place.kind())?,
        }
        Ok(())
    }

    fn checked(self) -> Result<SourceSpec> {
        let sends = |name: &Option<String>| name.is_some();
        let options = &self.options;
        let has_credentials = sends(&options.token_env)
            || sends(&options.token_file)
            || sends(&options.basic_env)
            || !options.header_envs.is_empty();
        if let Place::Http(url) = &self.place
            && has_credentials
            && url.starts_with("http://")
            && !is_loopback(authority(url))
        {
            let message = format!("`{}` would send credentials in the clear", self.id());
            return Err(Error::new(Code::Usage, message).with_hint("write `https://`"));
        }
        if let Place::Http(url) = &self.place
            && url.starts_with("http://")
            && options.ca.is_some()
        {
            return Err(Error::new(Code::Usage, "`ca` is of use for `https://` only").with_hint("leave it out"));
        }
        Ok(self)
    }

    /// What it is called in messages, `status` and `explain`: never with what may be a secret.
    pub fn id(&self) -> Str {
        if let Some(name) = &self.options.name {
            return Str::from(name.as_str());
        }
        match &self.place {
            Place::File(path) | Place::Dotenv(path) => Str::from(format!("file:{path}")),
            Place::Env(prefix) => Str::from(format!("env:{}", prefix.split(';').next().unwrap_or(prefix))),
            Place::Http(url) => Str::from(match url.split_once('?') {
                Some((before, _)) => format!("{before}?***"),
                None => url.clone(),
            }),
            // Its arguments may be secrets, and nobody can tell which.
            Place::Exec(words) => {
                let more = if words.len() > 1 { " …" } else { "" };
                Str::from(format!("exec:{}{more}", words.first().map_or("", String::as_str)))
            }
            Place::Custom(name) => Str::from(format!("custom:{name}")),
        }
    }

    /// The file that it names, where it is one.
    pub fn file(&self) -> Option<FileArgument> {
        let options = &self.options;
        let (path, named_format) = match &self.place {
            Place::File(path) => (path, options.format),
            Place::Dotenv(path) => (path, Some(Format::Dotenv)),
            _ => return None,
        };
        Some(FileArgument {
            path: path.clone(),
            named_format,
            document: options.document,
            is_optional: options.is_optional,
            removes: options.removes,
        })
    }
}

impl Place {
    /// Whether it is asked again and again, and not watched.
    pub fn is_polled(&self) -> bool {
        matches!(self, Place::Http(_) | Place::Exec(_) | Place::Custom(_))
    }

    fn kind(&self) -> u8 {
        match self {
            Place::File(_) => options::FILE,
            Place::Dotenv(_) => options::DOTENV,
            Place::Env(_) => options::ENV,
            Place::Http(_) => options::HTTP,
            Place::Exec(_) => options::EXEC,
            Place::Custom(_) => options::CUSTOM,
        }
    }

    /// The priority of the last source of its kind.
    pub fn priority(&self) -> i32 {
        match self {
            Place::File(_) => priority::FILE,
            Place::Dotenv(_) => priority::DOTENV,
            Place::Env(_) => priority::ENV,
            Place::Http(_) | Place::Exec(_) | Place::Custom(_) => priority::HTTP,
        }
    }
}

/// The sources with their priorities: of those whose kinds have the same one, the last that names none has it, each before it
/// one more, so that later ones win. `files` are so many files that stand before all of them.
pub fn placed(specs: &[SourceSpec], files: usize) -> (Vec<i32>, Vec<i32>) {
    let mut next: BTreeMap<i32, i32> = BTreeMap::new();
    let mut take = |base: i32| {
        let next = next.entry(base).or_insert(base);
        std::mem::replace(next, next.saturating_add(1))
    };
    let mut found: Vec<i32> =
        specs.iter().rev().map(|spec| spec.options.priority.unwrap_or_else(|| take(spec.place.priority()))).collect();
    found.reverse();
    let mut before: Vec<i32> = (0..files).map(|_| take(priority::FILE)).collect();
    before.reverse();
    (before, found)
}

/// Whether sources that are asked again and again are told apart by their names.
///
/// # Errors
/// [`Code::Usage`] where two have one.
pub fn check_distinct(specs: &[SourceSpec]) -> Result<()> {
    let mut known = BTreeSet::new();
    let polled = specs.iter().filter(|spec| matches!(spec.place, Place::Http(_) | Place::Exec(_) | Place::Custom(_)));
    for id in polled.map(SourceSpec::id) {
        if !known.insert(id.clone()) {
            return Err(Error::new(Code::Usage, format!("the source `{id}` is given twice"))
                .with_hint("leave one of them out, or tell them apart with `name=…`"));
        }
    }
    Ok(())
}

/// A URL without what must not stand in it.
fn url(text: &str) -> Result<String> {
    if authority(text).contains('@') {
        let message = "a URL with a user or password in it would be shown in messages";
        return Err(
            Error::new(Code::Usage, message).with_hint("name a variable with `user:password`: `;basic-env=NAME`")
        );
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::new(Code::Usage, format!("`{}` holds a space", shown(text))).with_hint("write it as `%20`"));
    }
    Ok(text.split('#').next().unwrap_or(text).to_owned())
}

/// The host and port of a URL.
fn authority(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after.split(['/', '?', '#']).next().unwrap_or(after)
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let is_v4 = host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok());
    host.eq_ignore_ascii_case("localhost") || host == "::1" || (is_v4 && host.starts_with("127."))
}

/// A text that may hold a secret behind `?` or `@`.
fn shown(text: &str) -> &str {
    let text = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    text.split('?').next().unwrap_or(text)
}

/// A command as words: quotes keep spaces, a backslash the next character; no shell looks at it.
fn words(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match (quote, words.first()) {
        (Some(_), _) => {
            Err(Error::new(Code::Usage, "a quote in the command of a source has no end").with_hint("close it"))
        }
        (None, Some(program)) if !program.is_empty() => Ok(words),
        _ => Err(Error::new(Code::Usage, "the command of a source names no program")
            .with_hint("write `exec:PROGRAM ARGUMENT…`")),
    }
}
