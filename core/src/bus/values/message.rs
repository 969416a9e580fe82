//! What is said of a value: `{"config_key", "new_value", "timestamp", "publisher_id"}`.

use crate::canonical::canonical;
use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse_from};
use crate::path::Path;
use crate::value::{Str, Value};

/// How long a message of somebody else may be.
const MAX_BYTES: usize = 256 << 10;
/// How much is kept of what somebody calls itself.
const MAX_PUBLISHER_BYTES: usize = 128;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Of which path.
    pub path: Path,
    /// What it is; nothing where it is removed.
    pub value: Option<Value>,
    /// When it was said, in milliseconds since 1970, if it tells that.
    pub said_ms: Option<u64>,
    /// Who says to have said it; nothing is believed of it.
    pub publisher: Str,
}

impl Message {
    /// The text: JSON, in which a removal is `null`, and says that it is one.
    pub fn to_text(&self) -> String {
        let mut fields = vec![
            ("config_key", Value::from(self.path.to_string())),
            ("new_value", self.value.clone().unwrap_or(Value::Null)),
            ("publisher_id", self.publisher.clone().into()),
            ("timestamp", rfc3339(self.said_ms.unwrap_or(0)).into()),
        ];
        fields.extend(self.value.is_none().then(|| ("removed", true.into())));
        canonical(&fields.into_iter().collect())
    }

    /// Reads what somebody published at the topic of a path, or at a channel of all paths (`None`). An empty message clears a
    /// topic, and says nothing. No error shows what it holds.
    ///
    /// # Errors
    /// [`Code::Message`] for what is no such message, [`Code::TooLarge`] for one that is too long.
    pub fn parse(at: Option<&Path>, bytes: &[u8]) -> Result<Option<Message>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() > MAX_BYTES {
            return Err(Error::new(Code::TooLarge, format!("a value for others has at most {MAX_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        let message = parse_from(text, Format::Json, "message").map_err(|error| {
            // The words of the parser quote what is there.
            let place = error.origin().and_then(|origin| origin.location);
            bad(&place.map_or_else(|| "it is no JSON".to_owned(), |place| format!("it is no JSON at {place}")))
        })?;
        if message.as_map().is_none() {
            return Err(bad("it is no map"));
        }
        let key = match message.child("config_key") {
            None => None,
            Some(key) => {
                let key = key.as_str().ok_or_else(|| bad("`config_key` is no text"))?;
                Some(Path::parse(key).map_err(|error| bad(error.message()))?)
            }
        };
        let path = match (at, key) {
            (Some(at), Some(key)) if *at != key => {
                return Err(bad(&format!("its topic is that of `{at}`, and its `config_key` another one")));
            }
            (Some(at), _) => at.clone(),
            (None, Some(key)) => key,
            (None, None) => return Err(bad("`config_key` is missing")),
        };
        let value = message.child("new_value").ok_or_else(|| bad("`new_value` is missing"))?;
        let value = Some(value.clone()).filter(|value| *value != Value::Null);
        let said_ms = message.child("timestamp").and_then(Value::as_str).and_then(moment);
        let publisher = message.child("publisher_id").and_then(Value::as_str).unwrap_or_default();
        Ok(Some(Message { path, value, said_ms, publisher: shown(publisher) }))
    }
}

/// A time without a zone is UTC, as programs write it that never leave it.
fn moment(text: &str) -> Option<u64> {
    parse_rfc3339(text).or_else(|| parse_rfc3339(&format!("{text}Z")))
}

/// What somebody calls itself, so that it can be told.
fn shown(name: &str) -> Str {
    let mut shown = String::new();
    for letter in name.chars().filter(|letter| !letter.is_control()) {
        if shown.len() + letter.len_utf8() > MAX_PUBLISHER_BYTES {
            break;
        }
        shown.push(letter);
    }
    shown.as_str().into()
}

fn bad(why: &str) -> Error {
    let hint = "publish `{\"config_key\", \"new_value\", \"timestamp\", \"publisher_id\"}`; `new_value` alone is enough at the topic of a path";
    Error::new(Code::Message, format!("this is no value for others: {why}")).with_hint(hint)
}
