//! A long text in sections, so that a change costs what it touches and not what the text is long.
//!
//! A section is an entry of a map with all that it holds, and is a small document of its own: the bytes around it stay, so
//! the text says what its sections say. That holds where nothing reaches from one section into another, so a YAML text with
//! anchors, several documents or directives has none. The text is cut where the parser saw the keys.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::edit::own_line_indent;
use super::tree::{Body, Node};
use super::{Format, json, json_edit};
use crate::path::Path;
use crate::value::{Str, Value};

/// From how many bytes on a text is cut, and an entry of it.
const LEAST_BYTES: usize = 64 << 10;
const SECTION_BYTES: usize = 4 << 10;
/// How many bytes a section has at least on average: more of them cost more than they spare.
const MEAN_BYTES: usize = 512;
/// How many sections are changed one by one.
const MOST_CHANGED: usize = 256;

/// Where the entries of a text stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sections {
    format: Format,
    /// One level of indentation, where the format's edits ask for it.
    unit: Str,
    newline: &'static str,
    tree: Arc<Level>,
    paths: Arc<[Path]>,
    /// In the order of the text.
    places: Vec<Range<usize>>,
}

#[derive(Debug, PartialEq)]
enum Level {
    Map(BTreeMap<Str, Level>),
    Section(usize),
}

impl Sections {
    /// The sections of a text that is long enough; none where it cannot be cut.
    pub(crate) fn of(text: &str, format: Format) -> Option<Sections> {
        let sections = (text.len() >= LEAST_BYTES).then(|| Sections::cut(text, format, SECTION_BYTES)).flatten()?;
        (sections.places.len() <= text.len() / MEAN_BYTES).then_some(sections)
    }

    /// Cuts entries that are longer than so many bytes.
    fn cut(text: &str, format: Format, bytes: usize) -> Option<Sections> {
        let tree = match format {
            Format::Json => json::parse_tree(text, json::Dialect::Strict).ok()?,
            Format::Jsonc => json::parse_tree(text, json::Dialect::Comments).ok()?,
            #[cfg(feature = "yaml")]
            Format::Yaml if !has_markers(text) => super::yaml::parse_tree(text).ok()?,
            _ => return None,
        };
        let mut cutting = Cutting { text, format, bytes, paths: Vec::new(), places: Vec::new() };
        let level = cutting.level(&tree, &Path::root(), text.len())?;
        let unit = if format == Format::Yaml { Str::default() } else { json_edit::indent_unit(text, &tree).into() };
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let (paths, places) = (cutting.paths.into(), cutting.places);
        Some(Sections { format, unit, newline, tree: Arc::new(level), paths, places })
    }

    /// The text and its sections once it says `target`, which differs from what it says at these paths; none where more
    /// than sections have to change.
    pub(crate) fn rewrite<'p>(
        &self,
        text: &str,
        changed: impl IntoIterator<Item = &'p Path>,
        target: &Value,
    ) -> Option<(String, Sections)> {
        let mut changed: Vec<usize> =
            changed.into_iter().map(|path| self.tree.find(path.segments())).collect::<Option<_>>()?;
        changed.sort_unstable();
        changed.dedup();
        if changed.len() > MOST_CHANGED {
            return None;
        }
        let mut out = String::with_capacity(text.len() + 64);
        let mut places = Vec::with_capacity(self.places.len());
        let mut changed = changed.into_iter().peekable();
        // What is copied up to here, and by how much what follows moves.
        let (mut copied, mut longer, mut shorter) = (0, 0, 0);
        for (at, place) in self.places.iter().enumerate() {
            let start = (place.start + longer).checked_sub(shorter)?;
            let mut end = (place.end + longer).checked_sub(shorter)?;
            if changed.next_if_eq(&at).is_some() {
                let path = self.paths.get(at)?;
                let piece = self.piece(text.get(place.clone())?, path, target)?;
                out.push_str(text.get(copied..place.start)?);
                out.push_str(&piece);
                copied = place.end;
                longer += piece.len();
                shorter += place.len();
                end = start + piece.len();
            }
            places.push(start..end);
        }
        out.push_str(text.get(copied..)?);
        Some((out, Sections { places, ..self.clone() }))
    }

    /// One section, changed so that it says what stands at its path.
    fn piece(&self, text: &str, path: &Path, target: &Value) -> Option<String> {
        let key = path.segments().last()?;
        let value = path.segments().iter().try_fold(target, |value, segment| value.as_map()?.get(segment))?;
        let target: Value = [(key.clone(), value.clone())].into_iter().collect();
        match self.format {
            #[cfg(feature = "yaml")]
            Format::Yaml => {
                let piece = super::yaml_edit::rewrite(text, &target, self.newline)?;
                stands_alone(text, &piece).then_some(piece)
            }
            format => {
                let dialect = if format == Format::Json { json::Dialect::Strict } else { json::Dialect::Comments };
                let (open, close) = if text.starts_with([' ', '\t']) { ("{\n", "\n}") } else { ("{", "}") };
                let whole = format!("{open}{text}{close}");
                let new = json_edit::rewrite_in(&whole, dialect, &target, (self.newline, Some(&self.unit)))?;
                let piece = new.strip_prefix(open)?.strip_suffix(close)?;
                // Behind a comment to the end of its line a comma would be lost.
                let alone = json::parse(&format!("{{{piece}}}"), dialect).is_ok_and(|value| value == target);
                alone.then(|| piece.to_owned())
            }
        }
    }
}

impl Level {
    fn find(&self, path: &[Str]) -> Option<usize> {
        match (self, path.split_first()) {
            (Level::Section(at), _) => Some(*at),
            (Level::Map(children), Some((first, rest))) => children.get(first)?.find(rest),
            (Level::Map(_), None) => None,
        }
    }
}

struct Cutting<'a> {
    text: &'a str,
    format: Format,
    bytes: usize,
    paths: Vec<Path>,
    places: Vec<Range<usize>>,
}

impl Cutting<'_> {
    /// Cuts a map that ends there at the latest; none where it is no map that can be cut.
    fn level(&mut self, node: &Node, path: &Path, end: usize) -> Option<Level> {
        let Body::Map(entries) = &node.body else { return None };
        let is_yaml = self.format == Format::Yaml;
        if entries.is_empty() || is_yaml && self.text.get(node.span.clone())?.starts_with('{') {
            return None;
        }
        let start_of = |at: usize| match own_line_indent(self.text, at) {
            Some(indent) => Some(at - indent.len()),
            None if is_yaml => None,
            None => Some(at),
        };
        let starts: Vec<usize> = entries.iter().map(|entry| start_of(entry.key_span.start)).collect::<Option<_>>()?;
        // In YAML a section goes to where the next one starts, so that it is made of whole lines.
        let mut children = BTreeMap::new();
        for (at, (entry, start)) in entries.iter().zip(&starts).enumerate() {
            let stop = if is_yaml { starts.get(at + 1).copied().unwrap_or(end) } else { entry.node.span.end };
            let path = path.child(&entry.key);
            if is_yaml && (entry.is_merge || reaches_out(&entry.node)) {
                return None;
            }
            let (paths, places) = (self.paths.len(), self.places.len());
            let is_long = stop.checked_sub(*start)? > self.bytes;
            let inner = is_long.then(|| self.level(&entry.node, &path, stop)).flatten();
            let level = inner.unwrap_or_else(|| {
                self.paths.truncate(paths);
                self.places.truncate(places);
                self.paths.push(path);
                self.places.push(*start..stop);
                Level::Section(paths)
            });
            children.insert(entry.key.clone(), level);
        }
        Some(Level::Map(children))
    }
}

/// Whether something of a node stands in relation to something elsewhere.
fn reaches_out(node: &Node) -> bool {
    node.anchor > 0
        || node.is_opaque
        || match &node.body {
            Body::Leaf => false,
            Body::Alias(_) => true,
            Body::List(items) => items.iter().any(reaches_out),
            Body::Map(entries) => entries.iter().any(|entry| entry.is_merge || reaches_out(&entry.node)),
        }
}

/// Whether a line of a YAML text may begin or end a document, or be for the parser.
#[cfg(feature = "yaml")]
fn has_markers(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("---") || line.starts_with("...") || line.starts_with('%'))
}

/// Whether a new section of whole lines ends as the old one did, and no line of it stands left of its key.
#[cfg(feature = "yaml")]
fn stands_alone(old: &str, new: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let least = old.lines().next().map_or(0, indent);
    let is_inside = |line: &str| {
        let rest = line.trim_start_matches(' ');
        rest.trim().is_empty() || rest.starts_with('#') || indent(line) >= least
    };
    let first = new.lines().next();
    first.is_some_and(|line| indent(line) == least && !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        && old.ends_with('\n') == new.ends_with('\n')
        && new.lines().all(is_inside)
        && !has_markers(new)
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{maps, scalars};
    use super::super::{parse, print};
    use super::*;

    const FORMATS: [Format; 3] = [Format::Json, Format::Jsonc, Format::Yaml];

    fn value(text: &str) -> Value {
        parse(text, Format::Yaml).unwrap()
    }

    /// Where two values differ, as deep as both have maps.
    fn differing(path: &Path, old: &Value, new: &Value) -> Vec<Path> {
        match (old.as_map(), new.as_map()) {
            _ if old == new => Vec::new(),
            (Some(one), Some(other)) if !one.is_empty() && !other.is_empty() => {
                let keys: std::collections::BTreeSet<&Str> = one.keys().chain(other.keys()).collect();
                let below = |key: &&Str| match (one.get(key), other.get(key)) {
                    (Some(old), Some(new)) => differing(&path.child(key), old, new),
                    _ => vec![path.child(key)],
                };
                keys.iter().flat_map(below).collect()
            }
            _ => vec![path.clone()],
        }
    }

    fn rewrite(sections: &Sections, text: &str, target: &Value) -> Option<(String, Sections)> {
        let old = parse(text, sections.format).unwrap();
        sections.rewrite(text, &differing(&Path::root(), &old, target), target)
    }

    /// The text, changed in sections and back; it says the target.
    fn changed(text: &str, format: Format, target: &Value) -> Option<String> {
        let old = parse(text, format).unwrap();
        let (new, sections) = rewrite(&Sections::cut(text, format, 1)?, text, target)?;
        assert_eq!(parse(&new, format).as_ref(), Ok(target), "{text}\n{new}");
        let again = rewrite(&sections, &new, &old);
        if let Some((back, _)) = again {
            assert_eq!(parse(&back, format), Ok(old), "{new}\n{back}");
        }
        Some(new)
    }

    #[test]
    fn only_the_section_that_changes_is_written_anew() {
        let json = "{\n  \"a\": {\"x\": 1, \"y\": [1,\n 2]},\n  \"b\": {\n    \"c\": true\n  }\n}\n";
        let target = value("{a: {x: 1, y: [1, 2]}, b: {c: false}}");
        assert_eq!(changed(json, Format::Json, &target).unwrap(), json.replace("true", "false"));
        let yaml = "# head\na:\n  x: 1 # one\n  y: |+\n    text\n\n# of b\nb:\n    c: 'no'\n\n    # last\n    d: [1,\n      2]\n";
        let target = value("{a: {x: 1, y: \"text\\n\\n\"}, b: {c: 'yes', d: [1, 2]}}");
        assert_eq!(changed(yaml, Format::Yaml, &target).unwrap(), yaml.replace("'no'", "'yes'"));
    }

    #[test]
    fn an_entry_that_comes_into_a_section_is_indented_as_those_beside_it() {
        let yaml = "a:\n    b:\n        c: 1\nd: 2\n";
        let target = value("{a: {b: {c: 1, e: {f: 3}}}, d: 2}");
        let sections = Sections::cut(yaml, Format::Yaml, 20).unwrap();
        let (new, _) = rewrite(&sections, yaml, &target).unwrap();
        assert_eq!(new, "a:\n    b:\n        c: 1\n        e:\n            f: 3\nd: 2\n");
        let json = "{\n    \"a\": {\n        \"b\": {}\n    }\n}";
        let target = value("{a: {b: {c: {d: 1}}}}");
        let new = "{\n    \"a\": {\n        \"b\": {\n            \"c\": {\n                \"d\": 1\n            }\n        }\n    }\n}";
        assert_eq!(changed(json, Format::Json, &target).unwrap(), new);
    }

    #[test]
    fn what_reaches_from_one_section_into_another_is_not_cut() {
        for text in
            ["a: &x 1\nb: *x\n", "--- \na: 1\n", "%YAML 1.2\n---\na: 1\n", "a: !t 1\n", "{a: 1}\n", "? a\n: 1\n"]
        {
            assert_eq!(Sections::cut(text, Format::Yaml, 1), None, "{text}");
        }
    }

    #[test]
    fn entries_that_come_and_go_between_sections_are_left_to_the_whole_text() {
        let sections = Sections::cut("a: 1\nb: 2\n", Format::Yaml, 1).unwrap();
        for target in ["{a: 1}", "{a: 1, b: 2, c: 3}"] {
            assert_eq!(rewrite(&sections, "a: 1\nb: 2\n", &value(target)), None);
        }
    }

    #[test]
    fn a_comment_to_the_end_of_its_line_swallows_no_comma() {
        let json = "{\n  \"a\": 1, // one\n  \"b\": [1 // first\n  ]\n}";
        let new = changed(json, Format::Jsonc, &value("{a: 2, b: [1]}")).unwrap();
        assert_eq!(new, json.replace("\"a\": 1", "\"a\": 2"));
    }

    proptest! {
        #[test]
        fn a_text_that_is_changed_in_sections_says_the_target(old in maps(scalars().boxed()), new in maps(scalars().boxed())) {
            // One tree with a bit of the other: mostly few sections differ.
            let mut target = old.clone();
            for (at, key) in old.as_map().unwrap().keys().enumerate() {
                let other = new.as_map().unwrap().values().nth(at);
                if let Some(other) = other.filter(|_| at % 2 == 0) {
                    target = target.with(&Path::root().child(key), other.clone());
                }
            }
            for format in FORMATS {
                let _ = changed(&print(&old, format).unwrap(), format, &target);
            }
        }
    }
}
