//! What is said to operators: an event of `tracing`, and a line on standard error where that is wanted.
use std::str::FromStr;

use super::log_writer;
use crate::canonical::canonical;
use crate::clock::rfc3339;
use crate::engine::Level;
use crate::error::{Code, Error, Result};
use crate::value::Value;

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

/// The variable that says how lines look.
const FORMAT_VARIABLE: &str = "CONFMESH_LOG_FORMAT";

/// How lines on standard error look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-11-21T10:00:00.000Z warn <message>`.
    #[default]
    Text,
    /// `{"level":"warn","message":"…","target":"confmesh","timestamp":"2026-11-21T10:00:00.000Z"}`.
    Json,
}

impl LogFormat {
    /// The form that the variable `CONFMESH_LOG_FORMAT` asks for, else this one.
    ///
    /// # Errors
    /// [`Code::Usage`] where the variable holds something else.
    pub fn or_environment(self) -> Result<LogFormat> {
        match std::env::var(FORMAT_VARIABLE) {
            Ok(text) if !text.is_empty() => text.parse(),
            _ => Ok(self),
        }
    }

    /// Has the lines of this process look so from now on.
    pub fn use_it(self) {
        log_writer::set_format(self);
    }
}

impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<LogFormat> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(Error::new(Code::Usage, format!("`{text}` is no form of log lines"))
                .with_hint(format!("set {FORMAT_VARIABLE}, or what names it, to text or json"))),
        }
    }
}

/// Tells whoever the program subscribed with `tracing`, and writes one line if the level asks for it.
pub(super) fn log(wanted: LogLevel, level: impl Into<LogLevel>, message: &str) {
    let level = level.into();
    match level {
        LogLevel::Off => {}
        LogLevel::Error => tracing::error!(target: "confmesh", "{message}"),
        LogLevel::Warn => tracing::warn!(target: "confmesh", "{message}"),
        LogLevel::Info => tracing::info!(target: "confmesh", "{message}"),
    }
    if level <= wanted && level != LogLevel::Off {
        log_writer::write(level, message);
    }
}

/// How long a line may be: whoever makes us say something long fills the disk.
const MAX_LINE_CHARS: usize = 16_000;

pub(super) fn line(format: LogFormat, wall_ms: u64, level: LogLevel, message: &str) -> String {
    // A line is one line, whatever a file or a peer made us say.
    let mut shown: String =
        message.chars().take(MAX_LINE_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let left_out = message.chars().skip(MAX_LINE_CHARS).count();
    if left_out > 0 {
        shown.push_str(&format!("… ({left_out} characters more)"));
    }
    match format {
        LogFormat::Text => format!("{} {} {shown}", rfc3339(wall_ms), level.as_str()),
        LogFormat::Json => {
            let fields = [
                ("timestamp", Value::from(rfc3339(wall_ms))),
                ("level", level.as_str().into()),
                ("target", "confmesh".into()),
                ("message", shown.into()),
            ];
            canonical(&fields.into_iter().collect())
        }
    }
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
            line(LogFormat::Text, 1_795_255_200_123, LogLevel::Warn, &worded(&error)),
            "2026-11-21T10:00:00.123Z warn cannot read it (hint: look)"
        );
        assert_eq!(
            line(LogFormat::Json, 1_795_255_200_123, LogLevel::Warn, "a \"b\"\n{c}"),
            r#"{"level":"warn","message":"a \"b\" {c}","target":"confmesh","timestamp":"2026-11-21T10:00:00.123Z"}"#
        );
    }

    #[test]
    fn a_program_that_subscribes_hears_what_standard_error_does_not() {
        #[derive(Clone, Default)]
        struct Heard(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
        impl tracing::field::Visit for Heard {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.lock().unwrap().push(format!("{field}={value:?}"));
            }
        }
        impl tracing::Subscriber for Heard {
            fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
                true
            }
            fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
                tracing::span::Id::from_u64(1)
            }
            fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
            fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
            fn event(&self, event: &tracing::Event<'_>) {
                let of = event.metadata();
                self.0.lock().unwrap().push(format!("{} {}", of.level(), of.target()));
                event.record(&mut self.clone());
            }
            fn enter(&self, _: &tracing::span::Id) {}
            fn exit(&self, _: &tracing::span::Id) {}
        }
        let heard = Heard::default();
        tracing::subscriber::with_default(heard.clone(), || {
            log(LogLevel::Off, LogLevel::Warn, "a source is stale");
            log(LogLevel::Off, LogLevel::Info, "it is back");
        });
        let heard = heard.0.lock().unwrap().join(", ");
        assert_eq!(heard, "WARN confmesh, message=a source is stale, INFO confmesh, message=it is back");
    }

    #[test]
    fn a_line_has_an_end() {
        let text = line(LogFormat::Text, 0, LogLevel::Warn, &"ä".repeat(1_000_000));
        assert!(text.ends_with("… (984000 characters more)") && text.chars().count() < 16_100, "{}", text.len());
    }

    #[test]
    fn levels_are_read_in_any_case_and_others_are_explained() {
        assert_eq!("WARN".parse::<LogLevel>().unwrap(), LogLevel::Warn);
        let error = "loud".parse::<LogLevel>().unwrap_err();
        assert_eq!((error.code(), error.hint()), (Code::Usage, Some("set CONFMESH_LOG to off, error, warn or info")));
        assert_eq!("JSON".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert_eq!("xml".parse::<LogFormat>().unwrap_err().code(), Code::Usage);
    }
}
