//! Formats: reading, printing, finding places, and editing in place.

use confmesh::format::{
    FileArgument, Format, holdable, locate_all, parse, parse_noting, print, rewrite, rewrite_document,
};
use confmesh::{Error, Path, Value};

use super::{assert_sound, paths};

const FORMATS: [Format; 8] = [
    Format::Json,
    Format::Jsonc,
    Format::Json5,
    Format::Yaml,
    Format::Toml,
    Format::Dotenv,
    Format::Ini,
    Format::Properties,
];
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What reads also prints, reads back, has places and is not edited for nothing; what does not has a place.
pub fn parses(format: Format, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let value = match parse(&text, format) {
        Ok(value) => value,
        Err(error) => return assert_placed(&text, &error),
    };
    assert_sound(&value);
    for printed in FORMATS {
        reads_back(&value, printed, printed == format);
    }
    let paths = paths(&value, 200);
    for (path, place) in paths.iter().zip(locate_all(&text, format, &paths)) {
        let Some(place) = place else { panic!("`{path}` has no place") };
        assert_within(&text, place.line, place.column);
    }
    assert_eq!(rewrite(&text, format, &value).as_deref(), Ok(text.as_ref()), "an edit that changes nothing");
    let noted = parse_noting(&text, format, "f").unwrap_or_else(|error| panic!("it is noted otherwise: {error:?}"));
    assert_eq!(noted.value, value, "notes change nothing");
    for note in &noted.notes {
        assert_placed(&text, note);
    }
}

/// Of several documents in a YAML text one is edited, and the others stay as they are.
pub fn documents(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let all = |text: &str| {
        let argument = FileArgument::parse("f;document=all").unwrap();
        argument
            .value(text, Format::Yaml, "f")
            .map(|value| value.as_list().unwrap().iter().cloned().collect::<Vec<_>>())
    };
    let old = match all(&text) {
        Ok(old) => old,
        Err(error) => return assert!(!error.message().is_empty()),
    };
    let seed = data.iter().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add((*byte).into()));
    for (at, document) in old.iter().enumerate().take(4) {
        let target = edited(document, seed % 97, (seed % 251) as u8, seed % 89);
        let new = match rewrite_document(&text, at + 1, &target) {
            Ok(new) => new,
            Err(error) => return assert_eq!(error.code(), confmesh::Code::Unrepresentable, "{error:?}"),
        };
        let want = old.iter().enumerate().map(|(other, kept)| if other == at { target.clone() } else { kept.clone() });
        let want = want.collect();
        assert_eq!(all(&new), Ok(want), "\n{text}\n=>\n{new}");
    }
}

/// Whether a format reads back what it prints.
fn reads_back(value: &Value, format: Format, is_own: bool) {
    let text = match print(value, format) {
        Ok(text) => text,
        Err(error) => {
            assert_eq!(error.code(), confmesh::Code::Unrepresentable, "{error:?}");
            assert!(!is_own || value.depth() > 60, "{} cannot print what it read: {error:?}", format.name());
            let free = matches!(format, Format::Json | Format::Jsonc | Format::Json5 | Format::Yaml);
            assert!(!free, "{} holds everything: {error:?}", format.name());
            return;
        }
    };
    let read = parse(&text, format);
    if holds_text_only(format) {
        let read = read.unwrap_or_else(|error| panic!("{}: {error:?}: {text:?}", format.name()));
        assert_eq!(print(&read, format).as_deref(), Ok(text.as_str()), "{} prints the same again", format.name());
    } else {
        assert_eq!(read.as_ref(), Ok(value), "{} reads back {text:?}", format.name());
    }
}

fn holds_text_only(format: Format) -> bool {
    format.is_untyped()
}

#[track_caller]
fn assert_placed(text: &str, error: &Error) {
    let Some(place) = error.origin().and_then(|origin| origin.location) else { panic!("no place: {error:?}") };
    assert_within(text, place.line, place.column);
    assert!(!error.message().is_empty() && !error.message().contains('\n'), "{error:?}");
}

/// Whether the text has that line and column; the column behind the last character and the line behind the last break
/// count.
#[track_caller]
fn assert_within(text: &str, line: u32, column: u32) {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let found = body.split('\n').nth(line as usize - 1);
    let Some(found) = found else { panic!("no line {line} in {body:?}") };
    assert!(column >= 1 && column as usize <= found.chars().count() + 1, "no column {column} in {found:?}");
}

/// An edited text reads as the edited value, and what an edit has no business with stays.
///
/// The text may be followed by a line `%%` and edits, three bytes each; without, the text itself decides on them.
pub fn rewrites(format: Format, data: &[u8]) {
    let at = data.windows(4).rposition(|bytes| bytes == b"\n%%\n");
    let text = String::from_utf8_lossy(at.and_then(|at| data.get(..at)).unwrap_or(data));
    let Ok(old) = parse(&text, format) else { return };
    let seed =
        || data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let edits = at.and_then(|at| data.get(at + 4..)).map_or_else(|| seed().to_le_bytes().to_vec(), <[u8]>::to_vec);
    let mut target = old.clone();
    for edit in edits.chunks_exact(3).take(4) {
        if let [at, kind, what] = edit {
            target = edited(&target, (*at).into(), *kind, (*what).into());
        }
    }
    let target = holdable(&target, format);
    let printed = print(&target, format);
    let result = rewrite(&text, format, &target);
    let (Ok(printed), Ok(new)) = (&printed, &result) else {
        assert_eq!(printed.err(), result.err(), "an edit fails as printing does");
        return;
    };
    let want = if holds_text_only(format) { parse(printed, format).unwrap() } else { target };
    assert_eq!(parse(new, format).as_ref(), Ok(&want), "\n{text}\n=>\n{new}");
    assert_eq!(text.starts_with(BYTE_ORDER_MARK), new.starts_with(BYTE_ORDER_MARK), "the byte order mark stays");
    let lone = |text: &str| text.replace("\r\n", "").contains('\n');
    assert!(!text.contains("\r\n") || lone(&text) || !lone(new), "line breaks are not mixed: {text:?} => {new:?}");
    if let (Some(limit), Some(place)) = (touched(format, &text, &old, &want), only_scalar(&old, &want)) {
        let (a, b): (Vec<&str>, Vec<&str>) = (text.split('\n').collect(), new.split('\n').collect());
        let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(
            a.len() <= front + back + limit,
            "the edit of `{place}` touched more than its line:\n{text}\n=>\n{new}"
        );
    }
}

/// How many lines the edit of one scalar may replace, where that can be told without knowing the format.
fn touched(format: Format, text: &str, old: &Value, new: &Value) -> Option<usize> {
    let long = |value: &Value| only_scalars(value).any(|text| text.contains(['\n', '\r']));
    let plain = |odd: &[char]| !text.contains(odd) && !text.replace("\r\n", "\n").contains('\r');
    let known = match format {
        Format::Json | Format::Jsonc => true,
        // A value over several lines counts as several.
        Format::Toml => !text.contains("\"\"\"") && !text.contains("'''"),
        Format::Dotenv | Format::Ini | Format::Properties => {
            !long(old) && !text.contains("\\\n") && !text.contains("\\\r\n")
        }
        Format::Yaml => {
            plain(&['&', '*', '?', '|', '>', '\'', '"', '[', '{', '\t', '!', '%', '@', '`']) && !folded(text)
        }
        _ => false,
    };
    (known && !long(new)).then_some(1)
}

/// Whether a plain YAML scalar may go on in the next line.
fn folded(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#') && !line.contains(": "))
}

fn only_scalars(value: &Value) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    value.for_each_leaf(&mut |_, leaf| found.extend(leaf.as_str().map(str::to_owned)));
    found.into_iter()
}

/// The path of the one scalar that differs, where nothing else does.
fn only_scalar(old: &Value, new: &Value) -> Option<Path> {
    let is_scalar = |value: &Value| !matches!(value, Value::Map(_) | Value::List(_));
    let mut paths = paths(old, 500)
        .into_iter()
        .filter(|path| old.at(path).zip(new.at(path)).is_some_and(|(a, b)| a != b && is_scalar(a) && is_scalar(b)));
    let path = paths.next()?;
    (old.with(&path, new.at(&path)?.clone()) == *new).then_some(path)
}

fn edited(value: &Value, at: usize, kind: u8, what: usize) -> Value {
    let places = paths(value, 256);
    let Some(path) = places.get(at % places.len().max(1)) else { return value.clone() };
    let new = sample(what);
    match (kind % 6, value.at(path)) {
        (0, _) if !path.is_root() => value.without(path),
        (1, Some(Value::Map(_))) => value.with(&path.child(KEYS.get(what % KEYS.len()).unwrap_or(&"new")), new),
        (2, Some(Value::List(list))) => value.with(path, Value::List(list.with_inserted(what % (list.len() + 1), new))),
        _ if path.is_root() => value.clone(),
        _ => value.with(path, new),
    }
}

const KEYS: [&str; 12] = ["new", "a b", "a.b", "", "é", "<<", "'", "#", "NEW", "a]", "- a", "\"q\\"];

const TEXTS: [&str; 34] = [
    "",
    "x",
    "no",
    "a: b",
    "# c",
    " lead",
    "trail ",
    "two\nlines\n",
    "two\nlines",
    "\ttab",
    "é😀",
    "'",
    "\"",
    "\\",
    "$x",
    "*x",
    "&x",
    "a]b",
    "- a",
    "1",
    "null",
    "\r\n",
    "\u{1}",
    "<<",
    "---",
    "'''",
    "\"\"\"",
    "a # b",
    "a ; b",
    ";",
    "%",
    "?",
    "\u{85}\u{2028}",
    "\u{feff}",
];

/// Values that formats spell in ways of their own.
fn sample(what: usize) -> Value {
    if let Some(text) = what.checked_sub(64).and_then(|what| TEXTS.get(what % TEXTS.len())) {
        return Value::from(*text);
    }
    let json = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e21",
        "1e-7",
        "18446744073709551615",
        "-9223372036854775808",
        "[]",
        "{}",
        "[1,\"a\"]",
        "{\"k\":\"v\"}",
        "{\"a.b\":{\"c\":[{\"d\":1}]}}",
        "[[1],[2]]",
        "[{\"a\":1,\"b\":[]},{}]",
    ];
    json.get(what % json.len()).and_then(|text| parse(text, Format::Json).ok()).unwrap_or(Value::Null)
}
