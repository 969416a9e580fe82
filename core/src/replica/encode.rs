//! Turning a user's edits into assertions, at the place where they are made; receivers never repeat these rules.

use std::sync::Arc;

use super::{Assertion, Effect, Replica};
use crate::clock::Dot;
use crate::conflict::Tag;
use crate::error::{Code, Error, Result};
use crate::limits::{MAX_DEPTH, RESERVED_KEY};
use crate::path::Path;
use crate::value::{Value, index};

/// One wish of a user: the path shall hold this value, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub path: Path,
    /// What; `None` removes the path.
    pub value: Option<Value>,
}

impl Replica {
    /// Writes edits as one new write of this replica, which sees everything here; `view` is the current document.
    ///
    /// An edit below a scalar or inside a list is lifted to that scalar or list: a list is written whole, so concurrent
    /// edits of its items never address each other's indexes. Edits that change nothing are left out, and when nothing is
    /// left, no write is made and `None` is returned.
    ///
    /// # Errors
    /// [`Code::ReservedKey`] for a key of confmesh itself, [`Code::NotAMap`] for a root that is no map, [`Code::NotFound`]
    /// for an index that is no index of the list in the way, [`Code::TooLarge`] for a document that would nest too deep.
    /// Nothing is written then.
    pub fn write(&mut self, view: &Value, edits: &[Edit], wall_ms: u64) -> Result<Option<Effect>> {
        let mut document = view.clone();
        let mut touched: Vec<Path> = Vec::new();
        for edit in edits {
            check(edit)?;
            let place = lift(&document, &edit.path)?;
            let next = match &edit.value {
                Some(value) => document.with(&edit.path, value.clone()),
                None => document.without(&edit.path),
            };
            if next != document {
                document = next;
                touched.push(place);
            }
        }
        touched.sort();
        touched.dedup_by(|below, above| below.starts_with(above));
        touched.retain(|path| view.at(path) != document.at(path));
        if touched.is_empty() {
            return Ok(None);
        }
        let dot = Dot { replica: self.id, seq: self.seen.seq(self.id) + 1 };
        let context = Arc::new(self.seen.clone());
        let stamp = self.clock.tick(wall_ms);
        let mut paths = touched.clone();
        paths.extend(self.emptied_maps(&document, &touched));
        paths.sort();
        paths.dedup_by(|below, above| below.starts_with(above));
        let assertions: Vec<Arc<Assertion>> = paths
            .into_iter()
            .map(|path| {
                let value = document.at(&path).cloned();
                let context = Arc::clone(&context);
                Arc::new(Assertion { dot, context, stamp, tag: Tag::LastWriteWins, path, value })
            })
            .collect();
        self.seen.add(dot);
        let mut effect = Effect::default();
        for assertion in assertions {
            self.insert(assertion, &mut effect);
        }
        Ok(Some(effect))
    }

    /// Maps that would vanish with their last child although the user only removed the child: they exist because
    /// something was written below them, so the write has to say that the empty map stays.
    fn emptied_maps(&self, document: &Value, touched: &[Path]) -> Vec<Path> {
        touched
            .iter()
            .filter(|path| document.at(path).is_none())
            .filter_map(Path::parent)
            .filter(|parent| document.at(parent) == Some(&Value::empty_map()) && !self.asserts_map(parent))
            .collect()
    }

    /// Whether a live assertion at or above `path` says that a map is there.
    fn asserts_map(&self, path: &Path) -> bool {
        let mut above = Some(path.clone());
        while let Some(at) = above {
            let says_map = |assertion: &Arc<Assertion>| {
                let rest: Path = path.segments().iter().skip(at.len()).cloned().collect();
                assertion.value.as_ref().and_then(|v| v.at(&rest)).is_some_and(|v| v.as_map().is_some())
            };
            if self.live.get(&at).is_some_and(|here| here.iter().any(says_map)) {
                return true;
            }
            above = at.parent();
        }
        false
    }
}

fn check(edit: &Edit) -> Result<()> {
    if edit.path.is_root() && edit.value.as_ref().is_none_or(|v| v.as_map().is_none()) {
        let found = edit.value.as_ref().map_or("nothing", Value::type_name);
        return Err(Error::new(Code::NotAMap, format!("a document is a map, found {found}")));
    }
    let reserved = edit.path.segments().first().is_some_and(|first| first == RESERVED_KEY)
        || (edit.path.is_root()
            && edit.value.as_ref().and_then(Value::as_map).is_some_and(|map| map.contains_key(RESERVED_KEY)));
    if reserved {
        return Err(Error::new(Code::ReservedKey, format!("`{RESERVED_KEY}` is reserved for confmesh itself"))
            .with_path(edit.path.clone())
            .with_hint("choose another name for the key"));
    }
    let depth = edit.path.len() + edit.value.as_ref().map_or(0, Value::depth);
    if depth > MAX_DEPTH {
        return Err(Error::new(
            Code::TooLarge,
            format!("the document would nest {depth} levels deep, at most {MAX_DEPTH} are allowed"),
        )
        .with_path(edit.path.clone()));
    }
    Ok(())
}

/// The place that an edit is written at: the first list or scalar in its way, else its own path.
fn lift(document: &Value, path: &Path) -> Result<Path> {
    let mut here = document;
    for (depth, segment) in path.segments().iter().enumerate() {
        let above = || path.segments().iter().take(depth).cloned().collect::<Path>();
        match here {
            Value::Map(map) => match map.get(segment) {
                Some(child) => here = child,
                None => return Ok(path.clone()),
            },
            Value::List(list) => {
                return match index(segment) {
                    Some(at) if at <= list.len() => Ok(above()),
                    _ => Err(Error::new(
                        Code::NotFound,
                        format!("`{segment}` is no index of the list at `{}`, which has {} items", above(), list.len()),
                    )
                    .with_path(path.clone())),
                };
            }
            _ => return Ok(above()),
        }
    }
    Ok(path.clone())
}
