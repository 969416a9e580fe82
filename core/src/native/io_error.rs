//! Failures of the operating system in words that a user understands.
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Code, Error};

/// What went wrong: lowercase, without the number of the operating system.
pub(crate) fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        ErrorKind::NotFound => "no such file or directory",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::StorageFull => "no space left on the disk",
        ErrorKind::QuotaExceeded => "the disk quota is used up",
        ErrorKind::FileTooLarge => "the file may not grow any further",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::IsADirectory => "it is a directory",
        ErrorKind::NotADirectory => "a part of the path is no directory",
        ErrorKind::ResourceBusy => "it is busy or a mount of its own",
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset",
        ErrorKind::ConnectionAborted => "connection aborted",
        ErrorKind::BrokenPipe => "connection lost",
        ErrorKind::UnexpectedEof => "connection lost",
        ErrorKind::TimedOut => "timed out",
        ErrorKind::HostUnreachable => "host unreachable",
        ErrorKind::NetworkUnreachable => "network unreachable",
        _ => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            let mut letters = text.chars();
            return letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect());
        }
    };
    words.to_owned()
}

/// What the user can do about a failure with a file, where we know it.
pub(crate) fn hint(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::NotFound => "create the directory, or correct the path",
        ErrorKind::PermissionDenied => "give the user that runs confmesh access to the file and its directories",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space; nothing was changed",
        ErrorKind::FileTooLarge => "raise the limit on file sizes (`ulimit -f`); nothing was changed",
        ErrorKind::ReadOnlyFilesystem => "use a path on a file system that can be written",
        ErrorKind::IsADirectory => "name a file in it",
        ErrorKind::NotADirectory => "correct the path",
        ErrorKind::ResourceBusy => "mount the directory of the file instead of the file alone",
        _ => return None,
    })
}

/// `cannot <verb> <path>: <reason>`, with a hint where there is one.
pub(crate) fn failure(code: Code, verb: &str, path: &Path, error: &io::Error) -> Error {
    let failure = Error::new(code, format!("cannot {verb} `{}`: {}", path.display(), reason(error)));
    match hint(error) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_path_and_speak_without_numbers() {
        let error = io::Error::from_raw_os_error(13);
        let error = failure(Code::File, "read", Path::new("/a/b"), &error);
        assert_eq!(error.message(), "cannot read `/a/b`: permission denied");
        assert!(error.hint().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_unknown_failure_keeps_the_words_of_the_system() {
        assert_eq!(reason(&io::Error::from_raw_os_error(24)), "too many open files");
    }
}
