//! The one error type: every language sees the same fields.
//!
//! An [`Error`] names *what* went wrong ([`Code`], stable), *where* (path, origin) and *what to do* ([`Error::hint`]).
//! Callers branch on [`Error::kind`], never on the message. Messages are lowercase, without a final period, and never
//! hold a secret value.

use std::fmt;

use crate::origin::Origin;
use crate::path::Path;
use crate::value::{Str, Value};

/// Who is to blame, and so what a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A document, file, argument or message from outside is not what it should be.
    Input,
    /// The write collides with a newer one or with a rule.
    Conflict,
    /// A file, socket or the store failed.
    Io,
    /// Another instance is missing, incompatible or misbehaves.
    Peer,
    /// The call makes no sense in this state.
    Usage,
    /// A defect of confmesh.
    Internal,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident;)*) => {
        /// Stable machine-readable codes, one per way to fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, for documentation and tests.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable text form.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// The kind that errors of this code have.
            pub fn kind(self) -> Kind {
                match self { $(Code::$name => Kind::$kind,)* }
            }
        }
    };
}

codes! {
    /// A path or JSON Pointer cannot be parsed.
    PathSyntax = "path_syntax", Input;
    /// A pattern cannot be parsed.
    PatternSyntax = "pattern_syntax", Input;
    /// A text is not of its format.
    Syntax = "syntax", Input;
    /// A map holds a key twice.
    DuplicateKey = "duplicate_key", Input;
    /// What stands there is taken for one thing here and for another elsewhere.
    Ambiguous = "ambiguous", Input;
    /// A number does not fit without loss.
    NumberRange = "number_range", Input;
    /// A text, document or message is too large, too deep or has too many parts.
    TooLarge = "too_large", Input;
    /// The format is unknown or not in this build.
    UnknownFormat = "unknown_format", Input;
    /// The value cannot be written in the format.
    Unrepresentable = "unrepresentable", Input;
    /// The document of a layer is not a map.
    NotAMap = "not_a_map", Input;
    /// Neither the schema nor a lower layer has what a variable sets.
    UnknownVariable = "unknown_variable", Input;
    /// A value has the wrong type.
    Type = "type", Input;
    /// A value breaks a rule of the schema.
    Invalid = "invalid", Input;
    /// A merge or conflict rule is unknown or impossible.
    Policy = "policy", Input;
    /// A patch is malformed.
    PatchSyntax = "patch_syntax", Input;
    /// An operation of a patch cannot be applied.
    PatchFailed = "patch_failed", Conflict;
    /// Nothing is at that path.
    NotFound = "not_found", Input;
    /// No document has that name.
    UnknownDocument = "unknown_document", Input;
    /// The key is reserved for confmesh itself.
    ReservedKey = "reserved_key", Input;
    /// A message cannot be understood.
    Message = "message", Peer;
    /// The peer speaks no common protocol version.
    Protocol = "protocol", Peer;
    /// The peer holds another document of the same name.
    ForeignDocument = "foreign_document", Peer;
    /// The peer settles conflicts by other rules.
    OtherRules = "other_rules", Peer;
    /// The peer cannot be reached.
    Unreachable = "unreachable", Peer;
    /// The document changed since the version the caller named.
    Stale = "stale", Conflict;
    /// A value is there already, and its rule keeps the first one.
    AlreadySet = "already_set", Conflict;
    /// Writers disagree, and somebody has to decide.
    Disputed = "disputed", Conflict;
    /// Somebody else holds the lock, or the lock has ended.
    Locked = "locked", Conflict;
    /// The document is not founded yet, or not connected.
    NotReady = "not_ready", Conflict;
    /// There is no room for more at the moment, or it took too long.
    Busy = "busy", Conflict;
    /// A file cannot be read or written.
    File = "file", Io;
    /// The store cannot be opened, read or written.
    Store = "store", Io;
    /// The store can be read and not written.
    ReadOnly = "read_only", Io;
    /// What the store holds is not what was written: a disk, a copy or another program changed it.
    Damaged = "damaged", Io;
    /// Another process uses the data directory.
    InUse = "in_use", Usage;
    /// An address cannot be listened on.
    Listen = "listen", Io;
    /// The call or option is used wrongly.
    Usage = "usage", Usage;
    /// Nobody is known to be asking: a token is missing, unknown, revoked or expired.
    Unauthenticated = "unauthenticated", Usage;
    /// Whoever asks may not do that.
    Forbidden = "forbidden", Usage;
    /// Who holds a replica has to hold the whole document.
    PeerNeedsWholeDocument = "peer_needs_whole_document", Peer;
    /// The thing was closed.
    Closed = "closed", Usage;
    /// A defect of confmesh.
    Internal = "internal", Internal;
}

/// What went wrong, where, and what to do about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Fields>);

#[derive(Clone, PartialEq, Eq)]
struct Fields {
    code: Code,
    message: String,
    hint: Option<String>,
    path: Option<Path>,
    origin: Option<Origin>,
    related: Vec<Error>,
}

/// The result of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error; the message is lowercase, has no final period and no secret.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        let message = message.into();
        Error(Box::new(Fields { code, message, hint: None, path: None, origin: None, related: Vec::new() }))
    }

    /// This error with a longer message.
    #[cfg(all(feature = "native", not(target_family = "wasm")))]
    #[must_use]
    pub(crate) fn continued(&self, more: &str) -> Error {
        let mut longer = self.clone();
        longer.0.message.push_str(more);
        longer
    }

    /// This error with what it is about in front.
    #[must_use]
    pub(crate) fn about(mut self, what: &str) -> Error {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// This error under another code.
    #[must_use]
    pub(crate) fn with_code(mut self, code: Code) -> Error {
        self.0.code = code;
        self
    }

    /// Adds the path in the document.
    #[must_use]
    pub fn with_path(mut self, path: Path) -> Error {
        self.0.path = Some(path);
        self
    }

    /// Adds the place that the bad input came from.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Error {
        self.0.origin = Some(origin);
        self
    }

    /// Adds an error that belongs to this one (several problems of one document, say).
    #[must_use]
    pub fn with_related(mut self, related: Error) -> Error {
        self.0.related.push(related);
        self
    }

    /// Several errors as one: the first, with the others related to it; none where there is none.
    pub fn all(errors: impl IntoIterator<Item = Error>) -> Option<Error> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(errors.fold(first, Error::with_related))
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Who is to blame.
    pub fn kind(&self) -> Kind {
        self.0.code.kind()
    }

    /// The message without place and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the user can do, where we know it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The path in the document.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_ref()
    }

    /// Where the bad input came from.
    pub fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }

    /// `{"code", "message", "hint"?, "path"?, "origin"?, "related"?}`, the path in dotted form.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<(Str, Value)> =
            vec![("code".into(), self.code().as_str().into()), ("message".into(), self.message().into())];
        entries.extend(self.hint().map(|hint| ("hint".into(), hint.into())));
        entries.extend(self.path().map(|path| ("path".into(), path.to_string().into())));
        entries.extend(self.origin().map(|origin| ("origin".into(), origin.to_value())));
        if !self.related().is_empty() {
            entries.push(("related".into(), self.related().iter().map(Error::to_value).collect::<Vec<_>>().into()));
        }
        Value::Map(entries.into_iter().collect())
    }

    /// Errors that belong to this one.
    pub fn related(&self) -> &[Error] {
        &self.0.related
    }
}

impl fmt::Display for Error {
    /// Prints `origin: message (path)`: one line, hint left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.0.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(path) = &self.0.path
            && !path.is_root()
        {
            write!(f, " (at `{path}`)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error[{}]: {self}", self.0.code.as_str())?;
        if let Some(hint) = &self.0.hint {
            write!(f, " (hint: {hint})")?;
        }
        for related in &self.0.related {
            write!(f, "; {related:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text_of_its_own() {
        let texts: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(texts.iter().all(|text| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
