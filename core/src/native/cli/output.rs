//! What leaves the process: data on stdout, words on stderr, one number as the status.
use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::canonical::canonical;
use crate::error::{Code, Error, Kind};
use crate::format::{Format, print};
use crate::native::io_error::reason;
use crate::origin::{Location, Origin};
use crate::path::Path;
use crate::value::Value;

/// Done.
pub(super) const DONE: u8 = 0;
/// Something that the user can correct.
pub(super) const CORRECTABLE: u8 = 1;
/// A failure of confmesh or of the system.
pub(super) const FAILED: u8 = 2;
/// Exit status: it was written, and is not in force on the instance that was asked.
pub(super) const NOT_IN_FORCE: u8 = 3;

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// An error, and the status that it ends with.
    Error(Error, u8),
    /// Nobody reads stdout any more: nothing to complain about.
    ReaderGone,
}

impl Stop {
    /// A source that gives nothing of use, whatever is asked for: the user can name another one, or mend it.
    pub fn of_source(error: Error) -> Stop {
        let stop = Stop::from(error);
        match stop {
            Stop::Error(error, FAILED) if matches!(error.code(), Code::File | Code::Unreachable | Code::Busy) => {
                Stop::Error(error, CORRECTABLE)
            }
            stop => stop,
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        let status = match (error.code(), error.kind()) {
            // Which address is free is the user's to know.
            (Code::Listen, _) => CORRECTABLE,
            (_, Kind::Io | Kind::Internal) => FAILED,
            _ => CORRECTABLE,
        };
        Stop::Error(error, status)
    }
}

/// The result of a command: its exit status.
pub(super) type Outcome = Result<u8, Stop>;

/// Writes data to stdout: as it is into files and pipes, without control characters to a terminal.
pub(super) fn data(text: &str) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    let text = if stdout.is_terminal() { visible(text) } else { Cow::Borrowed(text) };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::ReaderGone),
        Err(error) => Err(Error::new(Code::File, format!("cannot write to stdout: {}", reason(&error))).into()),
    }
}

/// Writes a value to stdout as pretty JSON.
pub(super) fn json(value: &Value) -> Result<(), Stop> {
    data(&print(value, Format::Json)?)
}

/// The text with control characters written as escapes, as JSON has them: they could move the cursor, or hide what stands
/// there. Line breaks and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_plain(c) || (c == '\r' && chars.peek() == Some(&'\n')) {
            out.push(c);
        } else {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    Cow::Owned(out)
}

/// Writes lines to stderr, control characters as escapes. Where nobody reads them there is nobody to tell.
pub(super) fn say(text: impl AsRef<str>) {
    let mut text = visible(text.as_ref()).into_owned();
    text.push('\n');
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Tells an error: the one place that prints errors.
pub(super) fn complain(error: &Error, as_json: bool) {
    if as_json {
        let body: Value = [("error", error.to_value())].into_iter().collect();
        say(canonical(&body));
    } else {
        say(worded("error", error));
    }
}

/// Tells what is odd but not wrong enough to stop.
pub(super) fn warn(warning: &Error, as_json: bool) {
    if as_json {
        let body: Value = [("warning", warning.to_value())].into_iter().collect();
        say(canonical(&body));
    } else {
        let mut text = format!("warning: {warning}");
        for related in warning.related() {
            text.push_str(&format!("\n  {related}"));
        }
        if let Some(hint) = warning.hint() {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        say(text);
    }
}

fn worded(what: &str, error: &Error) -> String {
    let mut text = format!("{what}: {error}");
    for related in error.related() {
        text.push_str(&format!("\n  {related}"));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\n\nhint: {hint}"));
    }
    text
}

/// Reads what [`Error::to_value`] makes; none where it is no error.
pub(super) fn error_from_value(value: &Value) -> Option<Error> {
    let text = |key: &str| value.child(key).and_then(Value::as_str);
    let code = Code::ALL.iter().copied().find(|code| Some(code.as_str()) == text("code")).unwrap_or(Code::Message);
    let mut error = Error::new(code, text("message")?);
    if let Some(hint) = text("hint") {
        error = error.with_hint(hint);
    }
    if let Some(path) = text("path").and_then(|path| Path::parse(path).ok()) {
        error = error.with_path(path);
    }
    if let Some(origin) = value.child("origin").and_then(origin_from_value) {
        error = error.with_origin(origin);
    }
    for related in value.child("related").and_then(Value::as_list).into_iter().flatten() {
        error = error_from_value(related).into_iter().fold(error, Error::with_related);
    }
    Some(error)
}

/// Reads an origin: a map with `source`, `line`, `column` and `key`; of an instance from before 0.2 the text that it prints as.
pub(super) fn origin_from_value(value: &Value) -> Option<Origin> {
    if let Some(text) = value.as_str() {
        return Some(Origin::source(text));
    }
    let number = |key: &str| value.child(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let location = number("line").zip(number("column")).map(|(line, column)| Location { line, column });
    let origin = Origin::source(value.child("source").and_then(Value::as_str)?).at(location);
    Some(match value.child("key").and_then(Value::as_str) {
        Some(key) => origin.spelled(key),
        None => origin,
    })
}

/// Rows as aligned columns, two spaces apart; the last column is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell_width = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> =
        (0..columns).map(|at| rows.iter().map(|row| cell_width(row, at)).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        // The width of a format ends at 65,535.
        let pad = |cell: &str, width: usize| " ".repeat(width.saturating_sub(cell.chars().count()));
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", pad(cell, *width)));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A path as people read it.
pub(super) fn path_name(path: &Path) -> String {
    if path.is_root() { "(document)".to_owned() } else { path.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_json_shape() {
        let error = Error::new(Code::Syntax, "expected a value")
            .with_hint("write one")
            .with_path(Path::parse("a.b").unwrap())
            .with_origin(Origin::source("a.json").at(Some(Location { line: 2, column: 3 })).spelled("B"))
            .with_related(Error::new(Code::Type, "a string").with_origin(Origin::source("env:X")));
        assert_eq!(error_from_value(&error.to_value()), Some(error));
        assert_eq!(error_from_value(&Value::Null), None);
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(visible("a\u{1b}[2J\u{9b}1m\u{7f}\rb\r\n\tc"), "a\\u001b[2J\\u009b1m\\u007f\\u000db\r\n\tc");
        assert!(matches!(visible("é\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_texts_stand_in_tables() {
        let long = "x".repeat(70_000);
        let text = table(&[vec![long.clone(), "b".into()], vec!["a".into(), "c".into()]]);
        assert_eq!(text, format!("{long}  b\na{}c\n", " ".repeat(70_001)));
    }

    #[test]
    fn the_hint_stands_apart() {
        let error = Error::new(Code::Usage, "no").with_hint("yes");
        assert_eq!(worded("error", &error), "error: no\n\nhint: yes");
    }
}
