//! Every write that ever reached a disk, collected from the batches on their way there: what the oracle evaluates.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use confmesh::Value;
use confmesh::canonical::canonical;
use confmesh::clock::{Dot, Stamp, VersionVector};
use confmesh::engine::StoreWrite;
use confmesh::format::{Format, parse};
use confmesh::id::{Genesis, ReplicaId};
use confmesh::limits::RESERVED_KEY;
use confmesh::replica::{Assertion, Claim};

use super::generate::markers;
use super::oracle::{Expected, evaluate};
use super::{Checked, Property, violated};

/// A store of one instance: what a restarted engine gets.
pub(crate) type Store = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a replica says of itself in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) replica: ReplicaId,
    pub(crate) genesis: Genesis,
    pub(crate) seen: VersionVector,
}

#[derive(Default)]
pub(crate) struct History {
    writes: BTreeMap<Genesis, Vec<Arc<Assertion>>>,
    /// Every record by its key in the store.
    records: BTreeMap<(Genesis, Vec<u8>), Vec<u8>>,
    /// Writes of which all assertions are known.
    closed: BTreeMap<Dot, Genesis>,
    authors: BTreeMap<ReplicaId, usize>,
    markers: BTreeSet<(i64, Genesis)>,
    views: BTreeMap<(Genesis, String), Rc<Expected>>,
}

const REPLICA: &str = "/replica";
const WRITE: &str = "/write/";
const BASE: &str = "/base/";
const OVERRULED: &str = "/overruled";

fn key_holds(key: &[u8], part: &str) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| key.contains(part))
}

fn json(bytes: &[u8]) -> Value {
    parse(std::str::from_utf8(bytes).unwrap(), Format::Json).unwrap()
}

fn known(bytes: &[u8]) -> Known {
    let value = json(bytes);
    let text = |name: &str| value.child(name).and_then(Value::as_str).unwrap();
    Known {
        replica: ReplicaId::parse(text("replica")).unwrap(),
        genesis: Genesis::parse(text("genesis")).unwrap(),
        seen: VersionVector::from_value(value.child("seen").unwrap()).unwrap(),
    }
}

/// The replica of a store.
pub(crate) fn stored(store: &Store) -> Option<Known> {
    store.iter().find(|(key, _)| key_holds(key, REPLICA)).map(|(_, bytes)| known(bytes))
}

/// The replica that a batch leaves in the store.
pub(crate) fn left_by(writes: &[StoreWrite]) -> Option<Known> {
    let replicas = writes.iter().rev().filter_map(|write| match write {
        StoreWrite::Put { key, bytes } if key_holds(key, REPLICA) => Some(known(bytes)),
        _ => None,
    });
    replicas.into_iter().next()
}

/// The markers of what a batch lists as not kept when a host takes over the document of others.
pub(crate) fn listed_by(writes: &[StoreWrite]) -> BTreeSet<i64> {
    let records = writes.iter().filter_map(|write| match write {
        StoreWrite::Put { key, bytes } if key_holds(key, OVERRULED) => Some(canonical(&json(bytes))),
        _ => None,
    });
    records.flat_map(|text| markers(&text)).collect()
}

/// The records of writes that a store holds.
pub(crate) fn held(store: &Store) -> BTreeMap<&Vec<u8>, &Vec<u8>> {
    store.iter().filter(|(key, _)| key_holds(key, WRITE)).collect()
}

/// The records of what a store settled to.
pub(crate) fn base(store: &Store) -> BTreeMap<&Vec<u8>, &Vec<u8>> {
    store.iter().filter(|(key, _)| key_holds(key, BASE)).collect()
}

/// The writes whose history a store dropped.
pub(crate) fn floor(store: &Store) -> VersionVector {
    let bytes: Vec<u8> = base(store).into_values().flatten().copied().collect();
    if bytes.is_empty() {
        return VersionVector::default();
    }
    json(&bytes).child("floor").map_or_else(VersionVector::default, |floor| VersionVector::from_value(floor).unwrap())
}

/// Whether a batch changes what the store settled to.
pub(crate) fn moves_floor(writes: &[StoreWrite]) -> bool {
    writes.iter().any(|write| match write {
        StoreWrite::Put { key, .. } | StoreWrite::Delete { key } => key_holds(key, BASE),
    })
}

/// The keys of a batch, for people.
pub(crate) fn summary(writes: &[StoreWrite]) -> String {
    let keys = writes.iter().map(|write| match write {
        StoreWrite::Put { key, .. } => format!("+{}", String::from_utf8_lossy(key)),
        StoreWrite::Delete { key } => format!("-{}", String::from_utf8_lossy(key)),
    });
    keys.collect::<Vec<_>>().join(" ")
}

impl History {
    /// A batch reached the disk of an instance, whose own stamps cannot be later than `latest_ms`.
    pub(crate) fn take(&mut self, host: usize, writes: &[StoreWrite], latest_ms: u64) -> Checked {
        let Some(replica) = left_by(writes) else { return Ok(()) };
        let author = *self.authors.entry(replica.replica).or_insert(host);
        if author != host {
            return violated(Property::Other, format!("instance {host} writes under a name of instance {author}"));
        }
        // A batch counts by what it leaves.
        let mut left = BTreeMap::new();
        for write in writes {
            match write {
                StoreWrite::Put { key, bytes } if key_holds(key, WRITE) => left.insert(key, bytes),
                StoreWrite::Put { .. } => None,
                StoreWrite::Delete { key } => left.remove(key),
            };
        }
        let mut fresh = BTreeSet::new();
        for (key, bytes) in left {
            match self.records.get(&(replica.genesis, key.clone())) {
                Some(before) if before == bytes => continue,
                Some(before) => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let what = format!("one write has two contents: {} and {}", text(before), text(bytes));
                    return violated(Property::Durability, what);
                }
                None => {}
            }
            let assertion = Assertion::from_value(&json(bytes)).unwrap();
            let dot = assertion.dot;
            if self.closed.get(&dot).is_some_and(|origin| *origin != replica.genesis) {
                self.take_along(&replica, key, bytes, assertion)?;
                continue;
            }
            let author = *self.authors.entry(dot.replica).or_insert(host);
            if author != host {
                let what =
                    format!("{dot:?} is on the disk of instance {host} before it is on that of its author {author}");
                return violated(Property::Durability, what);
            }
            if self.closed.contains_key(&dot) {
                return violated(Property::Durability, format!("the name {dot:?} was given to two writes"));
            }
            if assertion.stamp.wall_ms() > latest_ms {
                return violated(Property::Other, format!("a clock elsewhere dragged that of {host} along: {dot:?}"));
            }
            fresh.insert(dot);
            let text = canonical(&assertion.to_value());
            self.markers.extend(markers(&text).into_iter().map(|marker| (marker, replica.genesis)));
            self.records.insert((replica.genesis, key.clone()), bytes.clone());
            self.writes.entry(replica.genesis).or_default().push(Arc::new(assertion));
        }
        self.closed.extend(fresh.into_iter().map(|dot| (dot, replica.genesis)));
        Ok(())
    }

    /// A write of a document that gave way to this one stays as it is; what edits a sequence becomes a value.
    fn take_along(&mut self, replica: &Known, key: &[u8], bytes: &[u8], assertion: Assertion) -> Checked {
        let others = self.records.iter().filter(|((genesis, at), _)| *genesis != replica.genesis && at == key);
        let is_known = others.into_iter().any(|(_, before)| {
            let before = Assertion::from_value(&json(before)).unwrap();
            let is_sequence = !before.edits.is_empty() || matches!(before.claim, Claim::Sequence(_));
            before == assertion || is_sequence && assertion.edits.is_empty() && before.context == assertion.context
        });
        if !is_known {
            let what = format!("{:?} changed on its way to another document", assertion.dot);
            return violated(Property::Durability, what);
        }
        let text = canonical(&assertion.to_value());
        self.markers.extend(markers(&text).into_iter().map(|marker| (marker, replica.genesis)));
        self.records.insert((replica.genesis, key.to_vec()), bytes.to_vec());
        self.writes.entry(replica.genesis).or_default().push(Arc::new(assertion));
        // What was computed before, somebody may have seen without this write.
        self.views.retain(|(genesis, _), _| *genesis != replica.genesis);
        Ok(())
    }

    /// The numbers that an instance wrote in a document; with all, those that anybody but its founder did.
    pub(crate) fn written_in(&self, genesis: Genesis, host: Option<usize>) -> BTreeSet<i64> {
        let founder = genesis.founder();
        let writes = self.writes.get(&genesis).into_iter().flatten().filter(|write| {
            let author = write.dot.replica;
            author != founder && host.is_none_or(|host| self.authors.get(&author) == Some(&host))
        });
        writes.flat_map(|write| markers(&canonical(&write.to_value()))).collect()
    }

    /// The instance that writes, or wrote, under a name.
    pub(crate) fn author(&self, replica: ReplicaId) -> Option<usize> {
        self.authors.get(&replica).copied()
    }

    /// Whether a write was ever on its author's disk.
    pub(crate) fn holds(&self, dot: Dot) -> bool {
        self.closed.contains_key(&dot)
    }

    /// The document that a write was made in.
    pub(crate) fn document_of(&self, dot: Dot) -> Option<Genesis> {
        self.closed.get(&dot).copied()
    }

    /// Whether a number that was given out once is in any write.
    pub(crate) fn holds_marker(&self, marker: i64) -> bool {
        self.markers.iter().any(|(held, _)| *held == marker)
    }

    /// Whether a number of one document is in a write of another one, or a write there has seen each that held it and took
    /// its place: somebody else moved it. With `alone`, who made its own writes again, it may also have been another one's
    /// write that took its place before.
    pub(crate) fn came_along(&self, old: &Known, new: &Known, marker: i64, alone: Option<usize>) -> bool {
        let genesis = old.genesis;
        if self.markers.contains(&(marker, new.genesis)) {
            return true;
        }
        let founder = genesis.founder();
        let there = self.seen(new);
        let by_others = |other: &Arc<Assertion>| {
            alone.is_some_and(|host| self.authors.get(&other.dot.replica).is_some_and(|author| *author != host))
        };
        let before: Vec<_> = self.seen(old).into_iter().filter(|other| by_others(other)).collect();
        let took_place = |write: &Arc<Assertion>| {
            there.iter().chain(&before).any(|other| {
                let is_comparable = other.path.starts_with(&write.path) || write.path.starts_with(&other.path);
                is_comparable && other.context.contains(write.dot)
            })
        };
        let holds = |write: &Arc<Assertion>| markers(&canonical(&write.to_value())).contains(&marker);
        let held = self.writes.get(&genesis).into_iter().flatten();
        let is_meant = |write: &&Arc<Assertion>| write.dot.replica != founder && !by_others(write) && holds(write);
        held.filter(is_meant).all(took_place)
    }

    /// The writes of a document that somebody saw, without the notes of confmesh itself.
    pub(crate) fn seen(&self, known: &Known) -> Vec<Arc<Assertion>> {
        let all = self.writes.get(&known.genesis).into_iter().flatten();
        let is_note = |path: &confmesh::Path| path.segments().first().is_some_and(|first| *first == *RESERVED_KEY);
        all.filter(|a| known.seen.contains(a.dot) && !is_note(&a.path)).cloned().collect()
    }

    /// The writes of exactly this path that somebody saw, also those that were superseded in a document that gave way.
    pub(crate) fn written_at(&self, known: &Known, path: &confmesh::Path) -> BTreeMap<Dot, &Arc<Assertion>> {
        let all = self.writes.values().flatten().filter(|a| a.path == *path && known.seen.contains(a.dot));
        all.map(|a| (a.dot, a)).collect()
    }

    /// A number that somebody showed and that only writes hold which are no longer seen: it had to be written again.
    pub(crate) fn left_behind(&mut self, old: &Known, new: &Known, listed: &BTreeSet<i64>) -> Option<i64> {
        let claimed = |writes: &[Arc<Assertion>]| -> BTreeSet<i64> {
            let values =
                writes.iter().filter_map(|a| if let Claim::Value(value) = &a.claim { Some(value) } else { None });
            values.flat_map(|value| markers(&canonical(value))).collect()
        };
        let (seen, unseen) = self.seen(old).into_iter().partition::<Vec<_>, _>(|a| new.seen.contains(a.dot));
        if unseen.is_empty() {
            return None;
        }
        let (kept, shown) = (claimed(&self.seen(new)), markers(&canonical(&self.expected(old).value)));
        let (before, lost) = (claimed(&seen), claimed(&unseen));
        let is_gone = |marker: &i64| !kept.contains(marker) && !before.contains(marker) && !listed.contains(marker);
        shown.into_iter().find(|marker| lost.contains(marker) && is_gone(marker))
    }

    /// The document that the author of a write saw.
    pub(crate) fn made_on(&mut self, genesis: Genesis, dot: Dot) -> Option<Rc<Expected>> {
        let write = self.writes.get(&genesis)?.iter().find(|assertion| assertion.dot == dot)?;
        let seen = VersionVector::clone(&write.context);
        Some(self.expected(&Known { replica: dot.replica, genesis, seen }))
    }

    /// The stamp of the last write that somebody made under the name that it has.
    pub(crate) fn last_stamp(&self, known: &Known) -> Option<Stamp> {
        let own = self.writes.get(&known.genesis)?.iter().filter(|a| a.dot.replica == known.replica);
        own.max_by_key(|a| a.dot.seq).map(|a| a.stamp)
    }

    /// How many of the writes that somebody saw put exactly this value at exactly this path.
    pub(crate) fn count(&self, known: &Known, path: &confmesh::Path, value: &Value) -> usize {
        let all: Vec<_> = self
            .seen(known)
            .into_iter()
            .filter(|a| a.path == *path && a.claim == Claim::Value(value.clone()))
            .collect();
        // What moved here from another document may have been made again, and stands in that one's place.
        let is_here = |write: &Arc<Assertion>| self.document_of(write.dot) == Some(known.genesis);
        let made_again = |write: &Arc<Assertion>| {
            !is_here(write) && all.iter().any(|other| is_here(other) && other.context.contains(write.dot))
        };
        all.iter().filter(|write| !made_again(write)).count()
    }

    /// What somebody who saw this has to show.
    pub(crate) fn expected(&mut self, known: &Known) -> Rc<Expected> {
        let key = (known.genesis, canonical(&known.seen.to_value()));
        if let Some(view) = self.views.get(&key) {
            return Rc::clone(view);
        }
        let view = Rc::new(evaluate(&self.seen(known)));
        self.views.insert(key, Rc::clone(&view));
        view
    }

    /// How many writes there were.
    pub(crate) fn len(&self) -> usize {
        self.closed.len()
    }

    /// A message for a replica that has seen writes which never were on a disk.
    pub(crate) fn missing(&self, known: &Known) -> Option<String> {
        let unknown = known.seen.iter().find(|(replica, seq)| !self.holds(Dot { replica: *replica, seq: *seq }));
        unknown.map(|(replica, seq)| format!("it has seen {replica}:{seq}, which no disk ever held"))
    }
}
