//! Who wrote what the shared layer holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::Shared;
use super::{Engine, Session};
use crate::clock::{Stamp, rfc3339};
use crate::id::{DocumentName, InstanceId, ReplicaId};
use crate::path::Path;
use crate::replica::Assertion;
use crate::value::{Str, Value};

/// How many writes are named for one path, the newest.
const NAMED: usize = 16;

/// One write that speaks at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The path that it wrote: the one asked for, one above it, or one below.
    pub path: Path,
    /// When, by the clock of its author.
    pub stamp: Stamp,
    /// The author: one incarnation of an instance's replica.
    pub replica: ReplicaId,
    /// The author's number of the write.
    pub seq: u64,
    /// The instance, where it is this one or connected.
    pub instance: Option<InstanceId>,
    /// The person that it was written for, where one was named.
    pub user: Option<Str>,
}

impl Written {
    /// `{"path", "timestamp", "author", "version", "instance_id"?, "user"?}`.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![
            ("path", self.path.to_string().into()),
            ("timestamp", rfc3339(self.stamp.wall_ms()).into()),
            ("author", self.replica.to_string().into()),
            ("version", format!("{}:{}", self.replica, self.seq).into()),
        ];
        fields.extend(self.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.extend(self.user.clone().map(|user| ("user", user.into())));
        fields.into_iter().collect()
    }
}

impl Engine {
    /// The writes that made what the shared layer holds at a path, the newest first, at most 16. None where nothing is
    /// shared, and where the history was dropped.
    pub fn written(&self, document: &DocumentName, path: &Path) -> Vec<Written> {
        let founded = self.documents.get(document).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded else { return Vec::new() };
        let mut writes = founded.durable.writes_at(path);
        newest_first(&mut writes);
        let founder = founded.durable.genesis().founder();
        // The stamps of a founder come before all others, and tell no time.
        let born = Stamp::from_u64(founded.life.standing.born_ms.min(u64::MAX >> 16) << 16);
        let named = writes.into_iter().take(NAMED).map(|write| Written {
            path: write.path.clone(),
            stamp: if write.dot.replica == founder { born } else { write.stamp },
            replica: write.dot.replica,
            seq: write.dot.seq,
            instance: self.instance_of(document, write.dot.replica),
            user: write.user.clone(),
        });
        named.collect()
    }

    /// The instance that writes a document under a name, where it is this one or connected.
    pub(super) fn instance_of(&self, document: &DocumentName, replica: ReplicaId) -> Option<InstanceId> {
        let founded = self.documents.get(document)?.shared.as_ref()?.founded()?;
        if founded.durable.id() == replica || founded.writes_as(replica) {
            return Some(self.config.instance);
        }
        let linked = self
            .proven_links(document)
            .find(|(_, link)| link.replica == Some(replica))
            .and_then(|(instance, _)| instance);
        linked.or_else(|| {
            self.sessions.values().find_map(|session| match session {
                Session::Bus(bus) => bus.writer(replica),
                _ => None,
            })
        })
    }
}

/// By their stamps, and those of one author by their numbers: its clock may have been ahead once.
fn newest_first(writes: &mut [&Arc<Assertion>]) {
    let mut authors: BTreeMap<ReplicaId, Vec<&Arc<Assertion>>> = BTreeMap::new();
    for write in &*writes {
        authors.entry(write.dot.replica).or_default().push(write);
    }
    authors.values_mut().for_each(|own| own.sort_by_key(|write| write.dot.seq));
    writes.sort_by_key(|write| std::cmp::Reverse((write.stamp, write.dot)));
    for place in writes {
        if let Some(next) = authors.get_mut(&place.dot.replica).and_then(Vec::pop) {
            *place = next;
        }
    }
}
