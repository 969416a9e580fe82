//! Verbs, and the roles that are sets of them.

use std::fmt;

use crate::error::{Code, Error, Result};
use crate::schema::nearest;
use crate::value::Str;

/// Something that a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// To read the document, secrets masked.
    Read,
    /// To read secrets as they are.
    ReadSecrets,
    /// To write.
    Write,
    /// To settle conflicts, and to name who does.
    Resolve,
    /// To hold locks.
    Lock,
    /// To run the instance.
    Operate,
    /// To hold a replica.
    Replicate,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 7] =
        [Verb::Read, Verb::ReadSecrets, Verb::Write, Verb::Resolve, Verb::Lock, Verb::Operate, Verb::Replicate];

    /// `read`, `read-secrets`, `write`, `resolve`, `lock`, `operate` or `replicate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::ReadSecrets => "read-secrets",
            Verb::Write => "write",
            Verb::Resolve => "resolve",
            Verb::Lock => "lock",
            Verb::Operate => "operate",
            Verb::Replicate => "replicate",
        }
    }

    /// Reads what [`Verb::as_str`] gives.
    ///
    /// # Errors
    /// [`Code::Usage`] for no verb.
    pub fn parse(text: &str) -> Result<Verb> {
        named(text, "verb", Verb::ALL.map(|verb| (verb.as_str(), verb)))
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbs(u8);

impl Verbs {
    /// The set of these.
    pub fn of(verbs: impl IntoIterator<Item = Verb>) -> Verbs {
        Verbs(verbs.into_iter().fold(0, |bits, verb| bits | verb.bit()))
    }

    /// Whether it has the verb.
    pub fn has(self, verb: Verb) -> bool {
        self.0 & verb.bit() != 0
    }

    /// Those of either.
    #[must_use]
    pub fn and(self, other: Verbs) -> Verbs {
        Verbs(self.0 | other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.has(*verb))
    }
}

impl fmt::Debug for Verbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Verb::as_str)).finish()
    }
}

/// A role that everybody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads, without secrets.
    Reader,
    /// Reads secrets too.
    SecretReader,
    /// Reads without secrets, writes, resolves, locks.
    Writer,
    /// Everything.
    Admin,
    /// Another instance: reads, writes and replicates whole documents.
    Peer,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [Role::Reader, Role::SecretReader, Role::Writer, Role::Admin, Role::Peer];

    /// `reader`, `secret-reader`, `writer`, `admin` or `peer`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::SecretReader => "secret-reader",
            Role::Writer => "writer",
            Role::Admin => "admin",
            Role::Peer => "peer",
        }
    }

    /// What it may do.
    pub fn verbs(self) -> Verbs {
        use Verb::{Lock, Read, ReadSecrets, Replicate, Resolve, Write};
        match self {
            Role::Reader => Verbs::of([Read]),
            Role::SecretReader => Verbs::of([Read, ReadSecrets]),
            Role::Writer => Verbs::of([Read, Write, Resolve, Lock]),
            Role::Admin => Verbs::of(Verb::ALL),
            Role::Peer => Verbs::of([Read, Write, Replicate]),
        }
    }
}

/// The roles of a table: those that everybody has, and its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles(Vec<(Str, Verbs)>);

impl Roles {
    pub(super) fn add(&mut self, name: &str, verbs: Verbs) -> Result<()> {
        if self.all().any(|(known, _)| known == name) {
            return Err(Error::new(Code::Usage, format!("the role `{name}` is there twice"))
                .with_hint("give it a name that neither confmesh nor another `[[role]]` has"));
        }
        self.0.push((name.into(), verbs));
        Ok(())
    }

    pub(super) fn verbs(&self, name: &str) -> Result<Verbs> {
        named(name, "role", self.all())
    }

    fn all(&self) -> impl Iterator<Item = (&str, Verbs)> {
        let known = Role::ALL.into_iter().map(|role| (role.as_str(), role.verbs()));
        known.chain(self.0.iter().map(|(name, verbs)| (name.as_str(), *verbs)))
    }
}

/// What has that name; the error says which there are.
fn named<'a, T>(text: &str, what: &str, all: impl IntoIterator<Item = (&'a str, T)>) -> Result<T> {
    let mut names = Vec::new();
    for (name, found) in all {
        if name == text {
            return Ok(found);
        }
        names.push(name);
    }
    let error = Error::new(Code::Usage, format!("there is no {what} `{}`", text.escape_debug()));
    Err(match nearest(text, names.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint(format!("there are {}", names.join(", "))),
    })
}
