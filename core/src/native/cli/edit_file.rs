//! Edits of a file in place, without an instance: comments, order and layout stay as in a bound file.
use std::fs::{File, TryLockError};
use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use super::arguments::{Fmt, Set, Unset};
use super::input::{Input, Inputs};
use super::offline::typed_value;
use super::output::{CORRECTABLE, DONE, Outcome, Stop, data, json, warn};
use super::suggest::not_found;
use crate::error::{Code, Error, Result};
use crate::format::{FileArgument, Format, LeftOut, Which, held, holdable, parse, rewrite, rewrite_document};
use crate::native::file::{Replaced, replace_if_unchanged, write_in_place};
use crate::origin::Origin;
use crate::path::Path;
use crate::value::{Map, Value, check_behind_tags};

pub(super) fn run_set(arguments: &Set, file: &str, as_json: bool) -> Outcome {
    refuse_terms(arguments.terms.is_empty())?;
    let path = key_path(&arguments.path)?;
    edit(file, as_json, |input, old| {
        fits(old, &path)?;
        let current = old.at(&path);
        // Where everything is a text, JSON over a text is one as well.
        let stays_text = input.format.is_untyped() && matches!(current, Some(Value::String(_)));
        let is_text = arguments.string || (stays_text && !arguments.as_json);
        let (value, warning) = typed_value(&arguments.value, is_text, arguments.as_json, current)?;
        // That a new text is one needs no word there.
        let is_plain = input.format.is_untyped() && current.is_none() && matches!(value, Value::String(_));
        Ok((old.with(&path, value), warning.filter(|_| !is_plain)))
    })
}

pub(super) fn run_unset(arguments: &Unset, file: &str, as_json: bool) -> Outcome {
    refuse_terms(arguments.terms.is_empty())?;
    let path = key_path(&arguments.path)?;
    edit(file, as_json, |input, old| {
        check_behind_tags(old, &path)?;
        if old.at(&path).is_none() {
            return Err(not_found(&path, old).with_origin(Origin::source(&input.source)).into());
        }
        Ok((old.without(&path), None))
    })
}

/// Reads a file, changes what it says and writes it; from the start again where somebody else wrote it meanwhile.
fn edit(file: &str, as_json: bool, change: impl Fn(&Input, &Value) -> Result<(Value, Option<Error>), Stop>) -> Outcome {
    let _turn = Turn::take(file);
    let mut tries = 1;
    loop {
        let input = read(file)?;
        let (target, warning) = change(&input, &input.value()?)?;
        let Some(changed) = put(&input, &target)? else {
            if tries == MAX_TRIES {
                return Err(changed_meanwhile(&input).into());
            }
            tries += 1;
            std::thread::sleep(PAUSE);
            continue;
        };
        if let Some(warning) = warning {
            warn(&warning, as_json);
        }
        return report(&input, changed, as_json);
    }
}

/// How often an edit is begun again that another program came in between.
const MAX_TRIES: u32 = 50;
/// How long is waited before that, and between looks at whether another command is done.
const PAUSE: Duration = Duration::from_millis(10);
/// How long other commands are waited for at most.
const LONGEST_TURN: Duration = Duration::from_secs(10);

/// Commands that edit files of one directory take turns; it ends with this. Programs that do not are found out by what they write.
pub(super) struct Turn {
    _lock: Option<File>,
}

impl Turn {
    /// Without a lock where there is none to have: it only spares tries.
    pub(super) fn take(file: &str) -> Turn {
        let path = FileArgument::parse(file).ok().and_then(|file| std::fs::canonicalize(file.path).ok());
        let directory = path.and_then(|path| File::open(path.parent()?).ok());
        let until = Instant::now() + LONGEST_TURN;
        let lock = directory.filter(|directory| {
            while matches!(directory.try_lock(), Err(TryLockError::WouldBlock)) {
                if Instant::now() >= until {
                    return false;
                }
                std::thread::sleep(PAUSE);
            }
            true
        });
        Turn { _lock: lock }
    }
}

/// Tidies files, or with `--check` names those that are not tidy.
pub(super) fn run_fmt(arguments: &Fmt, as_json: bool) -> Outcome {
    let mut inputs = Inputs::new(arguments.reading.input_format);
    let mut found = Vec::new();
    for file in &arguments.files {
        let _turn = (!arguments.check).then(|| Turn::take(file));
        let input = if arguments.check { inputs.read(file)? } else { inputs.read_regular(file)? };
        whole(&input.text, input.format).map_err(|error| located(error, &input.source))?;
        let tidy = tidy(&input.text, input.format);
        if tidy != input.text {
            found.push(input.source.clone());
            if !arguments.check && !write(&input, &tidy)? {
                return Err(changed_meanwhile(&input).into());
            }
        }
    }
    if as_json {
        json(&found.iter().map(|file| Value::from(file.as_str())).collect::<Vec<_>>().into())?;
    } else {
        data(&found.iter().flat_map(|file| [file.as_str(), "\n"]).collect::<String>())?;
    }
    Ok(if arguments.check && !found.is_empty() { CORRECTABLE } else { DONE })
}

/// Reads the file of an edit in place; standard input has no place.
pub(super) fn read(file: &str) -> Result<Input, Stop> {
    if file == "-" {
        return Err(Error::new(Code::Usage, "standard input cannot be edited in place")
            .with_hint("name a file")
            .into());
    }
    Inputs::new(None).read_regular(file)
}

/// Writes the target into the file, if it still holds what was read.
pub(super) fn finish(input: &Input, target: &Value, as_json: bool) -> Outcome {
    match put(input, target)? {
        Some(changed) => report(input, changed, as_json),
        None => Err(changed_meanwhile(input).into()),
    }
}

/// Whether the file is another one now; none where it was left alone, as it does not hold any more what was read.
fn put(input: &Input, target: &Value) -> Result<Option<bool>, Stop> {
    let old = input.value()?;
    // A section that was emptied goes with its last key where the format has no empty ones.
    let emptied = |part: &LeftOut| {
        let is_empty = |value: Option<&Value>| value.and_then(Value::as_map).is_some_and(Map::is_empty);
        is_empty(target.at(&part.path)) && old.at(&part.path).is_some_and(|value| value.as_map().is_some())
    };
    if let Some(part) = held(target, input.format).left_out.into_iter().find(|part| !emptied(part)) {
        let error = Error::new(Code::Unrepresentable, part.reason).with_path(part.path);
        let error = error.with_origin(Origin::source(&input.source));
        return Err(error.with_hint("use a file of another format, or a value of another kind").into());
    }
    let target = &holdable(target, input.format);
    let new = match input.file.document {
        None => rewrite(&input.text, input.format, target),
        Some(Which::One(number)) => rewrite_document(&input.text, number, target),
        Some(Which::All) => {
            Err(Error::new(Code::Usage, "one document at a time is edited").with_hint("name it: `;document=1`"))
        }
    };
    let new = new.map_err(|error| error.with_origin(Origin::source(&input.source)))?;
    let changed = new != input.text;
    Ok((!changed || write(input, &new)?).then_some(changed))
}

fn report(input: &Input, changed: bool, as_json: bool) -> Outcome {
    if as_json {
        json(&[("file", Value::from(input.source.as_str())), ("changed", changed.into())].into_iter().collect())?;
    }
    Ok(DONE)
}

/// Whether the file still held what was read, and holds the text now.
fn write(input: &Input, text: &str) -> Result<bool> {
    let path = FilePath::new(&input.file.path);
    let replaced = match replace_if_unchanged(path, Some(&input.text), text)? {
        Replaced::Fixed(_) => write_in_place(path, &input.text, text)?,
        replaced => replaced,
    };
    Ok(matches!(replaced, Replaced::Done))
}

fn changed_meanwhile(input: &Input) -> Error {
    Error::new(Code::File, format!("`{}` changed meanwhile and was left alone", input.file.path))
        .with_hint("run the command again")
}

fn refuse_terms(is_empty: bool) -> Result<()> {
    if is_empty {
        return Ok(());
    }
    Err(Error::new(Code::Usage, "a file has no versions, locks or names of writers")
        .with_hint("leave out the conditions, or write to an instance without `--file`"))
}

fn key_path(text: &str) -> Result<Path> {
    let path = Path::parse(text)?;
    if path.is_root() {
        return Err(Error::new(Code::Usage, "the path is empty").with_hint("name a key"));
    }
    Ok(path)
}

/// A value is never replaced by a map because of a path that goes through it, nor a list by an index beyond its end.
fn fits(old: &Value, path: &Path) -> Result<()> {
    check_behind_tags(old, path)?;
    for len in 0..path.len() {
        let (above, segment) = (path.prefix(len), path.segments().get(len));
        let named = if above.is_root() { "the document".to_owned() } else { format!("`{above}`") };
        let error = match (old.at(&above), segment) {
            (None | Some(Value::Map(_) | Value::Null), _) | (_, None) => continue,
            (Some(Value::List(list)), Some(segment)) => match crate::value::index(segment) {
                Some(at) if at <= list.len() => continue,
                _ => Error::new(Code::Usage, format!("{named} is a list of {} items", list.len()))
                    .with_hint(format!("name an item by its number; {} appends", list.len())),
            },
            (Some(other), _) => Error::new(Code::Usage, format!("{named} is a {}, no map", other.type_name()))
                .with_hint(format!("remove it first: `confmesh unset {above}`")),
        };
        return Err(error.with_path(path.clone()));
    }
    Ok(())
}

/// All that a text says: of YAML the list of its documents.
fn whole(text: &str, format: Format) -> Result<Value> {
    let all = FileArgument { document: Some(Which::All), ..FileArgument::default() };
    if format == Format::Yaml { all.value(text, format, "") } else { parse(text, format) }
}

fn located(error: Error, source: &str) -> Error {
    let place = error.origin().and_then(|origin| origin.location);
    error.with_origin(Origin::source(source).at(place))
}

/// The text without blanks at the ends of lines and of the text, with one kind of line breaks and a final one, as far as
/// no value depends on them.
fn tidy(text: &str, format: Format) -> String {
    let Ok(value) = whole(text, format) else { return text.to_owned() };
    let reads_so = |text: &str| whole(text, format).as_ref() == Ok(&value);
    let newline = if text.matches("\r\n").count() * 2 > text.matches('\n').count() { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[String], trims: bool| {
        let text = lines.join(newline);
        let end = if trims { text.trim_end_matches(['\r', '\n']) } else { &text };
        if end.is_empty() { String::new() } else { format!("{end}{newline}") }
    };
    // The last text may keep the blank lines behind it.
    let owned: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let trims = reads_so(&joined(&owned, true));
    let join = |lines: &[String]| joined(lines, trims);
    let trimmed: Vec<String> = lines.iter().map(|line| line.trim_end().to_owned()).collect();
    let whole = join(&trimmed);
    if reads_so(&whole) {
        return whole;
    }
    // Some text over several lines needs its blanks: line by line, as few lines as those are.
    let mut kept = owned.clone();
    for (at, line) in trimmed.iter().enumerate() {
        let Some(place) = kept.get_mut(at).filter(|place| *place != line) else { continue };
        let before = std::mem::replace(place, line.clone());
        if !reads_so(&join(&kept))
            && let Some(place) = kept.get_mut(at)
        {
            *place = before;
        }
    }
    let result = join(&kept);
    if reads_so(&result) { result } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidying_removes_only_blanks_that_say_nothing() {
        assert_eq!(tidy("a: 1  \r\nb: 2\n\n\n", Format::Yaml), "a: 1\nb: 2\n");
        assert_eq!(tidy("a: |  \n  x  \nb: 2 # c \n", Format::Yaml), "a: |\n  x  \nb: 2 # c\n");
        assert_eq!(tidy("a = \"\"\"\nx \n\"\"\" \n", Format::Toml), "a = \"\"\"\nx \n\"\"\"\n");
        assert_eq!(tidy("{\"a\": 1} \r\n", Format::Json), "{\"a\": 1}\r\n");
        assert_eq!(tidy("a: 1 \n--- \nb: |+\n  x \n\n", Format::Yaml), "a: 1\n---\nb: |+\n  x \n\n");
    }

    #[test]
    fn a_path_goes_through_maps_and_items_that_are_there() {
        let value = parse("{a: x, l: [1], m: {}}", Format::Yaml).unwrap();
        for (path, good) in [("a", true), ("a.b", false), ("l.0", true), ("l.1", true), ("l.2", false), ("m.x.y", true)]
        {
            assert_eq!(fits(&value, &Path::parse(path).unwrap()).is_ok(), good, "{path}");
        }
    }

    #[test]
    fn what_is_set_takes_the_kind_of_what_stands_there_and_says_where_that_is_not_plain() {
        let read = |text: &str| parse(text, Format::Json).unwrap();
        for (text, current, want, said) in [
            ("2.0", "1", "2", "taken as the number 2"),
            ("42", "1", "42", ""),
            ("1.10", "null", "\"1.10\"", "taken as a text"),
            ("1.0", "[]", "\"1.0\"", "would be spelled 1"),
            ("1.10", "\"1.9\"", "\"1.10\"", ""),
            ("s", "3", "\"s\"", "was of the type integer and is of the type string"),
            ("0755", "644", "\"0755\"", "was of the type integer and is of the type string"),
            ("no", "true", "false", "taken as `false`"),
            ("true", "\"yes\"", "\"true\"", "taken as a text"),
            ("[1]", "{}", "[1]", "was of the type map and is of the type list"),
            ("null", "1", "null", ""),
        ] {
            let (value, warning) = typed_value(text, false, false, Some(&read(current))).unwrap();
            let warned = warning.map(|warning| warning.message().to_owned()).unwrap_or_default();
            assert_eq!(value, read(want), "{text} over {current}");
            assert!(warned.contains(said) && said.is_empty() == warned.is_empty(), "{text} over {current}: {warned}");
        }
        assert_eq!(typed_value("true", true, false, Some(&true.into())).unwrap(), ("true".into(), None));
        let (value, warning) = typed_value("1.0", false, false, None).unwrap();
        assert_eq!(
            (value, warning.and_then(|warning| warning.hint().map(str::to_owned)).as_deref()),
            ("1.0".into(), Some("add `--as-json` for the number, or `--string` for the text"))
        );
        assert_eq!(typed_value("1.5", false, false, None).unwrap(), (read("1.5"), None));
    }

    #[test]
    fn what_a_format_cannot_hold_is_named_and_sections_that_are_emptied_go() {
        let folder = tempfile::tempdir().unwrap();
        let edited = |name: &str, text: &str, path: &str, value: Option<Value>| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let input = read(file.to_str().unwrap()).unwrap();
            let (old, path) = (input.value().unwrap(), Path::parse(path).unwrap());
            let target = value.map_or_else(|| old.without(&path), |value| old.with(&path, value));
            match finish(&input, &target, false) {
                Ok(_) => std::fs::read_to_string(&file).unwrap(),
                Err(Stop::Error(error, _)) => error.message().to_owned(),
                Err(_) => String::new(),
            }
        };
        let list = Value::from(vec![Value::from(1)]);
        assert_eq!(edited("a.ini", "[s]\na = 1\n", "s.a", Some(list.clone())), "INI cannot hold a list");
        assert_eq!(edited("a.toml", "a = 1\n", "b", Some(Value::Null)), "TOML cannot hold null");
        assert_eq!(edited("a.env", "A=1\n", "A", Some(list)), "dotenv cannot hold a list");
        assert_eq!(edited("a.env", "A__B=1\nC=2\n", "A.B", None), "C=2\n");
        assert_eq!(edited("a.properties", "a.b.c=1\nd=2\n", "a.b.c", None), "d=2\n");
    }

    #[test]
    fn a_file_is_edited_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "# top\na: \"1.9\" # c\nl: &l\n  b: 1 # b\nm: *l\n").unwrap();
        let name = file.to_str().unwrap();
        let input = read(name).unwrap();
        let old = input.value().unwrap();
        let (value, _) = typed_value("1.10", false, false, old.child("a")).unwrap();
        finish(&input, &old.with(&Path::parse("a").unwrap(), value), false).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "# top\na: \"1.10\" # c\nl: &l\n  b: 1 # b\nm: *l\n");
        // What was read is not there any more.
        assert!(
            matches!(finish(&input, &Value::empty_map(), false), Err(Stop::Error(error, _)) if error.code() == Code::File)
        );
    }
}
