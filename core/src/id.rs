//! Identities: instances, replicas, documents.

use std::fmt;

use crate::error::{Code, Error, Result};
use crate::value::Str;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Makes an id from entropy that the caller supplies.
            pub const fn from_bytes(bytes: [u8; 16]) -> $name {
                $name(bytes)
            }

            /// The 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Reads the 32 hexadecimal digits that `Display` prints.
            pub fn parse(text: &str) -> Option<$name> {
                if text.len() != 32 || !text.is_ascii() {
                    return None;
                }
                let mut bytes = [0; 16];
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
                }
                Some($name(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// One instance: a hash of its key ([`crate::identity`]), so it is the same after a restart.
    InstanceId
}
id! {
    /// One incarnation of one instance's replica of one document: the author of dots. A hash of its key, and a number.
    ReplicaId
}
id! {
    /// The birth of a document: two documents of the same name that were founded apart differ here.
    Genesis
}

impl Genesis {
    /// The name under which a document's first writes are made, and nothing else ever: so every instance knows them, also
    /// where the document moves to another one and leaves them behind.
    pub const fn founder(self) -> ReplicaId {
        ReplicaId(self.0)
    }
}

/// The name of a document: `name`, or `tenant/name` where there is more than one tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentName {
    tenant: Str,
    name: Str,
}

impl DocumentName {
    /// The document that `serve` and the bindings use where none is named: `default` of tenant `default`.
    pub fn default_name() -> DocumentName {
        DocumentName { tenant: "default".into(), name: "default".into() }
    }

    /// Reads `name` or `tenant/name`; both parts are letters, digits, `-`, `_` and `.`, at most 128 bytes.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`] where the text is no such name.
    pub fn parse(text: &str) -> Result<DocumentName> {
        let (tenant, name) = text.split_once('/').unwrap_or(("default", text));
        let fine = |part: &str| {
            (1..=128).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
                && !part.starts_with('.')
        };
        if fine(tenant) && fine(name) {
            Ok(DocumentName { tenant: tenant.into(), name: name.into() })
        } else {
            Err(Error::new(Code::UnknownDocument, format!("`{text}` is no document name"))
                .with_hint("use letters, digits, `-`, `_` and `.`, as `name` or `tenant/name`"))
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The name without the tenant.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant == "default" { f.write_str(&self.name) } else { write!(f, "{}/{}", self.tenant, self.name) }
    }
}

impl fmt::Debug for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
