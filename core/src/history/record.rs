//! A version, and its record in the store.

use crate::canonical::canonical;
use crate::clock::rfc3339;
use crate::diff::Change;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::id::{InstanceId, ReplicaId};
use crate::path::Path;
use crate::policy::{MASK, Policy};
use crate::value::{Digest, Str, Value};

use super::name::file_name;

/// One change of what instances share, as this instance saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its number here, from 1.
    pub number: u64,
    /// When it came into force here, in milliseconds since 1970.
    pub at_ms: u64,
    /// The digest of the shared document after it: equal on instances that agree.
    pub digest: Digest,
    /// What brought it.
    pub cause: Str,
    /// The writes in it, the newest first; those beyond the first few are not named.
    pub wrote: Vec<Wrote>,
    /// The leaves that changed.
    pub changes: Vec<Changed>,
}

/// Who wrote, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// The replica that wrote.
    pub author: ReplicaId,
    /// Its number of the write.
    pub seq: u64,
    /// When, by the clock of its author, in milliseconds since 1970.
    pub at_ms: u64,
    /// The instance, where it is this one or was connected.
    pub instance: Option<InstanceId>,
    /// The principal, or the person that it was written for.
    pub user: Option<Str>,
    /// Why.
    pub message: Option<Str>,
}

/// A leaf before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Where.
    pub path: Path,
    /// What was there.
    pub old: Side,
    /// What is there.
    pub new: Side,
}

/// What is kept of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// No leaf was there.
    Nothing,
    /// This.
    Value(Value),
    /// A secret, sealed.
    Sealed(Str),
    /// A secret, and there was no key to seal it with.
    Lost,
}

impl Side {
    /// As people see it: a secret is masked, also one that was none when it was kept. None where nothing was.
    fn shown(&self, path: &Path, policy: &Policy) -> Option<Value> {
        match self {
            Side::Nothing => None,
            Side::Value(value) => Some(policy.masked(path, value)),
            Side::Sealed(_) | Side::Lost => Some(MASK.into()),
        }
    }

    fn put(&self, fields: &mut Vec<(&'static str, Value)>, [plain, sealed, lost]: [&'static str; 3]) {
        match self {
            Side::Nothing => {}
            Side::Value(value) => fields.push((plain, value.clone())),
            Side::Sealed(text) => fields.push((sealed, text.clone().into())),
            Side::Lost => fields.push((lost, true.into())),
        }
    }

    fn of(value: &Value, [plain, sealed, lost]: [&str; 3]) -> Option<Side> {
        Some(match (value.child(plain), value.child(sealed), value.child(lost)) {
            (Some(value), None, None) => Side::Value(value.clone()),
            (None, Some(text), None) => Side::Sealed(text.as_str()?.into()),
            (None, None, Some(_)) => Side::Lost,
            (None, None, None) => Side::Nothing,
            _ => return None,
        })
    }
}

const OLD: [&str; 3] = ["old", "old_sealed", "old_lost"];
const NEW: [&str; 3] = ["new", "new_sealed", "new_lost"];

impl Version {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let wrote = self.wrote.iter().map(|wrote| -> Value {
            let mut fields: Vec<(&str, Value)> = vec![
                ("author", wrote.author.to_string().into()),
                ("seq", wrote.seq.to_string().into()),
                ("at", wrote.at_ms.into()),
            ];
            fields.extend(wrote.instance.map(|instance| ("instance", instance.to_string().into())));
            fields.extend(wrote.user.clone().map(|user| ("user", user.into())));
            fields.extend(wrote.message.clone().map(|message| ("message", message.into())));
            fields.into_iter().collect()
        });
        let changes = self.changes.iter().map(|changed| -> Value {
            let mut fields = vec![("path", changed.path.to_pointer().into())];
            changed.old.put(&mut fields, OLD);
            changed.new.put(&mut fields, NEW);
            fields.into_iter().collect()
        });
        let fields: [(&str, Value); 6] = [
            ("number", self.number.to_string().into()),
            ("at", self.at_ms.into()),
            ("digest", self.digest.to_string().into()),
            ("cause", self.cause.clone().into()),
            ("wrote", wrote.collect::<Vec<Value>>().into()),
            ("changes", changes.collect::<Vec<Value>>().into()),
        ];
        canonical(&fields.into_iter().collect()).into_bytes()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Code::Damaged`] where it is none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Version> {
        let damaged = || Error::new(Code::Damaged, "the record of a version cannot be read");
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        Version::read(&parse(text, Format::Json).map_err(|_| damaged())?).ok_or_else(damaged)
    }

    fn read(value: &Value) -> Option<Version> {
        let text = |value: &Value, name: &str| value.child(name).and_then(Value::as_str).map(Str::from);
        let wrote = value.child("wrote")?.as_list()?.iter().map(|wrote| {
            Some(Wrote {
                author: ReplicaId::parse(&text(wrote, "author")?)?,
                seq: text(wrote, "seq")?.parse().ok()?,
                at_ms: wrote.child("at")?.as_u64()?,
                instance: text(wrote, "instance").and_then(|instance| InstanceId::parse(&instance)),
                user: text(wrote, "user"),
                message: text(wrote, "message"),
            })
        });
        let changes = value.child("changes")?.as_list()?.iter().map(|changed| {
            let path = Path::parse_pointer(changed.child("path")?.as_str()?).ok()?;
            Some(Changed { path, old: Side::of(changed, OLD)?, new: Side::of(changed, NEW)? })
        });
        Some(Version {
            number: text(value, "number")?.parse().ok()?,
            at_ms: value.child("at")?.as_u64()?,
            digest: text(value, "digest")?.parse().ok()?,
            cause: text(value, "cause")?,
            wrote: wrote.collect::<Option<_>>()?,
            changes: changes.collect::<Option<_>>()?,
        })
    }

    /// `{"id", "name", "timestamp", "digest", "cause", "writes", "changed", "count"}`, without values; `sees` says which paths
    /// are shown. None where there were changes and none of them is.
    pub fn to_value(&self, sees: impl Fn(&Path) -> bool) -> Option<Value> {
        let seen = self.changes.iter().filter(|changed| sees(&changed.path));
        let seen: Vec<&Path> = seen.map(|changed| &changed.path).collect();
        if seen.is_empty() && !self.changes.is_empty() {
            return None;
        }
        let is_whole = seen.len() == self.changes.len();
        let wrote = self.wrote.iter().map(|wrote| wrote.to_value(is_whole));
        let fields: [(&str, Value); 8] = [
            ("id", self.number.into()),
            ("name", file_name(self.at_ms).into()),
            ("timestamp", rfc3339(self.at_ms).into()),
            ("cause", self.cause.clone().into()),
            ("writes", wrote.collect::<Vec<Value>>().into()),
            ("changed", seen.iter().take(NAMED).map(|path| path.to_string().into()).collect::<Vec<Value>>().into()),
            ("count", u64::try_from(seen.len()).unwrap_or(u64::MAX).into()),
            ("digest", if is_whole { self.digest.to_string().into() } else { Value::Null }),
        ];
        Some(fields.into_iter().collect())
    }

    /// The changes with their values as they are shown, see [`Change::to_value`].
    pub fn shown(&self, policy: &Policy, sees: impl Fn(&Path) -> bool) -> Vec<Value> {
        let seen = self.changes.iter().filter(|changed| sees(&changed.path));
        let shown = seen.map(|changed| {
            let side = |side: &Side| side.shown(&changed.path, policy);
            Change { path: changed.path.clone(), old: side(&changed.old), new: side(&changed.new) }.to_value()
        });
        shown.collect()
    }
}

/// How many paths a version of a list names.
const NAMED: usize = 16;

impl Wrote {
    /// `{"author", "version", "timestamp", "instance_id", "user", "message"}`. What a message says is for those who see all
    /// that it is about.
    fn to_value(&self, with_message: bool) -> Value {
        let or_null = |text: Option<Str>| text.map_or(Value::Null, Value::from);
        let fields: [(&str, Value); 6] = [
            ("author", self.author.to_string().into()),
            ("version", format!("{}:{}", self.author, self.seq).into()),
            ("timestamp", rfc3339(self.at_ms).into()),
            ("instance_id", self.instance.map_or(Value::Null, |instance| instance.to_string().into())),
            ("user", or_null(self.user.clone())),
            ("message", or_null(self.message.clone().filter(|_| with_message))),
        ];
        fields.into_iter().collect()
    }
}
