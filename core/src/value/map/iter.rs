//! Walks over maps: one from both ends, and two side by side past what they share.

use std::cmp::Ordering;
use std::slice;

use super::tree::{Child, Entry, Node};
use crate::value::{Str, Value, compare_keys};

/// Keys and values in order, from both ends.
pub(super) struct Iter<'a> {
    root: &'a Node,
    remaining: usize,
    front: Walk<'a>,
    /// Set out when somebody asks for the end.
    back: Option<Walk<'a>>,
}

/// A way through the leaves: what is left of one, and of the nodes above it.
#[derive(Default)]
struct Walk<'a> {
    entries: slice::Iter<'a, Entry>,
    above: Vec<slice::Iter<'a, Child>>,
}

impl<'a> Walk<'a> {
    fn from(root: &'a Node, step: fn(&mut slice::Iter<'a, Child>) -> Option<&'a Child>) -> Walk<'a> {
        let mut walk = Walk::default();
        walk.descend(root, step);
        walk
    }

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
        Iter { root, remaining: root.len(), front: Walk::from(root, slice::Iter::next), back: None }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        loop {
            if let Some((key, value)) = self.front.entries.next() {
                return Some((key, value));
            }
            if !self.front.turn(slice::Iter::next) {
                return None;
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let root = self.root;
        let back = self.back.get_or_insert_with(|| Walk::from(root, slice::Iter::next_back));
        loop {
            if let Some((key, value)) = back.entries.next_back() {
                return Some((key, value));
            }
            if !back.turn(slice::Iter::next_back) {
                return None;
            }
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The keys that two maps do not share the value of, in order; subtrees that both share are skipped.
pub(super) struct Differences<'a> {
    old: Cursor<'a>,
    new: Cursor<'a>,
}

/// What is left of a map: whole nodes as long as nobody looked into them.
struct Cursor<'a>(Vec<Rest<'a>>);

enum Rest<'a> {
    Root(&'a Node),
    Nodes(slice::Iter<'a, Child>),
    Entries(slice::Iter<'a, Entry>),
}

#[derive(Clone, Copy)]
enum Item<'a> {
    Node(&'a Node),
    Entry(&'a Entry),
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Option<Item<'a>> {
        loop {
            let item = match self.0.last()? {
                Rest::Root(node) => Some(Item::Node(node)),
                Rest::Nodes(nodes) => nodes.as_slice().first().map(|child| Item::Node(&child.node)),
                Rest::Entries(entries) => entries.as_slice().first().map(Item::Entry),
            };
            if item.is_some() {
                return item;
            }
            self.0.pop();
        }
    }

    fn skip(&mut self) {
        match self.0.last_mut() {
            Some(Rest::Nodes(nodes)) => drop(nodes.next()),
            Some(Rest::Entries(entries)) => drop(entries.next()),
            Some(Rest::Root(_)) | None => drop(self.0.pop()),
        }
    }

    fn open(&mut self, node: &'a Node) {
        self.skip();
        self.0.push(match node {
            Node::Leaf(entries) => Rest::Entries(entries.iter()),
            Node::Inner(inner) => Rest::Nodes(inner.children.iter()),
        });
    }
}

impl<'a> Differences<'a> {
    pub(super) fn new(old: &'a Node, new: &'a Node) -> Differences<'a> {
        Differences { old: Cursor(vec![Rest::Root(old)]), new: Cursor(vec![Rest::Root(new)]) }
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
                        self.old.skip();
                    }
                    if order.is_ge() {
                        self.new.skip();
                    }
                    match order {
                        Ordering::Less => return Some((key, Some(old), None)),
                        Ordering::Greater => return Some((other, None, Some(new))),
                        Ordering::Equal if !old.ptr_eq(new) => return Some((key, Some(old), Some(new))),
                        Ordering::Equal => {}
                    }
                }
                (Some(Item::Entry((key, old))), None) => {
                    self.old.skip();
                    return Some((key, Some(old), None));
                }
                (None, Some(Item::Entry((key, new)))) => {
                    self.new.skip();
                    return Some((key, None, Some(new)));
                }
            }
        }
    }
}
