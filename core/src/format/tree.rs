//! A document with the place of every key and value in its text: what `locate` and the in-place edits walk.

use std::ops::Range;

use super::{error_at, location};
use crate::error::{Code, Error};
use crate::value::{List, Map, Str, Value, compare_keys, index};

/// A value and the bytes that it takes.
pub(super) struct Node {
    pub span: Range<usize>,
    pub value: Value,
    pub body: Body,
    /// The number of its YAML anchor; 0 if it has none.
    pub anchor: usize,
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
        Node { span, value, body: Body::Leaf, anchor: 0 }
    }

    pub fn list(items: Vec<Node>, span: Range<usize>) -> Node {
        let value = Value::List(items.iter().map(|item| item.value.clone()).collect::<List>());
        Node { span, value, body: Body::List(items), anchor: 0 }
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
        let map: Map = sorted.iter().map(|entry| (entry.key.clone(), entry.node.value.clone())).collect();
        Ok(Node { span, value: Value::Map(map), body: Body::Map(entries), anchor: 0 })
    }
}

impl Node {
    /// The byte offset of the key (or the list item) at the path; 0 for the root.
    pub fn locate(&self, segments: &[Str]) -> Option<usize> {
        let mut node = self;
        let mut at = 0;
        for segment in segments {
            (at, node) = node.resolved(self).child(segment)?;
        }
        Some(at)
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

    fn child(&self, segment: &str) -> Option<(usize, &Node)> {
        match &self.body {
            Body::List(items) => items.get(index(segment)?).map(|item| (item.span.start, item)),
            Body::Map(entries) => {
                let entry = entries.iter().find(|entry| entry.key == segment)?;
                Some((entry.key_span.start, &entry.node))
            }
            Body::Leaf | Body::Alias(_) => None,
        }
    }
}
