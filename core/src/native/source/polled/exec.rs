//! Commands whose output is a document.
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{Answer, Failure};
use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::limits::MAX_TEXT_BYTES;
use crate::native::group::Group;
use crate::native::io_error::reason;
use crate::source::SourceSpec;
use crate::value::Str;

/// How much of what a command complains about is logged: the last characters, where the reason mostly stands.
const MAX_TOLD: usize = 400;
/// How long its pipes are read once it ended: what it left behind may hold them open for ever.
const DRAIN: Duration = Duration::from_millis(100);
/// How much of its standard error is kept.
const MAX_ERRORS: usize = 64 << 10;

pub(super) struct ExecLoader {
    id: Str,
    words: Vec<String>,
    format: Format,
    patience: Duration,
    is_secret: bool,
    is_optional: bool,
}

impl ExecLoader {
    pub(super) fn new(spec: &SourceSpec, words: &[String]) -> ExecLoader {
        ExecLoader {
            id: spec.id(),
            words: words.to_vec(),
            format: spec.options.format.unwrap_or(Format::Json),
            patience: Duration::from_millis(spec.options.patience_ms()),
            is_secret: spec.options.is_secret,
            is_optional: spec.options.is_optional,
        }
    }

    pub(super) async fn load(&self) -> Result<Answer, Failure> {
        let Some((program, arguments)) = self.words.split_first() else {
            return Err(Error::new(Code::Usage, "the command of a source names no program").into());
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A group of its own, so that what it starts ends with it.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => Group::of(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.is_optional => {
                return Ok(Answer::Missing);
            }
            Err(error) => {
                let message = format!("cannot run `{}`: {}", self.id, reason(&error));
                let hint = "name a program of the PATH, or its whole path; no shell looks at the command";
                return Err(Error::new(Code::File, message).with_hint(hint).into());
            }
        };
        match timeout(self.patience, self.ended(&mut child.leader)).await {
            Ok(answer) => answer,
            Err(_) => {
                let message =
                    format!("`{}` did not end within {} s and was killed", self.id, self.patience.as_secs_f64());
                Err(Error::new(Code::Busy, message).with_hint("raise `timeout`, or see what it waits for").into())
            }
        }
    }

    async fn ended(&self, child: &mut Child) -> Result<Answer, Failure> {
        let (from_out, from_errors) = (child.stdout.take(), child.stderr.take());
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let status = {
            let mut reading = pin!(async {
                tokio::join!(read(from_out, MAX_TEXT_BYTES + 1, &mut out), read(from_errors, MAX_ERRORS, &mut errors))
            });
            let mut is_read = false;
            // It has ended when it ended, whoever still holds its pipes.
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    _ = &mut reading, if !is_read => is_read = true,
                }
            };
            if !is_read {
                let _ = timeout(DRAIN, &mut reading).await; // what came is taken either way
            }
            status
        };
        let failed = |what: String| Error::new(Code::File, what);
        if out.len() > MAX_TEXT_BYTES {
            let message = format!("`{}` writes more than {} MiB", self.id, MAX_TEXT_BYTES >> 20);
            return Err(Failure::of_content(Error::new(Code::TooLarge, message)));
        }
        let status = status.map_err(|error| failed(format!("cannot wait for `{}`: {}", self.id, reason(&error))))?;
        if !status.success() {
            let how = match status.code() {
                Some(code) => format!("exit status {code}"),
                None => "killed by a signal".to_owned(),
            };
            let failure = Failure::from(failed(format!("`{}` failed: {how}", self.id)));
            return Err(Failure { told: self.told(&errors), ..failure });
        }
        let text = String::from_utf8(out)
            .map_err(|_| Failure::of_content(Error::new(Code::Syntax, format!("`{}` writes no UTF-8", self.id))))?;
        if text.trim().is_empty() {
            let error = Error::new(Code::Syntax, format!("`{}` wrote nothing", self.id))
                .with_hint("to remove every key it has to write `{}`");
            return Err(Failure { told: self.told(&errors), ..Failure::of_content(error) });
        }
        Ok(Answer::Text(text, self.format))
    }

    /// The end of what it complained about; nothing where that could hold a secret.
    fn told(&self, errors: &[u8]) -> Option<String> {
        if self.is_secret {
            return None;
        }
        let text = String::from_utf8_lossy(errors);
        let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let left_out = text.chars().count().saturating_sub(MAX_TOLD);
        let tail: String = text.chars().skip(left_out).collect();
        match (tail.is_empty(), left_out) {
            (true, _) => None,
            (false, 0) => Some(tail),
            (false, _) => Some(format!("…{tail}")),
        }
    }
}

/// Reads to the end, and keeps what fits: at the start for a document, which then is refused.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize, bytes: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut part = vec![0; 16 << 10];
    while let Ok(count) = from.read(&mut part).await {
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
        if most == MAX_ERRORS && bytes.len() > most {
            bytes.drain(..bytes.len() - most);
        } else if bytes.len() >= most {
            break;
        }
    }
}
