//! Bases as JSON values: the form in which they are stored and sent.

use std::collections::BTreeMap;

use super::wire::{dot_of, dot_value, kind_name, kind_of, malformed, pointer, stamp_of, unknown_rule};
use super::{Base, Disagreement, Run, Side, Standing};
use crate::clock::VersionVector;
use crate::conflict::Tag;
use crate::error::Result;
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::sequence::Kind;
use crate::value::{Str, Value};

impl Base {
    /// The JSON form: `floor`, `document`, `standing` (the paths of [`Standing::changes`]), `sequences` (by path and kind;
    /// `true` where it is what the document holds there), `notes` and `open`. What is empty is left out.
    pub fn to_value(&self) -> Value {
        let mut fields = vec![("floor", self.floor.to_value()), ("document", self.document.clone())];
        let standing: Vec<Value> = self.standing.changes().iter().map(|path| path.to_pointer().into()).collect();
        let sequences = self.sequences.iter().map(|(path, kinds)| {
            let content = |value: &Value| match self.document.at(path) == Some(value) {
                true => Value::from(true),
                false => value.clone(),
            };
            let kinds: Value = kinds.iter().map(|(kind, value)| (kind_name(*kind), content(value))).collect();
            (Str::from(path.to_pointer()), kinds)
        });
        let open: Vec<Value> = self.open.iter().map(disagreement_value).collect();
        fields.extend([
            ("standing", standing.into()),
            ("sequences", sequences.collect()),
            ("notes", self.notes.clone()),
            ("open", open.into()),
        ]);
        let is_empty = |value: &Value| {
            value.as_list().is_some_and(|list| list.is_empty()) || value.as_map().is_some_and(|map| map.is_empty())
        };
        fields.into_iter().filter(|(name, value)| *name == "document" || !is_empty(value)).collect()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`crate::Code::Message`] where it is none, or where it carries a rule that this version does not know.
    pub fn from_value(value: &Value) -> Result<Base> {
        let field = |name: &str| value.child(name).ok_or_else(|| malformed(&format!("a base lacks `{name}`")));
        let list = |name: &str| match value.child(name) {
            None => Ok(Vec::new()),
            Some(value) => {
                let list = value.as_list().map(|list| list.as_slice().to_vec());
                list.ok_or_else(|| malformed(&format!("`{name}` is a list")))
            }
        };
        let document = field("document")?.clone();
        let mut sequences: BTreeMap<Path, BTreeMap<Kind, Value>> = BTreeMap::new();
        for (path, kinds) in value.child("sequences").and_then(Value::as_map).into_iter().flat_map(|map| map.iter()) {
            let path = short(pointer(path)?)?;
            for (name, content) in kinds.as_map().into_iter().flat_map(|map| map.iter()) {
                let kind = kind_of(name)?;
                let content = if *content == Value::from(true) { document.at(&path) } else { Some(content) };
                let content = content.filter(|content| Kind::of(content) == Some(kind)).cloned();
                let content = content.ok_or_else(|| malformed("a sequence is a list or a text"))?;
                sequences.entry(path.clone()).or_default().insert(kind, content);
            }
        }
        let standing = list("standing")?;
        let standing = standing.iter().map(|path| {
            let path = path.as_str().ok_or_else(|| malformed("a path is a JSON Pointer"))?;
            short(pointer(path)?)
        });
        Ok(Base {
            floor: value.child("floor").map_or(Ok(VersionVector::default()), VersionVector::from_value)?,
            standing: Standing::from_changes(standing.collect::<Result<Vec<_>>>()?),
            document,
            sequences,
            notes: value.child("notes").cloned().unwrap_or_else(Value::empty_map),
            open: list("open")?.iter().map(disagreement).collect::<Result<_>>()?,
        })
    }
}

/// A path that no document exceeds, so that what walks along it never runs out of stack.
fn short(path: Path) -> Result<Path> {
    if path.len() > MAX_DEPTH { Err(malformed("a path is too long")) } else { Ok(path) }
}

impl Disagreement {
    /// As it is stored; see [`Disagreement::to_value`] for what people read.
    pub(crate) fn to_record(&self) -> Value {
        disagreement_value(self)
    }

    /// What [`Disagreement::to_record`] wrote.
    pub(crate) fn from_record(value: &Value) -> Result<Disagreement> {
        disagreement(value)
    }
}

fn disagreement_value(disagreement: &Disagreement) -> Value {
    let side = |side: &Side| -> Value {
        let fields = [
            ("dot", dot_value(side.dot)),
            ("stamp", side.stamp.as_u64().to_string().into()),
            ("in_force", side.in_force.into()),
        ];
        let user = side.user.iter().map(|user| ("user", user.clone().into()));
        let value = side.value.iter().map(|value| ("value", value.clone()));
        let run = (!side.updates.is_empty()).then(|| ("run", Run::over(side.updates.clone()).to_value()));
        fields.into_iter().chain(value).chain(user).chain(run).collect()
    };
    let sides: Vec<Value> = disagreement.sides.iter().map(side).collect();
    let fields = [
        ("path", Value::from(disagreement.path.to_pointer())),
        ("tag", u32::from(disagreement.tag.as_u8()).into()),
        ("sides", sides.into()),
    ];
    fields.into_iter().collect()
}

fn disagreement(value: &Value) -> Result<Disagreement> {
    let field = |value: &Value, name: &str| {
        value.child(name).cloned().ok_or_else(|| malformed(&format!("a disagreement lacks `{name}`")))
    };
    let tag = field(value, "tag")?.as_u64().and_then(|tag| u8::try_from(tag).ok()).and_then(Tag::from_u8);
    let path = field(value, "path")?;
    let path = path.as_str().ok_or_else(|| malformed("a path is a JSON Pointer"))?;
    let sides = field(value, "sides")?;
    let side = |side: &Value| {
        Ok(Side {
            dot: dot_of(&field(side, "dot")?)?,
            stamp: stamp_of(&field(side, "stamp")?)?,
            value: side.child("value").cloned(),
            in_force: side.child("in_force").and_then(Value::as_bool).unwrap_or(false),
            user: side.child("user").and_then(Value::as_str).map(Str::from),
            updates: side.child("run").map(Run::from_value).transpose()?.unwrap_or_default().links,
        })
    };
    Ok(Disagreement {
        path: short(pointer(path)?)?,
        tag: tag.ok_or_else(|| unknown_rule("conflict rule"))?,
        sides: sides.as_list().into_iter().flat_map(|list| list.iter()).map(side).collect::<Result<_>>()?,
    })
}
