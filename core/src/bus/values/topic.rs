//! Where the value of a path is found at a broker: `PREFIX/TENANT/app/database/host`.
//!
//! Each segment of a path is one level. `/`, `+`, `#`, `%` and what is no letter to print stand in it as `%` and two digits,
//! so there is one topic for each path and one path for each topic. Values of no tenant in particular are found under
//! `global`; `PREFIX/status/…` is about clients, and no value.

use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::Str;

/// The tenant of what has none.
const GLOBAL: &str = "global";
/// The level under which clients say whether they are there.
const STATUS: &str = "status";
/// How long a topic may be for every broker.
const MAX_TOPIC_BYTES: usize = 65_535;

/// The tenant whose topics a document has: `default` has none, a name beside the tenant goes with it.
pub fn tenant_of(document: &DocumentName) -> Option<String> {
    let (tenant, name) = (document.tenant(), document.name());
    match name {
        "default" if tenant == "default" => None,
        "default" => Some(tenant.to_owned()),
        name => Some(format!("{tenant}/{name}")),
    }
}

/// The topic of a path.
///
/// # Errors
/// [`Code::TooLarge`] for one that no broker takes.
///
/// ```
/// use confmesh::{Path, bus::values::topic};
/// let path = Path::parse("app.database.host")?;
/// assert_eq!(topic("apg/config", Some("company-tenant"), &path)?, "apg/config/company-tenant/app/database/host");
/// assert_eq!(topic("apg/config", None, &Path::parse("a/b.c")?)?, "apg/config/global/a%2Fb/c");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn topic(prefix: &str, tenant: Option<&str>, path: &Path) -> Result<String> {
    let mut topic = format!("{prefix}/{}", tenant_level(tenant));
    for segment in path.segments() {
        topic.push('/');
        put_level(&mut topic, segment);
    }
    match topic.len() <= MAX_TOPIC_BYTES {
        true => Ok(topic),
        false => Err(Error::new(Code::TooLarge, "the path is longer than a topic may be").with_path(path.clone())),
    }
}

/// The tenant and the path of a topic; none for what is no topic of a value there.
///
/// # Errors
/// [`Code::PathSyntax`] for a level that [`topic`] would have written otherwise, [`Code::TooLarge`] for too many of them.
pub fn place(prefix: &str, topic: &str) -> Result<Option<(Option<String>, Path)>> {
    let below = topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    let Some((tenant, rest)) = below.map(|below| below.split_once('/').unwrap_or((below, ""))) else {
        return Ok(None);
    };
    if tenant == STATUS || below.is_some_and(|below| !below.contains('/')) {
        return Ok(None);
    }
    let path = rest.split('/').map(|level| level_read(level).map(Str::from)).collect::<Result<Path>>()?;
    if path.len() > MAX_DEPTH {
        return Err(Error::new(Code::TooLarge, format!("a topic has at most {MAX_DEPTH} levels below its tenant")));
    }
    if tenant == GLOBAL {
        return Ok(Some((None, path)));
    }
    let (read, special) = (unescaped(tenant)?, special_tenant(tenant));
    if tenant_level(Some(&read)) != tenant || special.is_some() {
        return Err(wrong(tenant));
    }
    Ok(Some((Some(read), path)))
}

/// The filter for what a pattern of paths matches, of one tenant or (`None`) of each: `*` at the end, and `**`, stand for
/// everything below. A filter may match more than its pattern does, and never less.
///
/// ```
/// use confmesh::bus::values::filter;
/// assert_eq!(filter("apg/config", None, "app.database.*"), "apg/config/+/app/database/#");
/// assert_eq!(filter("apg/config", None, "app.*.host"), "apg/config/+/app/+/host");
/// assert_eq!(filter("apg/config", None, "app.feat*"), "apg/config/+/app/#");
/// ```
pub fn filter(prefix: &str, tenant: Option<Option<&str>>, pattern: &str) -> String {
    let mut filter = format!("{prefix}/{}", tenant.map_or_else(|| "+".to_owned(), tenant_level));
    let segments = segments_of(pattern);
    for (at, segment) in segments.iter().enumerate() {
        match segment {
            None => return filter + "/#",
            Some(only) if only == "*" && at + 1 < segments.len() => filter.push_str("/+"),
            Some(text) if text.contains('*') => return filter + "/#",
            Some(literal) => {
                filter.push('/');
                put_level(&mut filter, &literal.replace('\u{0}', "*"));
            }
        }
    }
    filter
}

/// The segments of a pattern, of which an escaped star is written as NUL; none for `**`.
fn segments_of(pattern: &str) -> Vec<Option<String>> {
    let (mut segments, mut segment) = (Vec::new(), String::new());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('*') => segment.push('\u{0}'),
                Some(escaped) => segment.push(escaped),
                None => segment.push('\\'),
            },
            '.' => segments.push(Some(std::mem::take(&mut segment))),
            other => segment.push(other),
        }
    }
    segments.push(Some(segment));
    segments.into_iter().map(|segment| segment.filter(|segment| segment != "**")).collect()
}

/// A tenant whose name means something else as a level.
fn special_tenant(tenant: &str) -> Option<char> {
    let first = tenant.chars().next();
    first.filter(|_| matches!(tenant, GLOBAL | STATUS))
}

fn tenant_level(tenant: Option<&str>) -> String {
    let Some(tenant) = tenant else { return GLOBAL.to_owned() };
    let mut level = String::new();
    put_level(&mut level, tenant);
    if let Some(first) = special_tenant(tenant) {
        level = format!("%{:02X}{}", u32::from(first), level.get(1..).unwrap_or_default());
    }
    level
}

fn put_level(out: &mut String, text: &str) {
    for letter in text.chars() {
        if matches!(letter, '/' | '+' | '#' | '%') || letter.is_control() {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(letter);
        }
    }
}

fn level_read(level: &str) -> Result<String> {
    let read = unescaped(level)?;
    let mut again = String::new();
    put_level(&mut again, &read);
    if again == level { Ok(read) } else { Err(wrong(level)) }
}

fn unescaped(level: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = level.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let pair = digit().zip(digit()).and_then(|(high, low)| u8::try_from(16 * high + low).ok());
        bytes.push(pair.ok_or_else(|| wrong(level))?);
    }
    String::from_utf8(bytes).map_err(|_| wrong(level))
}

fn wrong(level: &str) -> Error {
    let hint = "in a level `%2F` stands for `/`, `%2B` for `+`, `%23` for `#`, `%25` for `%`, and other letters for themselves";
    Error::new(Code::PathSyntax, format!("`{level}` is no level of the topic of a value")).with_hint(hint)
}
