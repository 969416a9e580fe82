//! A document whose nodes know where they stood at first.

use std::collections::BTreeMap;

use confmesh::{Path, Value};

/// A node and where it stood in the first document; none if it is new.
#[derive(Clone, Debug)]
pub struct Document {
    pub origin: Option<Path>,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    Scalar(Value),
    List(Vec<Document>),
    Map(Vec<(String, Document)>),
}

impl Document {
    pub fn new(value: &Value) -> Document {
        Document::at(value, Some(&Path::root()))
    }

    pub fn fresh(value: &Value) -> Document {
        Document::at(value, None)
    }

    fn at(value: &Value, path: Option<&Path>) -> Document {
        let below = |segment: &str| path.map(|path| path.child(segment));
        let body = match value {
            Value::List(list) => Body::List(
                list.iter().enumerate().map(|(at, item)| Document::at(item, below(&at.to_string()).as_ref())).collect(),
            ),
            Value::Map(map) => Body::Map(
                map.iter().map(|(key, child)| (key.to_string(), Document::at(child, below(key).as_ref()))).collect(),
            ),
            scalar => Body::Scalar(scalar.clone()),
        };
        Document { origin: path.cloned(), body }
    }

    pub fn value(&self) -> Value {
        match &self.body {
            Body::Scalar(value) => value.clone(),
            Body::List(items) => Value::from(items.iter().map(Document::value).collect::<Vec<_>>()),
            Body::Map(entries) => entries.iter().map(|(key, child)| (key.as_str(), child.value())).collect(),
        }
    }

    /// Where everything that was there stands now.
    pub fn targets(&self) -> BTreeMap<Path, Path> {
        fn walk(node: &Document, path: &Path, out: &mut BTreeMap<Path, Path>) {
            if let Some(origin) = &node.origin {
                out.insert(origin.clone(), path.clone());
            }
            match &node.body {
                Body::Scalar(_) => {}
                Body::List(items) => {
                    items.iter().enumerate().for_each(|(at, item)| walk(item, &path.child(&at.to_string()), out));
                }
                Body::Map(entries) => entries.iter().for_each(|(key, child)| walk(child, &path.child(key), out)),
            }
        }
        let mut out = BTreeMap::new();
        walk(self, &Path::root(), &mut out);
        out
    }

    /// How many nodes there are, this one included.
    pub fn count(&self) -> usize {
        1 + match &self.body {
            Body::Scalar(_) => 0,
            Body::List(items) => items.iter().map(Document::count).sum(),
            Body::Map(entries) => entries.iter().map(|(_, child)| child.count()).sum(),
        }
    }

    /// The node with that number, in the order of the document; 0 is this one.
    pub fn nth(&mut self, mut at: usize) -> &mut Document {
        if at == 0 {
            return self;
        }
        at -= 1;
        let children: Vec<&mut Document> = match &mut self.body {
            Body::Scalar(_) => Vec::new(),
            Body::List(items) => items.iter_mut().collect(),
            Body::Map(entries) => entries.iter_mut().map(|(_, child)| child).collect(),
        };
        for child in children {
            let count = child.count();
            if at < count {
                return child.nth(at);
            }
            at -= count;
        }
        unreachable!("the number is below the count");
    }
}
