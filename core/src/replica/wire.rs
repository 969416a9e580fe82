//! Assertions and version vectors as JSON values: the form in which they are stored and sent.
//!
//! 64-bit readings are strings (`"stamp": "113...96"`), since JavaScript cannot hold them as numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assertion, Base, Claim, Delta, Disagreement, Run, Side, Stretch, View, read_links};
use crate::clock::{Dot, Stamp, VersionVector, rfc3339};
use crate::conflict::{Meanwhile, Tag};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::limits::{MAX_MESSAGE_BYTES, MAX_USER_BYTES};
use crate::path::Path;
use crate::policy::ConflictStrategy;
use crate::sequence::{Kind, Operation};
use crate::value::{Str, Value};

impl VersionVector {
    /// The JSON form: author to count.
    pub fn to_value(&self) -> Value {
        self.iter().map(|(replica, seq)| (Str::from(replica.to_string()), Value::from(seq))).collect()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Code::Message`] where it is none.
    pub fn from_value(value: &Value) -> Result<VersionVector> {
        let map = value.as_map().ok_or_else(|| malformed("a version vector is a map"))?;
        map.iter()
            .map(|(replica, seq)| {
                let replica =
                    ReplicaId::parse(replica).ok_or_else(|| malformed("a replica id is 32 hexadecimal digits"))?;
                let seq = seq.as_u64().ok_or_else(|| malformed("a sequence number is a whole number"))?;
                Ok((replica, seq))
            })
            .collect()
    }
}

impl Assertion {
    /// The JSON form. Fields that hold what most writes do are left out.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![
            ("dot", dot_value(self.dot)),
            ("context", self.context.to_value()),
            ("stamp", self.stamp.as_u64().to_string().into()),
            ("tag", u32::from(self.tag.as_u8()).into()),
            ("path", self.path.to_pointer().into()),
        ];
        match &self.claim {
            Claim::Value(value) => fields.push(("value", value.clone())),
            // A removed path has no `value`: null is a value.
            Claim::Absent => {}
            Claim::Sequence(kind) => fields.push(("claim", kind_name(*kind).into())),
            Claim::Nothing => fields.push(("claim", "nothing".into())),
        }
        if !self.edits.is_empty() {
            let edits = self.edits.iter().map(|(kind, edit)| (kind_name(*kind), edit.to_value()));
            fields.push(("edits", edits.collect()));
        }
        if self.policy != 0 {
            fields.push(("policy", self.policy.into()));
        }
        if self.fence != 0 {
            fields.push(("fence", self.fence.to_string().into()));
        }
        for (name, items) in [("added", &self.added), ("removed", &self.removed)] {
            if !items.is_empty() {
                fields.push((name, items.clone().into()));
            }
        }
        fields.extend(self.previous.iter().map(|previous| ("previous", previous.clone())));
        match self.meanwhile {
            Meanwhile::Last => {}
            Meanwhile::First => fields.push(("meanwhile", "first".into())),
            Meanwhile::Previous => fields.push(("meanwhile", "previous".into())),
        }
        fields.extend(self.user.iter().map(|user| ("user", user.clone().into())));
        fields.extend(self.message.iter().map(|message| ("message", message.clone().into())));
        fields.extend(self.run.iter().map(|run| ("run", run.to_value())));
        fields.into_iter().collect()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Code::Message`] where it is none, or where it carries a rule that this version does not know.
    pub fn from_value(value: &Value) -> Result<Assertion> {
        let field = |name: &str| value.child(name).ok_or_else(|| malformed(&format!("a write lacks `{name}`")));
        let tag = field("tag")?.as_u64().and_then(|tag| u8::try_from(tag).ok());
        let tag = tag.and_then(Tag::from_u8).ok_or_else(|| unknown_rule("conflict rule"))?;
        let path = field("path")?.as_str().ok_or_else(|| malformed("a path is a JSON Pointer"))?;
        let claim = match (value.child("claim").map(Value::as_str), value.child("value")) {
            (None, Some(value)) => Claim::Value(value.clone()),
            (None, None) => Claim::Absent,
            (Some(Some("nothing")), None) => Claim::Nothing,
            (Some(Some(name)), None) => Claim::Sequence(kind_of(name)?),
            (Some(_), _) => return Err(malformed("a write has either a value or a claim")),
        };
        let mut edits = BTreeMap::new();
        if let Some(all) = value.child("edits") {
            for (name, edit) in all.as_map().ok_or_else(|| malformed("`edits` is a map"))?.iter() {
                let (kind, edit) = (kind_of(name)?, Operation::from_value(edit)?);
                if edit.kind().is_some_and(|inserts| inserts != kind) {
                    return Err(malformed("an edit of a sequence inserts what it cannot hold"));
                }
                edits.insert(kind, edit);
            }
        }
        let items = |name: &str| match value.child(name) {
            None => Ok(Vec::new()),
            Some(items) => items.as_list().map(|l| l.as_slice().to_vec()).ok_or_else(|| malformed("items are a list")),
        };
        let number = |name: &str, found: Option<u64>| found.ok_or_else(|| malformed(&format!("`{name}` is a number")));
        let policy = value.child("policy").map_or(Ok(0), |v| number("policy", v.as_u64()))?;
        let fence = value.child("fence").map_or(Ok(0), |v| number("fence", v.as_str().and_then(|t| t.parse().ok())))?;
        Ok(Assertion {
            dot: dot_of(field("dot")?)?,
            context: Arc::new(VersionVector::from_value(field("context")?)?),
            stamp: stamp_of(field("stamp")?)?,
            tag,
            path: pointer(path)?,
            claim,
            edits,
            policy: u32::try_from(policy).map_err(|_| malformed("`policy` is too large"))?,
            fence,
            added: items("added")?,
            removed: items("removed")?,
            previous: value.child("previous").cloned(),
            meanwhile: match value.child("meanwhile").map(Value::as_str) {
                None => Meanwhile::Last,
                Some(Some("first")) => Meanwhile::First,
                Some(Some("previous")) => Meanwhile::Previous,
                Some(_) => return Err(unknown_rule("rule for the meantime")),
            },
            user: match value.child("user") {
                None => None,
                Some(Value::String(user)) if user.len() <= MAX_USER_BYTES => Some(user.clone()),
                Some(_) => return Err(malformed("`user` is a short text")),
            },
            message: match value.child("message") {
                None => None,
                Some(Value::String(message)) if message.len() <= MAX_MESSAGE_BYTES => Some(message.clone()),
                Some(_) => return Err(malformed("`message` is a short text")),
            },
            run: value.child("run").map(|run| Run::from_value(run).map(Arc::new)).transpose()?,
        })
    }
}

impl Run {
    /// `{"links"?, "lost"?}`, each a list of `[author, first, last]`, with `"more_links": true` or `"more_lost": true` where there were more.
    pub(super) fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = Vec::new();
        for (name, more, links) in [("links", "more_links", &self.links), ("lost", "more_lost", &self.lost)] {
            let stretch = |s: &Stretch| vec![s.replica.to_string().into(), s.first.into(), s.last.into()].into();
            let stretches: Vec<Value> = links.stretches().iter().map(stretch).collect();
            fields.extend((!stretches.is_empty()).then(|| (name, stretches.into())));
            fields.extend(links.has_more().then(|| (more, true.into())));
        }
        fields.into_iter().collect()
    }

    pub(super) fn from_value(value: &Value) -> Result<Run> {
        let bad = || malformed("a run is lists of `[author, first, last]`");
        let stretch = |stretch: &Value| match stretch.as_list().map(|list| list.as_slice()) {
            Some([replica, first, last]) => {
                let replica = replica.as_str().and_then(ReplicaId::parse).ok_or_else(bad)?;
                let number = |number: &Value| number.as_u64().ok_or_else(bad);
                Ok(Stretch { replica, first: number(first)?, last: number(last)? })
            }
            _ => Err(bad()),
        };
        let links = |name: &str, more: &str| {
            let more = value.child(more).map_or(Ok(false), |more| more.as_bool().ok_or_else(bad))?;
            let list = value.child(name).map(|list| list.as_list().ok_or_else(bad)).transpose()?;
            let stretches = list.into_iter().flat_map(|list| list.iter()).map(stretch).collect::<Result<_>>()?;
            read_links(stretches, more)
        };
        value.as_map().ok_or_else(bad)?;
        Ok(Run { links: links("links", "more_links")?, lost: links("lost", "more_lost")? })
    }
}

pub(super) fn dot_value(dot: Dot) -> Value {
    vec![dot.replica.to_string().into(), dot.seq.into()].into()
}

pub(super) fn dot_of(value: &Value) -> Result<Dot> {
    let (replica, seq) = match value.as_list().map(|list| list.as_slice()) {
        Some([replica, seq]) => (replica.as_str().and_then(ReplicaId::parse), seq.as_u64()),
        _ => (None, None),
    };
    match (replica, seq) {
        (Some(replica), Some(seq)) => Ok(Dot { replica, seq }),
        _ => Err(malformed("a dot is [replica, number]")),
    }
}

pub(super) fn stamp_of(value: &Value) -> Result<Stamp> {
    let stamp = value.as_str().and_then(|text| text.parse().ok()).map(Stamp::from_u64);
    stamp.ok_or_else(|| malformed("a stamp is a number in a string"))
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::List => "list",
        Kind::Text => "text",
    }
}

pub(super) fn kind_of(name: &str) -> Result<Kind> {
    match name {
        "list" => Ok(Kind::List),
        "text" => Ok(Kind::Text),
        _ => Err(unknown_rule("claim")),
    }
}

pub(super) fn unknown_rule(what: &str) -> Error {
    malformed(&format!("a write carries a {what} that this version does not know"))
        .with_hint("upgrade this instance to the version of the others")
}

impl Delta {
    /// The JSON form.
    pub fn to_value(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| item.to_value()).collect();
        let fields = [("since", self.since.to_value()), ("to", self.to.to_value()), ("items", items.into())];
        fields.into_iter().chain(self.base.iter().map(|base| ("base", base.to_value()))).collect()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Code::Message`] where it is none.
    pub fn from_value(value: &Value) -> Result<Delta> {
        let field = |name: &str| value.child(name).ok_or_else(|| malformed(&format!("a delta lacks `{name}`")));
        let items = field("items")?.as_list().ok_or_else(|| malformed("`items` is a list"))?;
        Ok(Delta {
            since: VersionVector::from_value(field("since")?)?,
            to: VersionVector::from_value(field("to")?)?,
            base: value.child("base").map(|base| Base::from_value(base).map(Arc::new)).transpose()?,
            items: items.iter().map(|item| Assertion::from_value(item).map(Arc::new)).collect::<Result<_>>()?,
        })
    }
}

impl View {
    /// `{"value", "disagreements": […]}`, see [`Disagreement::to_value`].
    pub fn to_value(&self) -> Value {
        let disagreements: Vec<Value> = self.disagreements.iter().map(Disagreement::to_value).collect();
        [("value", self.value.clone()), ("disagreements", disagreements.into())].into_iter().collect()
    }
}

impl Disagreement {
    /// `{"id", "path", "rule", "is_open", "sides": [{"author", "number", "timestamp", "value"?, "in_force", "lost_updates"?,
    /// "or_more"?}…]}`: the rule is the strategy that decided, author and number name the write, and a side without a value
    /// removed the path.
    pub fn to_value(&self) -> Value {
        let side = |side: &Side| -> Value {
            let fields = [
                ("author", side.dot.replica.to_string().into()),
                ("number", side.dot.seq.into()),
                ("timestamp", rfc3339(side.stamp.wall_ms()).into()),
                ("in_force", side.in_force.into()),
            ];
            let value = side.value.clone().map(|value| ("value", value));
            fields.into_iter().chain(value).chain(side.lost().fields()).collect()
        };
        let fields: [(&str, Value); 5] = [
            ("id", self.id().to_string().into()),
            ("path", self.path.to_string().into()),
            ("rule", ConflictStrategy::from(self.tag).as_str().into()),
            ("is_open", self.is_open().into()),
            ("sides", self.sides.iter().map(side).collect::<Vec<Value>>().into()),
        ];
        fields.into_iter().collect()
    }
}

/// A path of a message.
pub(super) fn pointer(text: &str) -> Result<Path> {
    Path::parse_pointer(text).map_err(|error| malformed(error.message()))
}

pub(super) fn malformed(why: &str) -> Error {
    Error::new(Code::Message, format!("malformed message: {why}"))
}
