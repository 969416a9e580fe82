//! Large maps as trees whose shape depends on the keys alone.
//!
//! A fixed hash gives every key a level. A key of level 1 or more starts a leaf, of level 2 or more a node above leaves, and
//! so on; the first key starts everything. So equal maps have equal trees however they came about, and setting one key
//! copies the nodes above it and shares the rest. Keys made to hash alike cost what one sorted slice would.

use std::sync::{Arc, OnceLock};

use crate::value::digest::{Digest, Hasher, Part};
use crate::value::shared::Shared;
use crate::value::{Probe, Str, Value, compare_keys};

/// Up to this many entries a map is one sorted slice.
pub(super) const FLAT: usize = 32;
/// One key in 2^4 starts a leaf, of those one in 2^4 a node above, and so on.
const FANOUT_BITS: u32 = 4;
/// No key has a higher level, so that keys made for it cannot build towers.
const MAX_LEVEL: u32 = 6;

pub(super) type Entry = (Str, Value);

#[derive(Clone)]
pub(super) enum Node {
    Leaf(Shared<Entry>),
    Inner(Arc<Inner>),
}

#[derive(Clone)]
pub(super) struct Inner {
    /// How many entries lie below.
    len: usize,
    /// How many levels of nodes lie below: 1 above leaves.
    height: u32,
    pub(super) children: Box<[Child]>,
    /// The digest of all of it, once somebody asked.
    digest: OnceLock<Digest>,
}

#[derive(Clone)]
pub(super) struct Child {
    /// The first key below.
    first: Str,
    pub(super) node: Node,
}

/// The highest kind of node that a key starts.
fn level(key: &str) -> u32 {
    (hash(key).trailing_zeros() / FANOUT_BITS).min(MAX_LEVEL)
}

/// A hash that is the same on every machine and in every version of a build.
fn hash(key: &str) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = ODD ^ u64::try_from(key.len()).unwrap_or(u64::MAX);
    let (words, rest) = key.as_bytes().as_chunks::<8>();
    for word in words {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state ^= state >> 32;
    }
    let last = rest.iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    state = (state ^ last).wrapping_mul(ODD);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn position(entries: &[Entry], key: &str) -> Result<usize, usize> {
    let probe = Probe::of(key);
    entries.binary_search_by(|(other, _)| probe.order_of(other))
}

/// Splits a run of items before each one, but the first, that starts a new group.
fn grouped<T, G>(items: Vec<T>, starts: impl Fn(&T) -> bool, make: impl Fn(Vec<T>) -> G) -> Vec<G> {
    let mut lengths = Vec::new();
    let mut length = 0;
    for item in &items {
        if length > 0 && starts(item) {
            lengths.push(std::mem::take(&mut length));
        }
        length += 1;
    }
    if lengths.is_empty() {
        return vec![make(items)];
    }
    lengths.push(length);
    let mut items = items.into_iter();
    lengths.into_iter().map(|length| make(items.by_ref().take(length).collect())).collect()
}

fn leaves(entries: Vec<Entry>) -> Vec<Child> {
    grouped(entries, |(key, _)| level(key) > 0, |entries| Child::of(Node::Leaf(entries.into())))
}

/// Nodes of one height over their children.
fn nodes(children: Vec<Child>, height: u32) -> Vec<Child> {
    grouped(children, |child| level(&child.first) > height, |children| Child::of(Inner::over(children, height)))
}

/// The one node over nodes of a height.
fn raised(mut children: Vec<Child>, mut height: u32) -> Node {
    while children.len() > 1 {
        height += 1;
        children = nodes(children, height);
    }
    children.pop().map_or_else(Node::default, |child| child.node)
}

impl Child {
    fn of(node: Node) -> Child {
        let first = match &node {
            Node::Leaf(entries) => entries.first().map(|(key, _)| key),
            Node::Inner(inner) => inner.children.first().map(|child| &child.first),
        };
        Child { first: first.cloned().unwrap_or_default(), node }
    }
}

impl Inner {
    fn over(children: Vec<Child>, height: u32) -> Node {
        let len = children.iter().map(|child| child.node.len()).sum();
        Node::Inner(Arc::new(Inner { len, height, children: children.into(), digest: OnceLock::new() }))
    }

    /// The node, to be changed; what others share is copied first, and the digest is that of before.
    fn changed(node: &mut Arc<Inner>) -> &mut Inner {
        let own = Arc::make_mut(node);
        own.digest.take();
        own
    }

    /// The child that holds a key, or would.
    fn child_of(&self, key: &str) -> Option<(usize, &Child)> {
        let at = self.position(key);
        self.children.get(at).map(|child| (at, child))
    }

    fn position(&self, key: &str) -> usize {
        let probe = Probe::of(key);
        self.children.partition_point(|child| probe.order_of(&child.first).is_le()).saturating_sub(1)
    }
}

impl Default for Node {
    fn default() -> Node {
        Node::Leaf(Shared::default())
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        match (self, other) {
            _ if self.ptr_eq(other) => true,
            (Node::Leaf(a), Node::Leaf(b)) => a == b,
            (Node::Inner(a), Node::Inner(b)) => {
                a.len == b.len
                    && a.children.len() == b.children.len()
                    && a.children.iter().zip(&b.children).all(|(a, b)| a.node == b.node)
            }
            // The shape depends on the keys alone.
            _ => false,
        }
    }
}

impl Eq for Node {}

impl Node {
    /// A node over entries with unique keys in order.
    pub(super) fn from_sorted(entries: Vec<Entry>) -> Node {
        if entries.len() <= FLAT { Node::Leaf(entries.into()) } else { raised(leaves(entries), 0) }
    }

    /// As [`Node::from_sorted`], without a list in between where one slice is enough.
    pub(super) fn ascending(entries: impl ExactSizeIterator<Item = Entry>) -> Node {
        if entries.len() <= FLAT { Node::Leaf(Shared::exactly(entries)) } else { Node::from_sorted(entries.collect()) }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(inner) => inner.len,
        }
    }

    pub(super) fn height(&self) -> u32 {
        match self {
            Node::Leaf(_) => 0,
            Node::Inner(inner) => inner.height,
        }
    }

    pub(super) fn ptr_eq(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Leaf(a), Node::Leaf(b)) => a.ptr_eq(b),
            (Node::Inner(a), Node::Inner(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The digest of what it holds. The shape depends on the keys alone, so equal maps have equal ones.
    pub(super) fn digest(&self) -> Digest {
        match self {
            Node::Leaf(entries) => entries.digest(|entries| {
                let mut hasher = Hasher::new(Part::Entries);
                for (key, value) in entries {
                    hasher.text(key);
                    hasher.value(value);
                }
                hasher.finish()
            }),
            Node::Inner(inner) => *inner.digest.get_or_init(|| {
                let mut hasher = Hasher::new(Part::Node);
                inner.children.iter().for_each(|child| hasher.digest(b'n', child.node.digest()));
                hasher.finish()
            }),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return position(entries, key).ok().and_then(|at| entries.get(at)).map(|(_, value)| value);
                }
                Node::Inner(inner) => node = &inner.child_of(key)?.1.node,
            }
        }
    }

    /// The value of a key, in storage that nobody shares.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = position(entries, key).ok()?;
                    return entries.make_mut().get_mut(at).map(|(_, value)| value);
                }
                Node::Inner(inner) => {
                    let at = inner.position(key);
                    node = &mut Inner::changed(inner).children.get_mut(at)?.node;
                }
            }
        }
    }

    pub(super) fn with(&self, key: Str, value: Value) -> Node {
        if self.get(&key).is_some() {
            return self.replaced(&key, value);
        }
        match self {
            Node::Leaf(entries) if entries.len() <= FLAT => {
                let mut entries = entries.to_vec();
                let at = position(&entries, &key).unwrap_or_else(|at| at);
                entries.insert(at, (key, value));
                Node::from_sorted(entries)
            }
            _ => raised(self.inserted(key, value), self.height()),
        }
    }

    /// Changes the value of a key, null where it is new, in place as far as that leaves the shape as it is.
    pub(super) fn alter(&mut self, key: &Str, alter: impl FnOnce(&mut Value)) {
        let keeps_shape = match self {
            Node::Leaf(entries) => entries.len() < FLAT,
            Node::Inner(inner) => {
                level(key) == 0 && inner.children.first().is_some_and(|first| compare_keys(&first.first, key).is_lt())
            }
        };
        if keeps_shape || self.get(key).is_some() {
            self.alter_plain(key, alter);
        } else {
            let mut value = Value::Null;
            alter(&mut value);
            *self = self.with(key.clone(), value);
        }
    }

    /// As [`Node::alter`], of a key that is there or starts no node. Returns whether it is new.
    fn alter_plain(&mut self, key: &Str, alter: impl FnOnce(&mut Value)) -> bool {
        match self {
            Node::Leaf(entries) => match position(entries, key) {
                Ok(at) => {
                    if let Some((_, value)) = entries.make_mut().get_mut(at) {
                        alter(value);
                    }
                    false
                }
                Err(at) => {
                    let mut value = Value::Null;
                    alter(&mut value);
                    let mut all = Vec::with_capacity(entries.len() + 1);
                    match entries.get_mut().and_then(|own| own.split_at_mut_checked(at)) {
                        Some((before, after)) => {
                            all.extend(before.iter_mut().map(std::mem::take));
                            all.push((key.clone(), value));
                            all.extend(after.iter_mut().map(std::mem::take));
                        }
                        None => {
                            all.extend(entries.iter().take(at).cloned());
                            all.push((key.clone(), value));
                            all.extend(entries.iter().skip(at).cloned());
                        }
                    }
                    *entries = all.into();
                    true
                }
            },
            Node::Inner(inner) => {
                let at = inner.position(key);
                let inner = Inner::changed(inner);
                let is_new = inner.children.get_mut(at).is_some_and(|child| child.node.alter_plain(key, alter));
                inner.len += usize::from(is_new);
                is_new
            }
        }
    }

    /// This node with another value for a key that it holds.
    fn replaced(&self, key: &str, value: Value) -> Node {
        match self {
            Node::Leaf(entries) => {
                let found = position(entries, key);
                let mut value = Some(value);
                let entries = entries.iter().enumerate().map(|(at, (key, old))| {
                    let new = if Ok(at) == found { value.take() } else { None };
                    (key.clone(), new.unwrap_or_else(|| old.clone()))
                });
                Node::Leaf(Shared::exactly(entries))
            }
            Node::Inner(inner) => {
                let Some((found, child)) = inner.child_of(key) else { return self.clone() };
                let mut new = Some(child.node.replaced(key, value));
                let children = inner.children.iter().enumerate().map(|(at, child)| {
                    let node = if at == found { new.take() } else { None };
                    Child { first: child.first.clone(), node: node.unwrap_or_else(|| child.node.clone()) }
                });
                let children = children.collect();
                Node::Inner(Arc::new(Inner { len: inner.len, height: inner.height, children, digest: OnceLock::new() }))
            }
        }
    }

    /// This node with a key that it does not hold, as nodes of the same height: the key, or the one that was the first of
    /// all, may start new ones.
    fn inserted(&self, key: Str, value: Value) -> Vec<Child> {
        match self {
            Node::Leaf(entries) => {
                let mut entries = entries.to_vec();
                let at = position(&entries, &key).unwrap_or_else(|at| at);
                entries.insert(at, (key, value));
                leaves(entries)
            }
            Node::Inner(inner) => {
                let Some((at, child)) = inner.child_of(&key) else { return Vec::new() };
                let mut children = inner.children.to_vec();
                children.splice(at..=at, child.node.inserted(key, value));
                nodes(children, inner.height)
            }
        }
    }

    /// This node without a key that it holds.
    pub(super) fn without(&self, key: &str) -> Node {
        if self.len() <= FLAT + 1 {
            let mut entries = Vec::with_capacity(self.len());
            self.collect(&mut entries);
            entries.retain(|(other, _)| other != key);
            return Node::from_sorted(entries);
        }
        let mut node = self.removed(key);
        loop {
            node = match &node {
                Node::Inner(inner) => match inner.children.as_ref() {
                    [only] => only.node.clone(),
                    _ => return node,
                },
                Node::Leaf(_) => return node,
            };
        }
    }

    /// As [`Node::without`], at the same height, and empty where nothing is left.
    fn removed(&self, key: &str) -> Node {
        match self {
            Node::Leaf(entries) => Node::Leaf(entries.iter().filter(|(other, _)| other != key).cloned().collect()),
            Node::Inner(inner) => {
                let Some((at, child)) = inner.child_of(key) else { return self.clone() };
                // A key that starts a node no longer keeps it apart from the one before.
                let before = at.checked_sub(1).and_then(|at| inner.children.get(at)).filter(|_| child.first == *key);
                let (from, node) = match before {
                    Some(before) => (at - 1, before.node.joined(&child.node)),
                    None => (at, child.node.removed(key)),
                };
                let mut children = inner.children.to_vec();
                children.splice(from..=at, (node.len() > 0).then(|| Child::of(node)));
                Inner::over(children, inner.height)
            }
        }
    }

    /// This node and the one after it, of the same height, as one without the key between them.
    fn joined(&self, after: &Node) -> Node {
        match (self, after) {
            (Node::Leaf(a), Node::Leaf(b)) => Node::Leaf(a.iter().chain(b.iter().skip(1)).cloned().collect()),
            (Node::Inner(a), Node::Inner(b)) => {
                let mut children = a.children.to_vec();
                let mut rest = b.children.iter();
                if let (Some(last), Some(first)) = (children.last_mut(), rest.next()) {
                    last.node = last.node.joined(&first.node);
                }
                children.extend(rest.cloned());
                Inner::over(children, a.height)
            }
            // Nodes side by side have one height.
            _ => self.clone(),
        }
    }

    fn collect(&self, entries: &mut Vec<Entry>) {
        match self {
            Node::Leaf(own) => entries.extend_from_slice(own),
            Node::Inner(inner) => inner.children.iter().for_each(|child| child.node.collect(entries)),
        }
    }

    /// The first key of every leaf with the heights of the nodes that it starts, for tests.
    #[cfg(test)]
    pub(super) fn shape(&self) -> Vec<(u32, Str, usize)> {
        let mut all = Vec::new();
        if let Node::Inner(inner) = self {
            for child in &inner.children {
                all.push((inner.height, child.first.clone(), child.node.len()));
                all.extend(child.node.shape());
            }
        }
        all
    }
}
