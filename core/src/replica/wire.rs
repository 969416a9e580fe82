//! Assertions and version vectors as JSON values: the form in which they are stored and sent.
//!
//! 64-bit readings are strings (`"stamp": "113...96"`), since JavaScript cannot hold them as numbers.

use std::sync::Arc;

use super::{Assertion, Delta};
use crate::clock::{Dot, Stamp, VersionVector};
use crate::conflict::Tag;
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::path::Path;
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
    /// The JSON form.
    pub fn to_value(&self) -> Value {
        let fields = [
            ("dot", Value::from(vec![self.dot.replica.to_string().into(), self.dot.seq.into()])),
            ("context", self.context.to_value()),
            ("stamp", self.stamp.as_u64().to_string().into()),
            ("tag", u32::from(self.tag.as_u8()).into()),
            ("path", self.path.to_pointer().into()),
        ];
        // A removed path has no `value`: null is a value.
        let value = self.value.iter().map(|value| ("value", value.clone()));
        fields.into_iter().chain(value).collect()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Code::Message`] where it is none, or where it carries a rule that this version does not know.
    pub fn from_value(value: &Value) -> Result<Assertion> {
        let field = |name: &str| value.child(name).ok_or_else(|| malformed(&format!("a write lacks `{name}`")));
        let dot = field("dot")?.as_list().map(|list| list.as_slice().to_vec());
        let (replica, seq) = match dot.as_deref() {
            Some([replica, seq]) => (replica.as_str().and_then(ReplicaId::parse), seq.as_u64()),
            _ => (None, None),
        };
        let (Some(replica), Some(seq)) = (replica, seq) else { return Err(malformed("a dot is [replica, number]")) };
        let stamp = field("stamp")?.as_str().and_then(|text| text.parse().ok());
        let tag = field("tag")?.as_u64().and_then(|tag| u8::try_from(tag).ok());
        let tag = tag.and_then(Tag::from_u8).ok_or_else(|| {
            malformed("a write carries a conflict rule that this version does not know")
                .with_hint("upgrade this instance to the version of the others")
        })?;
        let path = field("path")?.as_str().ok_or_else(|| malformed("a path is a JSON Pointer"))?;
        Ok(Assertion {
            dot: Dot { replica, seq },
            context: Arc::new(VersionVector::from_value(field("context")?)?),
            stamp: Stamp::from_u64(stamp.ok_or_else(|| malformed("a stamp is a number in a string"))?),
            tag,
            path: Path::parse_pointer(path)?,
            value: value.child("value").cloned(),
        })
    }
}

impl Delta {
    /// The JSON form.
    pub fn to_value(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| item.to_value()).collect();
        [("since", self.since.to_value()), ("to", self.to.to_value()), ("items", items.into())].into_iter().collect()
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
            items: items.iter().map(|item| Assertion::from_value(item).map(Arc::new)).collect::<Result<_>>()?,
        })
    }
}

fn malformed(why: &str) -> Error {
    Error::new(Code::Message, format!("malformed message: {why}"))
}
