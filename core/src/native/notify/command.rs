//! A program that is run for each notice.
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::{Code, Error, Result};
use crate::native::group::Group;
use crate::native::io_error::reason;
use crate::notice::{Notice, Outcome};

/// A command: it gets the notice on standard input, and its id and type as `CONFMESH_NOTICE_ID` and `CONFMESH_NOTICE_TYPE`.
#[derive(Debug)]
pub struct Hook {
    words: Vec<String>,
}

impl Hook {
    /// A program and its arguments; no shell looks at them.
    ///
    /// # Errors
    /// [`Code::Usage`] where no program is named.
    pub fn new(command: &str) -> Result<Hook> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return Err(Error::new(Code::Usage, "the command for notices names no program")
                .with_hint("name a program of the PATH, or its whole path, and its arguments"));
        }
        Ok(Hook { words })
    }

    /// The program.
    pub(super) fn name(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// Runs it once; an exit status other than 0 is a failure.
    pub(super) async fn run(&self, notice: &Notice) -> std::result::Result<(), (Outcome, Error)> {
        let failed = |what: String| {
            let error = Error::new(Code::File, format!("the command for notices `{}` {what}", self.name()));
            (Outcome::Failed { retry_after_ms: None }, error)
        };
        let Some((program, arguments)) = self.words.split_first() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.env("CONFMESH_NOTICE_ID", notice.id.as_str()).env("CONFMESH_NOTICE_TYPE", notice.kind);
        // A group of its own, so that what it starts ends with it.
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn().map_err(|error| failed(format!("cannot be run: {}", reason(&error))))?;
        let mut child = Group::of(child);
        if let Some(mut stdin) = child.leader.stdin.take() {
            let _ = stdin.write_all(notice.body().as_bytes()).await; // one that does not read has it in its variables
            let _ = stdin.write_all(b"\n").await;
        }
        let status = child.leader.wait().await.map_err(|error| failed(format!("was lost: {}", reason(&error))))?;
        match (status.success(), status.code()) {
            (true, _) => Ok(()),
            (false, Some(code)) => Err(failed(format!("ended with status {code}"))),
            (false, None) => Err(failed("was killed by a signal".to_owned())),
        }
    }
}
