//! The token that we show to others: kept in a file, or given.
use std::fmt;
use std::path::PathBuf;

use crate::error::{Code, Error, Result};
use crate::native::file::read_regular;

/// Where the token is that we show; nowhere by default. A file is read each time, as it may be changed.
#[derive(Clone, Default)]
pub enum Token {
    /// None is shown.
    #[default]
    None,
    /// This one.
    Given(String),
    /// What the file holds.
    File(PathBuf),
}

impl Token {
    /// The token.
    ///
    /// # Errors
    /// [`Code::File`] where the file cannot be read, or holds none.
    pub fn read(&self) -> Result<Option<String>> {
        let path = match self {
            Token::None => return Ok(None),
            Token::Given(token) => return Ok(Some(token.clone())),
            Token::File(path) => path,
        };
        let wrong = |why: &str| {
            Error::new(Code::File, format!("cannot read a token from `{}`: {why}", path.display()))
                .with_hint("`confmesh token new` prints one; put it into the file")
        };
        let text = read_regular(path)?.ok_or_else(|| wrong("no such file or directory"))?;
        match text.trim() {
            "" => Err(wrong("it is empty")),
            token if token.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Err(wrong("it holds more than a token"))
            }
            token => Ok(Some(token.to_owned())),
        }
    }
}

impl fmt::Debug for Token {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::None => f.write_str("no token"),
            Token::Given(_) => f.write_str("a token"),
            Token::File(path) => write!(f, "the token in `{}`", path.display()),
        }
    }
}
