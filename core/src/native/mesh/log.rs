//! Lines for operators on standard error.
use std::str::FromStr;

use super::log_writer;
use crate::clock::rfc3339;
use crate::engine::Level;
use crate::error::{Code, Error, Result};

/// The variable that decides over every program's own choice.
const VARIABLE: &str = "CONFMESH_LOG";

/// How much is told on standard error; every level includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing: the default of a library.
    #[default]
    Off,
    /// What is broken.
    Error,
    /// What someone should look at.
    Warn,
    /// What is good to know.
    Info,
}

impl LogLevel {
    /// The level that the variable `CONFMESH_LOG` asks for, else this one.
    ///
    /// # Errors
    /// [`Code::Usage`] where the variable holds something else.
    pub fn or_environment(self) -> Result<LogLevel> {
        match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => text.parse(),
            _ => Ok(self),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
        }
    }
}

impl FromStr for LogLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<LogLevel> {
        let levels = [LogLevel::Off, LogLevel::Error, LogLevel::Warn, LogLevel::Info];
        levels.into_iter().find(|level| text.eq_ignore_ascii_case(level.as_str())).ok_or_else(|| {
            Error::new(Code::Usage, format!("`{text}` is no log level"))
                .with_hint(format!("set {VARIABLE} to off, error, warn or info"))
        })
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> LogLevel {
        match level {
            Level::Info => LogLevel::Info,
            Level::Warning => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        }
    }
}

/// Writes one line, if the level asks for it: `2026-11-21T10:00:00.000Z warn <message>`.
pub(super) fn log(wanted: LogLevel, level: impl Into<LogLevel>, message: &str) {
    let level = level.into();
    if level <= wanted && level != LogLevel::Off {
        log_writer::write(level, message);
    }
}

/// How long a line may be: whoever makes us say something long fills the disk.
const MAX_LINE_CHARS: usize = 16_000;

pub(super) fn line(wall_ms: u64, level: LogLevel, message: &str) -> String {
    // A line is one line, whatever a file or a peer made us say.
    let shown = message.chars().take(MAX_LINE_CHARS).map(|c| if c.is_control() { ' ' } else { c });
    let mut line = format!("{} {} ", rfc3339(wall_ms), level.as_str());
    line.extend(shown);
    let left_out = message.chars().skip(MAX_LINE_CHARS).count();
    if left_out > 0 {
        line.push_str(&format!("… ({left_out} characters more)"));
    }
    line
}

/// How many related errors a line shows.
const MAX_RELATED: usize = 10;

/// An error as a line shows it, with those that belong to it.
pub(super) fn worded(error: &Error) -> String {
    let mut text = error.to_string();
    for related in error.related().iter().take(MAX_RELATED) {
        text.push_str(&format!("; {related}"));
    }
    if let Some(left_out) = error.related().len().checked_sub(MAX_RELATED).filter(|count| *count > 0) {
        text.push_str(&format!("; and {left_out} more"));
    }
    match error.hint() {
        Some(hint) => format!("{text} (hint: {hint})"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_time_level_and_message_and_stays_one_line() {
        let error = Error::new(Code::File, "cannot\nread it").with_hint("look");
        assert_eq!(
            line(1_795_255_200_123, LogLevel::Warn, &worded(&error)),
            "2026-11-21T10:00:00.123Z warn cannot read it (hint: look)"
        );
    }

    #[test]
    fn a_line_has_an_end() {
        let text = line(0, LogLevel::Warn, &"ä".repeat(1_000_000));
        assert!(text.ends_with("… (984000 characters more)") && text.chars().count() < 16_100, "{}", text.len());
    }

    #[test]
    fn levels_are_read_in_any_case_and_others_are_explained() {
        assert_eq!("WARN".parse::<LogLevel>().unwrap(), LogLevel::Warn);
        let error = "loud".parse::<LogLevel>().unwrap_err();
        assert_eq!((error.code(), error.hint()), (Code::Usage, Some("set CONFMESH_LOG to off, error, warn or info")));
    }
}
