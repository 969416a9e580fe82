//! Edits in place: a list of replaced byte ranges, and the loop that settles for larger ones where small ones fail.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::Result;
use crate::path::Path;
use crate::value::Value;

/// Replacements of byte ranges, applied at once.
#[derive(Default)]
pub(super) struct Edits {
    replaced: Vec<(Range<usize>, String)>,
    /// The lines of entries that go, comments included.
    units: Vec<Range<usize>>,
}

impl Edits {
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.replaced.push((range, text.into()));
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

    /// Removes the lines of an entry whose comments start at `start`; of blank lines on both sides those behind it go as
    /// well, and those between entries that both go.
    pub fn remove_unit(&mut self, text: &str, start: usize, end: usize) {
        self.units.push(line_start(text, start)..line_end(text, end));
    }

    /// Entries that go and stand in a row, each row in one.
    fn rows(&mut self, text: &str) -> Vec<Range<usize>> {
        let mut units = std::mem::take(&mut self.units);
        units.sort_by_key(|unit| (unit.start, unit.end));
        let mut rows: Vec<Range<usize>> = Vec::new();
        for unit in units {
            let Some(last) = rows.last_mut() else {
                rows.push(unit);
                continue;
            };
            let is_blank = |range: Range<usize>| text.get(range).is_none_or(|gap| gap.trim().is_empty());
            let next = self.replaced.partition_point(|(range, _)| range.start < last.end);
            let is_between = self.replaced.get(next).is_some_and(|(range, _)| range.start <= unit.start);
            if unit.start <= last.end || (is_blank(last.end..unit.start) && !is_between) {
                last.end = last.end.max(unit.end);
            } else {
                rows.push(unit);
            }
        }
        rows
    }

    fn remove_row(&mut self, text: &str, start: usize, end: usize) {
        let above = text.get(..start).unwrap_or("");
        let is_blank_above = above.is_empty() || blank_lines_above(text, start) < start;
        let mut end = end;
        if is_blank_above {
            let below = blank_lines_below(text, end);
            if below > end && text.get(below..).is_some_and(|rest| !rest.trim().is_empty()) {
                end = if above.is_empty() { below } else { line_end(text, line_start(text, below.saturating_sub(1))) };
            }
        }
        if above.is_empty() && end < text.len() && line_start(text, end) == end {
            self.remove(start..end);
        } else {
            self.remove_lines(text, start, end);
        }
    }

    /// The text with every edit made; none if two of them collide. Removals may overlap.
    pub fn apply(self, text: &str) -> Option<String> {
        self.apply_within(text, 0..text.len())
    }

    /// A part of the text with every edit made; all of them lie in it.
    pub fn apply_within(mut self, text: &str, part: Range<usize>) -> Option<String> {
        self.replaced.sort_by_key(|(range, _)| (range.start, range.end));
        for row in self.rows(text) {
            self.remove_row(text, row.start, row.end);
        }
        self.replaced.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(part.len() + 64);
        let mut at = part.start;
        let mut removing = false;
        for (range, new) in &self.replaced {
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
        out.push_str(text.get(at..part.end)?);
        Some(out)
    }
}

/// Where the blank lines start that stand directly above the line that starts at `start`; `start` if there are none.
fn blank_lines_above(text: &str, mut start: usize) -> usize {
    while let Some(line) = start.checked_sub(1).map(|end| line_start(text, end))
        && text.get(line..start).is_some_and(|line| line.trim().is_empty())
    {
        start = line;
    }
    start
}

/// Where the first line starts behind the blank ones that follow the line that ends at `end`; `end` if none follow.
fn blank_lines_below(text: &str, end: usize) -> usize {
    let mut next = next_line(text, end);
    let first = next;
    while next < text.len() && text.get(next..line_end(text, next)).is_some_and(|line| line.trim().is_empty()) {
        next = next_line(text, next);
    }
    if next > first { next } else { end }
}

/// How the comments of a format look that take whole lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// `# …`
    #[cfg_attr(not(any(feature = "yaml", feature = "toml")), allow(dead_code, reason = "JSON has slashes"))]
    Hash,
    /// `# …` and `; …`
    HashOrSemicolon,
    /// `# …` and `! …`
    #[cfg(feature = "properties")]
    HashOrMark,
    /// `// …` and `/* … */`
    Slashes,
}

/// Where an entry starts together with its comment: what stands directly above it, without a blank line between, and no
/// further to the right. Lines that start before `from` are not looked at.
pub(super) fn head_start(text: &str, at: usize, from: usize, comments: Comments) -> usize {
    let Some(indent) = own_line_indent(text, at) else { return at };
    let column = indent.chars().count();
    let mut start = line_start(text, at);
    let mut head = at;
    loop {
        let Some(mut line) = start.checked_sub(1).map(|end| line_start(text, end)).filter(|line| *line >= from) else {
            return head;
        };
        let mut content = text.get(line..start).unwrap_or("").trim();
        if comments == Comments::Slashes && content.ends_with("*/") && !content.starts_with("/*") {
            // The comment may have started some lines above.
            let Some(open) = text.get(from..start).and_then(|part| part.rfind("/*")).map(|found| from + found) else {
                return head;
            };
            line = line_start(text, open);
            content = text.get(line..start).unwrap_or("").trim();
        }
        let is_comment = match comments {
            Comments::Hash => content.starts_with('#'),
            Comments::HashOrSemicolon => content.starts_with(['#', ';']),
            #[cfg(feature = "properties")]
            Comments::HashOrMark => content.starts_with(['#', '!']),
            Comments::Slashes => {
                content.starts_with("//")
                    || content
                        .strip_prefix("/*")
                        .is_some_and(|rest| rest.find("*/").is_some_and(|end| end + 2 == rest.len()))
            }
        };
        let blanks =
            text.get(line..start).map_or(0, |line| line.chars().take_while(|c| matches!(c, ' ' | '\t')).count());
        if !is_comment || line < from || blanks > column {
            return head;
        }
        start = line;
        head = line + text.get(line..).map_or(0, |rest| rest.len() - rest.trim_start_matches([' ', '\t']).len());
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
pub(super) fn settle(
    old: &Value,
    target: &Value,
    parse: impl Fn(&str) -> Result<Value>,
    attempt: impl Fn(&Forced) -> Option<String>,
) -> Option<String> {
    let mut forced = Forced::new();
    for _ in 0..MAX_ATTEMPTS {
        let wrong = match attempt(&forced).map(|text| (parse(&text), text)) {
            Some((Ok(value), text)) if value == *target => return Some(text),
            Some((Ok(value), _)) => differences(&value, target),
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
