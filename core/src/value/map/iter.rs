//! Walks over maps: one from both ends, and two side by side past what they share.

use std::cmp::Ordering;
use std::slice;

use super::Map;
use super::tree::{Child, Entry, Node};
use crate::value::{Str, Value, compare_keys};

/// Keys and values in order, from both ends.
pub(super) enum Iter<'a> {
    /// A map that is one slice needs no more.
    Flat(slice::Iter<'a, Entry>),
    Tree(Box<Ends<'a>>),
}

/// The two ends of a walk through a tree.
pub(super) struct Ends<'a> {
    root: &'a Node,
    remaining: usize,
    front: Walk<'a>,
    /// Set out when somebody asks for the end.
    back: Option<Walk<'a>>,
}

/// A way through the leaves: what is left of one, and of the nodes above it.
#[derive(Default)]
pub(crate) struct Walk<'a> {
    entries: slice::Iter<'a, Entry>,
    above: Vec<slice::Iter<'a, Child>>,
}

impl<'a> Walk<'a> {
    fn from(root: &'a Node, step: fn(&mut slice::Iter<'a, Child>) -> Option<&'a Child>) -> Walk<'a> {
        let mut walk = Walk::default();
        walk.descend(root, step);
        walk
    }

    #[inline]
    fn descend(&mut self, mut node: &'a Node, step: fn(&mut slice::Iter<'a, Child>) -> Option<&'a Child>) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.entries = entries.iter();
                    return;
                }
                Node::Inner(inner) => {
                    let mut children = inner.children.iter();
                    let Some(child) = step(&mut children) else { return };
                    self.above.push(children);
                    node = &child.node;
                }
            }
        }
    }

    /// Starts at the first entry of a map.
    #[inline]
    pub(crate) fn enter(&mut self, map: &'a Map) {
        self.descend(&map.0, slice::Iter::next);
    }

    /// The next entry on the way forward.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&'a Entry> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            if !self.turn(slice::Iter::next) {
                return None;
            }
        }
    }

    /// Goes to the next leaf; false after the last.
    fn turn(&mut self, step: fn(&mut slice::Iter<'a, Child>) -> Option<&'a Child>) -> bool {
        while let Some(children) = self.above.last_mut() {
            if let Some(child) = step(children) {
                self.descend(&child.node, step);
                return true;
            }
            self.above.pop();
        }
        false
    }
}

impl<'a> Iter<'a> {
    pub(super) fn new(root: &'a Node) -> Iter<'a> {
        match root {
            Node::Leaf(entries) => Iter::Flat(entries.iter()),
            Node::Inner(_) => {
                let front = Walk::from(root, slice::Iter::next);
                Iter::Tree(Box::new(Ends { root, remaining: root.len(), front, back: None }))
            }
        }
    }
}

impl<'a> Ends<'a> {
    fn next(&mut self) -> Option<&'a Entry> {
        self.remaining = self.remaining.checked_sub(1)?;
        self.front.next()
    }

    fn next_back(&mut self) -> Option<&'a Entry> {
        self.remaining = self.remaining.checked_sub(1)?;
        let back = self.back.get_or_insert_with(|| Walk::from(self.root, slice::Iter::next_back));
        loop {
            if let Some(entry) = back.entries.next_back() {
                return Some(entry);
            }
            if !back.turn(slice::Iter::next_back) {
                return None;
            }
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self {
            Iter::Flat(entries) => entries.next(),
            Iter::Tree(ends) => ends.next(),
        };
        entry.map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Iter::Flat(entries) => entries.size_hint(),
            Iter::Tree(ends) => (ends.remaining, Some(ends.remaining)),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = match self {
            Iter::Flat(entries) => entries.next_back(),
            Iter::Tree(ends) => ends.next_back(),
        };
        entry.map(|(key, value)| (key, value))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The keys that two maps do not share the value of, in order; subtrees that both share are skipped.
pub(super) struct Differences<'a> {
    old: Cursor<'a>,
    new: Cursor<'a>,
}

/// What is left of a map: whole nodes as long as nobody looked into them.
struct Cursor<'a> {
    /// What is left of a leaf.
    entries: slice::Iter<'a, Entry>,
    /// The whole map, at the start.
    root: Option<&'a Node>,
    /// What is left of the nodes above.
    above: Vec<slice::Iter<'a, Child>>,
}

#[derive(Clone, Copy)]
enum Item<'a> {
    Node(&'a Node),
    Entry(&'a Entry),
}

impl<'a> Cursor<'a> {
    fn new(root: &'a Node) -> Cursor<'a> {
        Cursor { entries: slice::Iter::default(), root: Some(root), above: Vec::new() }
    }

    fn peek(&mut self) -> Option<Item<'a>> {
        if let Some(entry) = self.entries.as_slice().first() {
            return Some(Item::Entry(entry));
        }
        if let Some(root) = self.root {
            return Some(Item::Node(root));
        }
        while let Some(nodes) = self.above.last() {
            if let Some(child) = nodes.as_slice().first() {
                return Some(Item::Node(&child.node));
            }
            self.above.pop();
        }
        None
    }

    /// Goes past the node that was seen last.
    fn skip(&mut self) {
        if self.root.take().is_none()
            && let Some(nodes) = self.above.last_mut()
        {
            nodes.next();
        }
    }

    fn open(&mut self, node: &'a Node) {
        self.skip();
        match node {
            Node::Leaf(entries) => self.entries = entries.iter(),
            Node::Inner(inner) => self.above.push(inner.children.iter()),
        }
    }
}

impl<'a> Differences<'a> {
    pub(super) fn new(old: &'a Node, new: &'a Node) -> Differences<'a> {
        Differences { old: Cursor::new(old), new: Cursor::new(new) }
    }
}

impl<'a> Iterator for Differences<'a> {
    type Item = (&'a Str, Option<&'a Value>, Option<&'a Value>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match (self.old.peek(), self.new.peek()) {
                (None, None) => return None,
                (Some(Item::Node(old)), Some(Item::Node(new))) => {
                    if old.ptr_eq(new) {
                        self.old.skip();
                        self.new.skip();
                        continue;
                    }
                    // The taller one first: so two that are shared meet as whole nodes.
                    let order = old.height().cmp(&new.height());
                    if order.is_ge() {
                        self.old.open(old);
                    }
                    if order.is_le() {
                        self.new.open(new);
                    }
                }
                (Some(Item::Node(old)), _) => self.old.open(old),
                (_, Some(Item::Node(new))) => self.new.open(new),
                (Some(Item::Entry((key, old))), Some(Item::Entry((other, new)))) => {
                    let order = if key == other { Ordering::Equal } else { compare_keys(key, other) };
                    if order.is_le() {
                        self.old.entries.next();
                    }
                    if order.is_ge() {
                        self.new.entries.next();
                    }
                    match order {
                        Ordering::Less => return Some((key, Some(old), None)),
                        Ordering::Greater => return Some((other, None, Some(new))),
                        Ordering::Equal if !old.ptr_eq(new) => return Some((key, Some(old), Some(new))),
                        Ordering::Equal => {}
                    }
                }
                (Some(Item::Entry((key, old))), None) => {
                    self.old.entries.next();
                    return Some((key, Some(old), None));
                }
                (None, Some(Item::Entry((key, new)))) => {
                    self.new.entries.next();
                    return Some((key, None, Some(new)));
                }
            }
        }
    }
}
