//! What a write may ask for beside its content: conditions, force, a lock's token, a name.

use std::fmt;

use super::deliveries::Once;
use crate::canonical::{ContentTag, content_hash};
use crate::clock::Dot;
use crate::error::{Code, Error, Result};
use crate::guard::Who;
use crate::limits::MAX_MESSAGE_BYTES;
use crate::path::Path;
use crate::policy::Policy;
use crate::replica::{Assertion, MadeOn, Replica};
use crate::value::{Str, Value};

/// The version of a path: it changes when the value there does, and with every shared write that touches the path, what is
/// above it or below it.
///
/// The text is opaque. Instances that see the same writes and show the same value print the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathVersion(Str);

/// How long the text of a version may be; the longest that is printed has 16 + 1 + 32 + 1 + 20 digits.
const MAX_VERSION_BYTES: usize = 128;
/// The version of a path where nothing is.
const NONE: &str = "none";
/// The version of a path where anything is.
const ANY: &str = "any";
/// Stands for the writes where none is remembered: in the runtime layer, and where the past was collected.
const UNTRACKED: &str = "0";

impl PathVersion {
    /// The version of a path where nothing is: a write under this condition is made only there.
    pub fn none() -> PathVersion {
        PathVersion(NONE.into())
    }

    /// Any version: a write under this condition is made only where something is.
    pub fn any() -> PathVersion {
        PathVersion(ANY.into())
    }

    /// Reads what `Display` prints.
    ///
    /// # Errors
    /// [`Code::Usage`] for what is no version.
    pub fn parse(text: &str) -> Result<PathVersion> {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        if text == NONE || text == ANY || (text.len() <= MAX_VERSION_BYTES && text.contains('-') && is_plain(text)) {
            return Ok(PathVersion(text.into()));
        }
        Err(Error::new(Code::Usage, "this is no version of a path").with_hint(
            "take the one that reading the path gives, `none` for a path where nothing is, or `any` where something is",
        ))
    }

    /// The version of a path, where `value` is in force there and `replica` holds the shared part.
    pub(super) fn at(path: &Path, value: Option<&Value>, replica: Option<&Replica>, policy: &Policy) -> PathVersion {
        let Some(value) = value else { return PathVersion::none() };
        let value = short(&policy.masked(path, value));
        let writes = match replica {
            None => UNTRACKED.to_owned(),
            // Everything touches the whole document.
            Some(replica) if path.is_root() => {
                format!("{}.{}", replica.seen().len(), short(&replica.seen().to_value()))
            }
            Some(replica) => {
                dots(replica.writes_at(path).into_iter().map(|write: &std::sync::Arc<Assertion>| write.dot))
            }
        };
        PathVersion(format!("{value}-{writes}").into())
    }

    /// Whether a write on this version may be made where `current` is in force. Where the past was collected, the value
    /// alone tells.
    pub(super) fn holds(&self, current: &PathVersion) -> bool {
        if self.0 == *ANY {
            return current.0 != *NONE;
        }
        let value = |version: &PathVersion| version.0.split_once('-').map(|(value, _)| Str::from(value));
        let is_untracked = current.0.split_once('-').is_some_and(|(_, writes)| writes == UNTRACKED);
        self == current || (is_untracked && value(self) == value(current))
    }

    /// Whether this may be the version of such a value.
    pub(super) fn is_of(&self, path: &Path, value: Option<&Value>, policy: &Policy) -> bool {
        match value {
            None => self.0 == *NONE,
            Some(value) => self.0.split_once('-').is_some_and(|(hash, _)| hash == short(&policy.masked(path, value))),
        }
    }
}

impl fmt::Display for PathVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn dots(dots: impl Iterator<Item = Dot>) -> String {
    let mut dots: Vec<Dot> = dots.collect();
    dots.dedup();
    match dots.as_slice() {
        [] => UNTRACKED.to_owned(),
        [only] => format!("{}.{}", only.replica, only.seq),
        many => {
            let names: Vec<Value> = many.iter().map(|dot| format!("{dot:?}").into()).collect();
            format!("{}.{}", many.len(), short(&names.into()))
        }
    }
}

/// Sixteen digits of the content hash.
fn short(value: &Value) -> String {
    content_hash(value).to_string().chars().skip("sha256:".len()).take(16).collect()
}

/// What a write may ask for beside its content. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteTerms {
    /// Write only if this is the content hash of the document.
    pub if_hash: Option<ContentTag>,
    /// Write only if this is the version of the path; of the root, where the command is about the whole document.
    pub if_version: Option<PathVersion>,
    /// Write over values whose rule keeps the first one.
    pub force: bool,
    /// The token of the lock under which it is written, 0 without: of concurrent writes the greatest wins.
    pub fence: u64,
    /// The person that it is written for; everybody who can see conflicts reads it. At most 256 bytes.
    pub user: Option<Str>,
    /// Why, for those who look at the history. At most 512 bytes.
    pub message: Option<Str>,
    /// What the edit was made on, where that was not the document as it is now: it is concurrent to all that came since,
    /// and the rule of its path decides. Where the history is dropped, it is refused, or merged, as a stale write is.
    pub made_on: Option<MadeOn>,
    /// Who asks for it, where there is authentication: what it may write is checked, and it is written in its name.
    pub by: Who,
    /// It is a delivery, which is done once: the write is in the store with this id or not at all, and where that is there already
    /// nothing is written, and the receipt says so.
    pub once: Option<Once>,
}

impl WriteTerms {
    pub(super) fn check(&self) -> Result<()> {
        if self.user.as_ref().is_some_and(|user| user.is_empty() || user.len() > crate::limits::MAX_USER_BYTES) {
            let message = format!("a user's name has 1 to {} bytes", crate::limits::MAX_USER_BYTES);
            return Err(Error::new(Code::Usage, message));
        }
        if self.message.as_ref().is_some_and(|message| message.len() > MAX_MESSAGE_BYTES) {
            let message = format!("the words that say why it is written have at most {MAX_MESSAGE_BYTES} bytes");
            return Err(Error::new(Code::Usage, message));
        }
        Ok(())
    }
}
