//! An operation that is asked for by name: its arguments are checked against its row, and it is begun.

use std::sync::Arc;

use super::operation::{Field, Operation, Reply, Type};
use super::operations::no_document;
use super::shapes::mismatch;
use crate::clock::Now;
use crate::engine::{Engine, PeerId, RequestId, Snapshot, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::guard::{Verb, Who};
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::path::Path;
use crate::schema::nearest;
use crate::value::{Map, Str, Value};

/// What tells whether arguments of the right types mean something together.
pub type Fits = fn(&Call) -> Result<()>;

/// What begins an operation.
pub type Begin = fn(&mut At<'_>, &Call) -> Result<Begun>;

/// An operation with arguments that fit it.
#[derive(Clone)]
pub struct Call {
    /// The operation.
    pub operation: &'static Operation,
    arguments: Map,
}

impl std::fmt::Debug for Call {
    /// Names the operation without its arguments, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({})", self.operation.name)
    }
}

/// Where and when an operation is done.
pub struct At<'a> {
    /// The engine of the instance.
    pub engine: &'a mut Engine,
    /// The document that it is about.
    pub document: &'a DocumentName,
    /// Who asks for it.
    pub who: Who,
    /// The guest that asks, where one does.
    pub guest: Option<PeerId>,
    /// The time.
    pub now: Now,
}

impl At<'_> {
    /// The document as whoever asks sees it.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let found = self.engine.snapshot(self.document).ok_or_else(|| no_document(self.document))?;
        Ok(self.who.as_ref().map_or_else(|| Arc::clone(&found), |grant| found.seen_by(grant)))
    }

    /// Whether whoever asks may read what stands at a path, and all below it.
    pub(super) fn check_read(&self, path: &Path) -> Result<()> {
        self.who.as_ref().map_or(Ok(()), |grant| grant.check_at(Verb::Read, self.document, path))
    }
}

/// How far an operation has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// It is done.
    Done(Value),
    /// It is a write: an [`Event::Written`](crate::engine::Event::Written) answers it.
    Writing(RequestId),
    /// The same; what the answer says besides its `receipt`.
    WritingAs(RequestId, Vec<(Str, Value)>),
    /// It is about a lock: an [`Event::Lock`](crate::engine::Event::Lock) answers it.
    Locking(RequestId),
    /// A member is being expelled, see [`Engine::is_expelled`].
    Expelling(ReplicaId),
    /// A document is being given up for this one, see [`Engine::is_given_up_for`]; what the answer says besides its birth.
    GivingUp(Genesis, Vec<(Str, Value)>),
    /// Whoever runs the engine does it.
    Asking,
}

impl Call {
    /// A call with arguments: a map, or nothing where none are needed.
    ///
    /// # Errors
    /// [`Code::NotFound`] for no such operation, [`Code::Usage`] for what is missing, unknown or of another type.
    pub fn new(name: &str, arguments: &Value) -> Result<Call> {
        let empty = Map::default();
        let given = match arguments {
            Value::Map(given) => given,
            Value::Null => &empty,
            _ => return Err(Error::new(Code::Usage, format!("the arguments of `{name}` are no map"))),
        };
        Call::of(find(name)?, given.clone())
    }

    /// The same, of a row that is known.
    pub(crate) fn of(operation: &'static Operation, arguments: Map) -> Result<Call> {
        let fields = operation.request;
        if let Some((unknown, _)) = arguments.iter().find(|(key, _)| operation.field(key).is_none()) {
            let names = fields.iter().map(|field| field.name);
            let error = Error::new(Code::Usage, format!("`{}` takes no `{unknown}`", operation.name));
            return Err(match (nearest(unknown, names.clone()), fields.len()) {
                (Some(near), _) => error.with_hint(format!("did you mean `{near}`?")),
                (None, 0) => error.with_hint("it takes nothing"),
                (None, _) => error.with_hint(format!("it takes {}", quoted(names))),
            });
        }
        for field in fields {
            match arguments.get(field.name) {
                Some(value) => check(field, value)?,
                None if field.required => {
                    return Err(Error::new(Code::Usage, format!("`{}` lacks `{}`", operation.name, field.name))
                        .with_hint(format!("`{}`: {}", field.name, field.about)));
                }
                None => {}
            }
        }
        let ids = fields.iter().filter(|field| matches!(field.kind, Type::Id));
        let arguments =
            ids.fold(arguments, |arguments, field| match arguments.get(field.name).and_then(Value::as_u64) {
                Some(number) => arguments.with(field.name.into(), number.to_string().into()),
                None => arguments,
            });
        let call = Call { operation, arguments };
        (operation.fits)(&call)?;
        Ok(call)
    }

    /// Begins it.
    ///
    /// # Errors
    /// [`Code::Usage`] for one that is no question to a running instance, and what the operation itself refuses.
    pub fn begin(&self, at: &mut At<'_>) -> Result<Begun> {
        if let Some((grant, verb)) = at.who.as_ref().zip(self.operation.right.verb()) {
            grant.check(verb, at.document)?;
        }
        match self.operation.begin {
            Some(begin) => begin(at, self),
            None => Err(Error::new(Code::Usage, format!("`{}` cannot be asked for by name", self.operation.name))),
        }
    }

    /// The reply as a program gets it: what only says again what was asked for is nothing.
    pub fn bare(&self, reply: Value) -> Value {
        if matches!(self.operation.reply, Reply::Told(_)) { Value::Null } else { reply }
    }

    /// The reply as HTTP and guests get it, who can tell it from others by its name.
    pub fn record(&self, reply: Value) -> Value {
        match self.operation.reply {
            Reply::Only(field) | Reply::Told(field) => [(field.name, reply)].into_iter().collect(),
            _ => reply,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Value::as_u64)
    }

    pub(super) fn path(&self, name: &str) -> Result<Option<Path>> {
        self.text(name).map(Path::parse).transpose()
    }

    /// The terms that the arguments `force`, `fence`, `user` and `message` say, of whoever asks.
    pub(super) fn terms(&self, at: &At<'_>) -> WriteTerms {
        WriteTerms {
            by: at.who.clone(),
            force: self.flag("force"),
            fence: self.count("fence").unwrap_or(0),
            user: self.text("user").map(Into::into),
            message: self.text("message").map(Into::into),
            ..WriteTerms::default()
        }
    }

    /// Those of the arguments that have these names.
    pub(super) fn only(&self, names: &[&str]) -> Value {
        let named = self.arguments.iter().filter(|(key, _)| names.contains(&key.as_str()));
        Value::Map(named.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// The operation of that name.
///
/// # Errors
/// [`Code::NotFound`], with the nearest name.
pub fn find(name: &str) -> Result<&'static Operation> {
    let all = super::OPERATIONS;
    all.iter().copied().find(|operation| operation.name == name).ok_or_else(|| {
        let error = Error::new(Code::NotFound, format!("there is no operation `{}`", name.escape_debug()));
        match nearest(name, all.iter().map(|operation| operation.name)) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint("`/openapi.json` lists them"),
        }
    })
}

fn check(field: &Field, value: &Value) -> Result<()> {
    if mismatch(field.kind, value).is_none() {
        return match (field.kind, value.as_str()) {
            (Type::Path, Some(path)) => Path::parse(path).map(drop),
            _ => Ok(()),
        };
    }
    let name = field.name;
    let message = match field.kind {
        Type::Flag => format!("`{name}` is `true` or `false`"),
        Type::Count => format!("`{name}` is a whole number"),
        Type::Text | Type::Path | Type::Pattern => format!("`{name}` is a text"),
        Type::Id => format!("`{name}` is a text or a whole number"),
        Type::OrNull(_) => format!("`{name}` is a text or null"),
        _ => format!("`{name}` is of another type"),
    };
    // Not shown: it may be a secret.
    Err(Error::new(Code::Usage, message).with_hint(format!("`{name}`: {}", field.about)))
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
