//! What surrounds the JSON messages of an engine.

use std::collections::BTreeMap;

use super::document::Document;
use super::options::EngineConfig;
use crate::clock::{Now, Stamp};
use crate::id::DocumentName;
use crate::protocol::{Envelope, Message, encode};

/// What the envelope of a JSON message is made of; binary messages have none.
pub(super) struct Envelopes<'a> {
    pub(super) config: &'a EngineConfig,
    pub(super) documents: &'a BTreeMap<DocumentName, Document>,
    pub(super) number: u64,
    pub(super) now: Now,
}

impl Envelopes<'_> {
    pub(super) fn json(&self, message: &Message) -> String {
        let founded = self.documents.values().filter_map(|d| d.shared.as_ref()?.founded());
        let newest = founded.map(|founded| founded.durable.last_stamp()).max();
        let envelope = Envelope {
            event_id: format!("{}-{}", self.config.instance, self.number),
            instance: self.config.instance,
            wall_ms: self.now.wall_ms,
            hlc: newest.unwrap_or(Stamp::from_u64(self.now.wall_ms << 16)),
        };
        encode(message, &envelope)
    }
}
