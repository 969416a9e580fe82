//! Edits in place: a list of replaced byte ranges, and the loop that settles for larger ones where small ones fail.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::Result;
use crate::path::Path;
use crate::value::Value;

/// Replacements of byte ranges, applied at once.
#[derive(Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    /// Removes the lines from the one that holds `start` to the one that holds `end`, with the line break before them, so
    /// that what is inserted at the end of the last one joins the line above; the first line goes with the break after it.
    pub fn remove_lines(&mut self, text: &str, start: usize, end: usize) {
        let start = line_start(text, start);
        let before = text.get(..start).unwrap_or("");
        match before.strip_suffix('\n') {
            Some(above) => self.remove(above.strip_suffix('\r').unwrap_or(above).len()..line_end(text, end)),
            None => self.remove(start..next_line(text, end)),
        }
    }

    /// The text with every edit made; none if two of them collide. Removals may overlap.
    pub fn apply(mut self, text: &str) -> Option<String> {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(text.len() + 64);
        let mut at = 0;
        let mut removing = false;
        for (range, new) in &self.0 {
            let removal = new.is_empty();
            if range.start < at && !(removal && removing) {
                return None;
            }
            if range.end < at {
                continue;
            }
            out.push_str(text.get(at..range.start.max(at))?);
            out.push_str(new);
            at = range.end;
            removing = removal;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// Where the line of `at` starts.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |found| found + 1)
}

/// Where the line of `at` ends, before its line break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or("");
    match rest.split_once('\n') {
        None => text.len(),
        Some((line, _)) => at + line.strip_suffix('\r').unwrap_or(line).len(),
    }
}

/// Where the line after that of `at` starts.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |found| at + found + 1)
}

/// What stands before `at` on its line, if that is only blank.
pub(super) fn own_line_indent(text: &str, at: usize) -> Option<&str> {
    text.get(line_start(text, at)..at).filter(|before| before.bytes().all(|b| b == b' ' || b == b'\t'))
}

/// Skips blanks, line breaks and `#` comments.
#[cfg(any(feature = "yaml", feature = "toml"))]
pub(super) fn skip_hash_comments(text: &str, at: usize) -> usize {
    let mut rest = text.get(at..).unwrap_or("");
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if !rest.starts_with('#') {
            return text.len() - rest.len();
        }
        rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or("");
    }
}

/// Paths whose nodes are printed anew as a whole, because smaller edits did not give the target.
pub(super) type Forced = BTreeSet<Path>;

/// How often larger and larger edits are tried before the whole document is printed anew.
const MAX_ATTEMPTS: usize = 48;

/// Tries edits until the result parses to the target; none if only a new print of the whole document would.
///
/// `broken` are paths to print anew first when a result cannot be parsed at all.
pub(super) fn settle(
    old: &Value,
    target: &Value,
    broken: &[Path],
    parse: impl Fn(&str) -> Result<Value>,
    attempt: impl Fn(&Forced) -> Option<String>,
) -> Option<String> {
    let mut forced = Forced::new();
    for _ in 0..MAX_ATTEMPTS {
        let wrong = match attempt(&forced).map(|text| (parse(&text), text)) {
            Some((Ok(value), text)) if value == *target => return Some(text),
            Some((Ok(value), _)) => differences(&value, target),
            _ if broken.iter().any(|path| !forced.contains(path)) => {
                forced.extend(broken.iter().cloned());
                continue;
            }
            _ => vec![differences(old, target).into_iter().reduce(|a, b| common(&a, &b))?],
        };
        for path in wrong {
            let mut path = path;
            while forced.contains(&path) {
                path = path.parent()?;
            }
            if path.is_root() {
                return None;
            }
            forced.insert(path);
        }
    }
    None
}

/// The deepest paths at which two values differ.
fn differences(a: &Value, b: &Value) -> Vec<Path> {
    fn walk(path: &Path, a: &Value, b: &Value, out: &mut Vec<Path>) {
        if a == b {
            return;
        }
        match (a, b) {
            (Value::Map(x), Value::Map(y)) => {
                for (key, left) in x.iter() {
                    match y.get(key) {
                        Some(right) => walk(&path.child(key), left, right, out),
                        None => out.push(path.child(key)),
                    }
                }
                out.extend(y.keys().filter(|key| !x.contains_key(key)).map(|key| path.child(key)));
            }
            (Value::List(x), Value::List(y)) if x.len() == y.len() => {
                for (at, (left, right)) in x.iter().zip(y).enumerate() {
                    walk(&path.child(&at.to_string()), left, right, out);
                }
            }
            _ => out.push(path.clone()),
        }
    }
    let mut out = Vec::new();
    walk(&Path::root(), a, b, &mut out);
    out
}

fn common(a: &Path, b: &Path) -> Path {
    a.segments().iter().zip(b.segments()).take_while(|(x, y)| x == y).map(|(x, _)| x.clone()).collect()
}

/// How a list changes: the items before `from` and the last `same_end` ones stay; between them items are changed in
/// pairs, then old ones are removed or new ones inserted.
pub(super) struct ListPlan {
    /// Old and new index of the items that are changed in place.
    pub changed: Range<usize>,
    /// Old items to remove.
    pub removed: Range<usize>,
    /// New items to insert before the old item `removed.start`.
    pub inserted: Range<usize>,
}

impl ListPlan {
    pub fn new(old: &[&Value], new: &[Value]) -> ListPlan {
        let same = |pairs: &mut dyn Iterator<Item = (&&Value, &Value)>| pairs.take_while(|(a, b)| **a == *b).count();
        let from = same(&mut old.iter().zip(new));
        let rest = old.len().min(new.len()) - from;
        let same_end = same(&mut old.iter().rev().zip(new.iter().rev())).min(rest);
        let paired = from + rest - same_end;
        ListPlan {
            changed: from..paired,
            removed: paired..old.len() - same_end,
            inserted: paired..new.len() - same_end,
        }
    }
}
