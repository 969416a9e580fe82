//! Telling guests what changed: each what it may see of it, and frames that are the same are encoded once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guests::Told;
use super::types::{ChangeEvent, PeerId, Snapshot, Transmit};
use super::{Engine, REPLICATES, Session};
use crate::clock::{Now, VersionVector};
use crate::diff::{Change, diff, leaves};
use crate::guard::{Grant, Who};
use crate::id::DocumentName;
use crate::pattern::Pattern;
use crate::protocol::{Frame, Message};

/// A change as some guests see it.
struct Seen {
    base: u64,
    snapshot: Arc<Snapshot>,
    changes: Vec<Change>,
    leaves: Vec<Change>,
    /// Without the content hash, and with it.
    updates: [Option<Frame>; 2],
    syncs: Vec<Option<Frame>>,
}

impl Seen {
    fn new(base: u64, snapshot: &Arc<Snapshot>, changes: Vec<Change>) -> Seen {
        let leaves = leaves(&changes);
        let syncs = vec![None; leaves.len()];
        Seen { base, snapshot: Arc::clone(snapshot), changes, leaves, updates: [None, None], syncs }
    }
}

/// A guest that may want to hear of a change.
struct Listener {
    peer: PeerId,
    /// Whether it follows by change list, and then whether each says the content hash.
    follows: Option<bool>,
    patterns: Arc<[Pattern]>,
    grant: Who,
    told: Option<Told>,
}

/// Which view of a document, and since which revision.
type Sight = (usize, u64);

impl Engine {
    /// Sends a change to every guest that wants it.
    pub(super) fn tell_guests(&mut self, name: &DocumentName, base: u64, change: &ChangeEvent, now: Now) {
        if !REPLICATES {
            return;
        }
        let listeners = self.sessions.iter().filter_map(|(peer, session)| match session {
            Session::Guest(guest) => Some(Listener {
                peer: *peer,
                follows: guest.follows.get(name).copied(),
                patterns: Arc::clone(&guest.patterns),
                grant: guest.grant.clone(),
                told: guest.told.get(name).cloned(),
            }),
            _ => None,
        });
        let listeners: Vec<Listener> = listeners.collect();
        if listeners.is_empty() {
            return;
        }
        let seen_writes = self.shown(name);
        let mut whole = Seen::new(base, &change.snapshot, change.changes.clone());
        // By the grant itself: many guests share one, and most see everything.
        let mut views: BTreeMap<usize, Arc<Snapshot>> = BTreeMap::new();
        let mut partly: BTreeMap<Sight, Seen> = BTreeMap::new();
        for listener in listeners {
            let Some(grant) = &listener.grant else {
                self.tell(name, &listener, &mut whole, seen_writes.as_ref(), now);
                continue;
            };
            if grant.check(crate::guard::Verb::Read, name).is_err() {
                continue;
            }
            let key = address(grant);
            let view = views.entry(key).or_insert_with(|| change.snapshot.seen_by(grant));
            let view = Arc::clone(view);
            let told_at = listener.told.as_ref().map_or(0, Told::revision);
            let seen = if Arc::ptr_eq(&view, &change.snapshot) && told_at == base {
                &mut whole
            } else {
                partly.entry((key, told_at)).or_insert_with(|| {
                    let nothing = crate::value::Value::empty_map();
                    let before = listener.told.as_ref().map_or(&nothing, Told::value);
                    Seen::new(told_at, &view, diff(before, &view.value))
                })
            };
            if seen.changes.is_empty() {
                continue;
            }
            self.tell(name, &listener, seen, seen_writes.as_ref(), now);
            if let Some(Session::Guest(guest)) = self.sessions.get_mut(&listener.peer) {
                guest.told.insert(name.clone(), Told::of(&view));
            }
        }
    }

    fn tell(
        &mut self,
        name: &DocumentName,
        listener: &Listener,
        seen: &mut Seen,
        writes: Option<&VersionVector>,
        now: Now,
    ) {
        let (peer, revision) = (listener.peer, seen.snapshot.revision);
        if let Some(with_hash) = listener.follows {
            let [plain, hashed] = &mut seen.updates;
            let slot = if with_hash { hashed } else { plain };
            let frame = match slot {
                Some(frame) => frame.clone(),
                None => {
                    let update = Message::ConfigUpdate {
                        document: name.clone(),
                        base: seen.base,
                        revision,
                        hash: with_hash.then(|| seen.snapshot.hash().to_string()),
                        changes: seen.changes.clone(),
                        seen: writes.cloned(),
                    };
                    slot.insert(self.text_frame(&update, now)).clone()
                }
            };
            self.transmit.push_back(Transmit { peer, frame });
            return;
        }
        for (leaf, slot) in seen.leaves.iter().zip(&mut seen.syncs) {
            if listener.patterns.iter().any(|pattern| pattern.matches(&leaf.path)) {
                let frame = match slot {
                    Some(frame) => frame.clone(),
                    None => {
                        let (document, seen) = (name.clone(), writes.cloned());
                        let sync = Message::ConfigSync { document, revision, change: leaf.clone(), seen };
                        slot.insert(self.text_frame(&sync, now)).clone()
                    }
                };
                self.transmit.push_back(Transmit { peer, frame });
            }
        }
    }
}

/// What tells grants apart while they are held.
fn address(grant: &Arc<Grant>) -> usize {
    Arc::as_ptr(grant) as usize
}
