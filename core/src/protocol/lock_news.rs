//! What guests are told of locks, as JSON.

use super::codec::{Fields, Reader, named};
use super::{LockNews, Message};
use crate::error::Result;
use crate::value::Value;

impl LockNews {
    /// Its type and fields.
    pub(super) fn body(&self) -> (&'static str, Fields) {
        let fields = [
            ("config_key", Value::from(self.key.as_str())),
            ("user_id", self.holder.as_str().into()),
            // A text, since JavaScript cannot hold every token as a number.
            ("token", self.token.to_string().into()),
        ];
        (if self.is_locked { "config_locked" } else { "config_unlocked" }, named(&self.document, fields))
    }

    /// Reads them.
    pub(super) fn read(is_locked: bool, r: &Reader<'_>) -> Result<Message> {
        let token = r.value.child("token").and_then(Value::as_str).and_then(|token| token.parse().ok()).unwrap_or(0);
        let (key, holder) = (r.text("config_key")?.to_owned(), r.text("user_id")?.to_owned());
        Ok(Message::Lock(LockNews { document: r.document()?, key, holder, token, is_locked }))
    }
}
