//! From a file argument to its text, its format and the name that messages use.
use std::io::{self, ErrorKind, Read};
use std::path::Path as FilePath;

use super::output::{CORRECTABLE, Stop, warn};
use crate::error::{Code, Error};
use crate::format::{FileArgument, Format};
use crate::limits::MAX_TEXT_BYTES;
use crate::merge::Layer;
use crate::native::{file, io_error};
use crate::origin::Origin;
use crate::value::Value;

/// The name of stdin in messages.
const STDIN: &str = "<stdin>";

/// One file argument, read.
pub(super) struct Input {
    pub text: String,
    pub format: Format,
    /// The name that messages use: the argument itself, or `<stdin>`.
    pub source: String,
    /// The argument: the path of the file and its options.
    pub file: FileArgument,
    /// Whether nobody said what the format is.
    assumed: bool,
}

impl Input {
    /// Any JSON value.
    pub fn value(&self) -> Result<Value, Stop> {
        self.file.value(&self.text, self.format, &self.source).map_err(|error| self.advised(error))
    }

    /// Any JSON value, after a word where the text is not what the file's name says.
    pub fn told(&self, as_json: bool) -> Result<Value, Stop> {
        self.note().iter().for_each(|note| warn(note, as_json));
        self.value()
    }

    /// The note on a text that is not what the file's name says.
    pub fn note(&self) -> Option<Error> {
        self.file.note(&self.source, self.format)
    }

    /// A layer: a map.
    pub fn layer(&self, priority: i32) -> Result<Layer, Stop> {
        let text = self.text.clone();
        Layer::from_file(&self.source, priority, text, self.format, &self.file).map_err(|error| self.advised(error))
    }
}

impl Input {
    /// A text that is not what we took it for may be something else.
    fn advised(&self, error: Error) -> Stop {
        if self.assumed && error.code() == Code::Syntax {
            return error.with_hint("stdin is read as json: name another format with `--input-format`").into();
        }
        error.into()
    }
}

/// Reads file arguments; of all of them only one can be stdin.
#[derive(Default)]
pub(super) struct Inputs {
    forced: Option<Format>,
    stdin_taken: bool,
}

impl Inputs {
    pub fn new(forced: Option<Format>) -> Inputs {
        Inputs { forced, stdin_taken: false }
    }

    /// Reads one argument; none where it is an optional file that is missing.
    pub fn read_if_there(&mut self, file: &FileArgument) -> Result<Option<Input>, Stop> {
        let is_missing = file.is_optional && !FilePath::new(&file.path).exists();
        if is_missing { Ok(None) } else { self.read_file(file.clone()).map(Some) }
    }

    /// Reads one argument.
    pub fn read(&mut self, argument: &str) -> Result<Input, Stop> {
        let is_stdin = argument == "-";
        let stdin = || FileArgument { path: argument.to_owned(), ..FileArgument::default() };
        self.read_file(if is_stdin { stdin() } else { FileArgument::parse(argument)? })
    }

    /// Reads one argument that is to be written again: no pipe, which waits for its other end and keeps nothing.
    pub fn read_regular(&mut self, argument: &str) -> Result<Input, Stop> {
        let file = FileArgument::parse(argument)?;
        match std::fs::metadata(&file.path) {
            Ok(about) if !about.is_file() && !about.is_dir() => {
                let error = Error::new(Code::Usage, format!("`{}` is a pipe, a socket or a device", file.path));
                Err(error.with_hint("name a file").into())
            }
            _ => self.read_file(file),
        }
    }

    fn read_file(&mut self, file: FileArgument) -> Result<Input, Stop> {
        if file.path == "-" {
            if std::mem::replace(&mut self.stdin_taken, true) {
                return Err(Error::new(Code::Usage, "stdin (`-`) is named twice")
                    .with_hint("save one of the inputs to a file")
                    .into());
            }
            let text = read_stdin()?;
            let format = self.forced.unwrap_or(Format::Json);
            let assumed = self.forced.is_none();
            return Ok(Input { text, format, source: STDIN.to_owned(), file: FileArgument::default(), assumed });
        }
        let text = read_file(&file.path)?;
        let file = FileArgument { named_format: file.named_format.or(self.forced), ..file };
        let format = match file.named_format {
            Some(format) => format,
            None => file.format().map_err(|error| {
                let known = error.hint().unwrap_or_default().to_owned();
                error.with_hint(format!("add `;format=NAME` to the file, or `--input-format`; {known}"))
            })?,
        };
        let format = file.format_of(&text, format);
        Ok(Input { text, format, source: file.path.clone(), file, assumed: false })
    }
}

fn read_file(argument: &str) -> Result<String, Stop> {
    let path = FilePath::new(argument);
    // Which path, and who may read it, is the user's to correct; a failing disk is not.
    match std::fs::metadata(path) {
        Err(error) if correctable(error.kind()) => return Err(unreadable(path, &error)),
        Ok(found) if found.is_dir() => return Err(unreadable(path, &ErrorKind::IsADirectory.into())),
        // A pipe is opened once only: who writes into it would find that nobody reads any more.
        Ok(found) if !found.is_file() => {
            let bytes = file::read_bytes(path).map_err(|error| Stop::Error(error, CORRECTABLE))?;
            return utf8(bytes.unwrap_or_default(), argument);
        }
        _ => {}
    }
    match std::fs::File::open(path) {
        Err(error) if correctable(error.kind()) => Err(unreadable(path, &error)),
        _ => match file::read_bytes(path)? {
            Some(bytes) => utf8(bytes, argument),
            None => Err(unreadable(path, &ErrorKind::NotFound.into())),
        },
    }
}

fn correctable(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::NotADirectory
    )
}

fn unreadable(path: &FilePath, error: &io::Error) -> Stop {
    let failure = io_error::failure(Code::File, "read", path, error);
    let failure = if error.kind() == ErrorKind::NotFound { failure.with_hint("correct the path") } else { failure };
    Stop::Error(failure, CORRECTABLE)
}

fn read_stdin() -> Result<String, Stop> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_TEXT_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(Code::File, format!("cannot read stdin: {}", io_error::reason(&error))))?;
    if bytes.len() > MAX_TEXT_BYTES {
        let message = format!("the text is larger than {} MiB", MAX_TEXT_BYTES >> 20);
        return Err(Error::new(Code::TooLarge, message).with_origin(Origin::source(STDIN)).into());
    }
    utf8(bytes, STDIN)
}

fn utf8(bytes: Vec<u8>, source: &str) -> Result<String, Stop> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        Error::new(Code::Syntax, format!("the text is not UTF-8: byte {at} is invalid"))
            .with_origin(Origin::source(source))
            .with_hint("save the text as UTF-8")
            .into()
    })
}
