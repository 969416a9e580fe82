//! A document with the place of every key and value in its text: what `locate` and the in-place edits walk.

use std::ops::Range;

use super::{error_at, location};
use crate::error::{Code, Error};
#[cfg(feature = "yaml")]
use crate::path::Path;
use crate::value::{List, Map, Str, Value, compare_keys, index};

/// A value and the bytes that it takes.
pub(super) struct Node {
    pub span: Range<usize>,
    pub value: Value,
    pub body: Body,
    /// The number of its YAML anchor; 0 if it has none.
    pub anchor: usize,
    /// Whether it has a YAML tag without a meaning here: it is known, kept and replaced as a whole.
    #[cfg_attr(not(feature = "yaml"), allow(dead_code, reason = "only YAML has tags"))]
    pub is_opaque: bool,
}

/// What a node is made of.
pub(super) enum Body {
    Leaf,
    /// A YAML alias of the anchor with that number.
    #[cfg_attr(not(feature = "yaml"), allow(dead_code, reason = "only YAML has aliases"))]
    Alias(usize),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A map's entry, in the order of the text.
pub(super) struct Entry {
    pub key: Str,
    pub key_span: Range<usize>,
    pub node: Node,
    /// Whether it is a YAML merge key: what it holds lies below the other entries.
    pub is_merge: bool,
}

/// A key that stands twice in one map; the places of both where they are known.
pub(super) struct Duplicate {
    pub key: Str,
    pub first: usize,
    pub second: usize,
}

impl Duplicate {
    pub fn error(&self, text: &str) -> Error {
        let lines = (location(text, self.first).line, location(text, self.second).line);
        error_at(
            text,
            self.second,
            Code::DuplicateKey,
            format!("key `{}` stands twice in one map, in line {} and in line {}", self.key, lines.0, lines.1),
        )
        .with_hint("keep one of the two")
    }
}

impl Node {
    pub fn leaf(value: Value, span: Range<usize>) -> Node {
        Node { span, value, body: Body::Leaf, anchor: 0, is_opaque: false }
    }

    pub fn list(items: Vec<Node>, span: Range<usize>) -> Node {
        let value = Value::List(items.iter().map(|item| item.value.clone()).collect::<List>());
        Node { span, value, body: Body::List(items), anchor: 0, is_opaque: false }
    }

    pub fn map(entries: Vec<Entry>, span: Range<usize>) -> Result<Node, Duplicate> {
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        sorted.sort_by(|a, b| compare_keys(&a.key, &b.key));
        let duplicate = sorted.windows(2).filter_map(|pair| match pair {
            [a, b] if a.key == b.key => {
                Some(Duplicate { key: b.key.clone(), first: a.key_span.start, second: b.key_span.start })
            }
            _ => None,
        });
        if let Some(first) = duplicate.min_by_key(|found| found.second) {
            return Err(first);
        }
        let own = sorted.iter().filter(|entry| !entry.is_merge);
        #[cfg_attr(not(feature = "yaml"), allow(unused_mut, reason = "only YAML has merge keys"))]
        let mut map: Map = own.map(|entry| (entry.key.clone(), entry.node.value.clone())).collect();
        #[cfg(feature = "yaml")]
        for entry in entries.iter().filter(|entry| entry.is_merge) {
            for (key, value) in merged(&entry.node.value) {
                if !map.contains_key(key) {
                    map = map.with(key.clone(), value.clone());
                }
            }
        }
        Ok(Node { span, value: Value::Map(map), body: Body::Map(entries), anchor: 0, is_opaque: false })
    }
}

/// The entries that a merge key brings, what wins first.
#[cfg(feature = "yaml")]
pub(super) fn merged(value: &Value) -> impl Iterator<Item = (&Str, &Value)> {
    let one = value.as_map();
    let many = value.as_list().into_iter().flat_map(|list| list.iter().filter_map(Value::as_map));
    one.into_iter().chain(many).flat_map(|map| map.iter())
}

impl Node {
    /// The byte offset of the key (or the list item) at the path; 0 for the root.
    pub fn locate(&self, segments: &[Str]) -> Option<usize> {
        let mut node = self;
        let mut at = 0;
        let mut is_inside = false;
        for segment in segments {
            let holder = node.resolved(self);
            if holder.is_opaque && !is_inside {
                // The tag and its content stand at one place.
                is_inside = true;
                continue;
            }
            is_inside = false;
            (at, node) = holder.child(segment, self)?;
        }
        Some(at)
    }

    /// The path of the scalar that starts at a byte; none where none does.
    #[cfg(feature = "yaml")]
    pub fn path_at(&self, at: usize) -> Option<Path> {
        fn walk(node: &Node, at: usize, path: &Path) -> Option<Path> {
            match &node.body {
                Body::Leaf => (node.span.start == at).then(|| path.clone()),
                Body::Alias(_) => None,
                Body::List(items) => {
                    let around = items.partition_point(|item| item.span.start <= at).checked_sub(1)?;
                    walk(items.get(around)?, at, &path.child(&around.to_string()))
                }
                Body::Map(entries) => {
                    let around = entries.partition_point(|entry| entry.node.span.start <= at).checked_sub(1)?;
                    let entry = entries.get(around)?;
                    walk(&entry.node, at, &path.child(&entry.key))
                }
            }
        }
        walk(self, at, &Path::root())
    }

    /// The node that an alias stands for; any other node is itself.
    fn resolved<'n>(&'n self, root: &'n Node) -> &'n Node {
        match self.body {
            Body::Alias(anchor) => root.anchored(anchor).unwrap_or(self),
            _ => self,
        }
    }

    fn anchored(&self, anchor: usize) -> Option<&Node> {
        if self.anchor == anchor {
            return Some(self);
        }
        match &self.body {
            Body::List(items) => items.iter().find_map(|item| item.anchored(anchor)),
            Body::Map(entries) => entries.iter().find_map(|entry| entry.node.anchored(anchor)),
            Body::Leaf | Body::Alias(_) => None,
        }
    }

    #[cfg_attr(not(feature = "yaml"), allow(unused_variables, reason = "only a merge key leads to an anchor"))]
    fn child<'n>(&'n self, segment: &str, root: &'n Node) -> Option<(usize, &'n Node)> {
        match &self.body {
            Body::List(items) => items.get(index(segment)?).map(|item| (item.span.start, item)),
            Body::Map(entries) => {
                let own = entries.iter().find(|entry| entry.key == segment && !entry.is_merge);
                if let Some(entry) = own {
                    return Some((entry.key_span.start, &entry.node));
                }
                #[cfg(not(feature = "yaml"))]
                return None;
                // What a merge key brings stands where it was written.
                #[cfg(feature = "yaml")]
                entries.iter().filter(|entry| entry.is_merge).find_map(|entry| {
                    let source = entry.node.resolved(root);
                    match &source.body {
                        Body::List(items) => items.iter().find_map(|item| item.resolved(root).child(segment, root)),
                        _ => source.child(segment, root),
                    }
                })
            }
            Body::Leaf | Body::Alias(_) => None,
        }
    }
}
