//! What a row of the list says of its operation: plain data, known at compile time.

use super::call::{Begin, Fits};
use super::shapes::Record;
use crate::error::Result;
use crate::guard::{Grant, Verb};

/// One operation: what it takes and gives, who may ask for it, and through which doors.
#[derive(Debug)]
pub struct Operation {
    /// Its name, the same everywhere; programs of another spelling (`forceSync`) make theirs of it.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// What a caller has to know besides; empty where that is nothing.
    pub more: &'static str,
    /// Who may ask for it.
    pub right: Right,
    /// What it takes.
    pub request: &'static [Field],
    /// What it gives.
    pub reply: Reply,
    /// The ways to it.
    pub doors: Doors,
    /// What arguments have to be besides of their types; an instance is not asked to find that out.
    pub fits: Fits,
    /// What is done, for those that are asked of a running instance by name and arguments.
    pub begin: Option<Begin>,
}

/// What a caller needs to be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: it is a function of its arguments, or says nothing about the document.
    Nothing,
    /// To read the document.
    Read,
    /// To write to it.
    Write,
    /// To settle its conflicts.
    Resolve,
    /// To hold locks.
    Lock,
    /// To run the instance.
    Operate,
}

impl Right {
    /// `nothing`, `read`, `write`, `resolve`, `lock` or `operate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Right::Nothing => "nothing",
            Right::Read => "read",
            Right::Write => "write",
            Right::Resolve => "resolve",
            Right::Lock => "lock",
            Right::Operate => "operate",
        }
    }

    /// What a principal has to be allowed to do; none where everybody may.
    pub fn verb(self) -> Option<Verb> {
        match self {
            Right::Nothing => None,
            Right::Read => Some(Verb::Read),
            Right::Write => Some(Verb::Write),
            Right::Resolve => Some(Verb::Resolve),
            Right::Lock => Some(Verb::Lock),
            Right::Operate => Some(Verb::Operate),
        }
    }
}

/// One field of a request or of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// Whether it has to be there.
    pub required: bool,
    /// Where an HTTP request has it.
    pub place: Place,
    /// What it is, in one sentence.
    pub about: &'static str,
}

impl Field {
    /// One that has to be there; in a request it stands in the body.
    pub(super) const fn new(name: &'static str, kind: Type, about: &'static str) -> Field {
        Field { name, kind, required: true, place: Place::Body, about }
    }

    /// The same, and it may be left out.
    pub(super) const fn optional(self) -> Field {
        Field { required: false, ..self }
    }

    /// The same, in another place of an HTTP request.
    pub(super) const fn at(self, place: Place) -> Field {
        Field { place, ..self }
    }
}

/// Where an HTTP request has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A segment of the URL.
    Url,
    /// The query.
    Query,
    /// A header.
    Header,
    /// A field of the JSON body.
    Body,
    /// The whole body, of this media type.
    WholeBody(&'static str),
    /// Nowhere: HTTP says it in another way.
    Elsewhere,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Any value of a document.
    Any,
    /// `true` or `false`.
    Flag,
    /// A whole number that is not negative.
    Count,
    /// Any number.
    Number,
    /// A text.
    Text,
    /// A text, or the whole number that it is: what was counted has numbers, and programs hand them on as they are.
    Id,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A path such as `app.rate_limit`.
    Path,
    /// A pattern such as `app.features.*`.
    Pattern,
    /// A map with keys of any name.
    Map,
    /// A list.
    List(&'static Type),
    /// A record.
    Record(&'static Record),
    /// That, or null.
    OrNull(&'static Type),
}

/// What an operation gives.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// Nothing but that it is done.
    Nothing,
    /// A value.
    Value(Type),
    /// A record.
    Record(&'static Record),
    /// A record of one field; a program gets that field itself.
    Only(&'static Field),
    /// A record of one field, which says again what was asked for; a program gets nothing.
    Told(&'static Field),
    /// A text of a media type.
    Text(&'static str),
    /// Records, one after the other, until somebody ends it.
    Stream(&'static Record),
    /// The connection itself.
    Connection,
}

/// The ways to an operation.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// The Rust interface: `Mesh::explain`.
    pub rust: Door,
    /// Method and route: `GET /config/{name}/explain`.
    pub http: Door,
    /// The word of the command.
    pub command: Door,
    /// The Python interface: `Mesh.explain`, a function by its name alone.
    pub python: Door,
    /// The Node interface, likewise.
    pub node: Door,
    /// What a page calls, where that is not the same as in Node.
    pub browser: Door,
    /// The message by which a guest asks for it.
    pub guest: Door,
}

impl Doors {
    /// Each with its name.
    pub fn each(&self) -> [(&'static str, &Door); 7] {
        [
            ("Rust", &self.rust),
            ("HTTP", &self.http),
            ("command", &self.command),
            ("Python", &self.python),
            ("Node", &self.node),
            ("browser", &self.browser),
            ("guest", &self.guest),
        ]
    }
}

/// A way to an operation, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// By these names.
    Open(&'static [&'static str]),
    /// Not at all, for this reason.
    Shut(&'static str),
}

impl Door {
    /// The names; none where it is shut.
    pub fn names(&self) -> &'static [&'static str] {
        match self {
            Door::Open(names) => names,
            Door::Shut(_) => &[],
        }
    }
}

/// The message by which guests ask for any operation that is open to them.
pub const CALL: &str = "call";

impl Operation {
    /// Method and route of each way in over HTTP.
    pub fn routes(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.doors.http.names().iter().filter_map(|door| door.split_once(' '))
    }

    /// Whether guests may ask for it by name.
    pub fn is_called_by_guests(&self) -> bool {
        self.doors.guest.names().contains(&CALL)
    }

    /// Whether somebody may ask for it at all; nobody in particular may, where there is no authentication.
    ///
    /// # Errors
    /// [`Code::Forbidden`](crate::Code::Forbidden).
    pub fn check(&self, who: Option<&Grant>) -> Result<()> {
        who.zip(self.right.verb()).map_or(Ok(()), |(grant, verb)| grant.check_verb(verb))
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.request.iter().find(|field| field.name == name)
    }
}
