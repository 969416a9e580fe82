//! Comments of a text and what they stand beside, told from the lines alone.

use std::collections::BTreeMap;

use confmesh::Path;
use confmesh::Value;
use confmesh::format::Format;

use super::{locate_all, parse};

/// A comment and the byte at which it starts.
pub struct Comment {
    pub text: String,
    pub at: usize,
}

/// Where a key or item stands; lines count from 0.
pub struct Place {
    pub path: Path,
    pub line: usize,
    pub column: usize,
}

/// Everything in a document, by its place in the text.
pub fn places(text: &str, format: Format, value: &Value) -> Vec<Place> {
    fn walk(path: &Path, value: &Value, out: &mut Vec<Path>) {
        if !path.is_root() {
            out.push(path.clone());
        }
        match value {
            Value::Map(map) => map.iter().for_each(|(key, child)| walk(&path.child(key), child, out)),
            Value::List(list) => {
                list.iter().enumerate().for_each(|(at, child)| walk(&path.child(&at.to_string()), child, out));
            }
            _ => {}
        }
    }
    let mut paths = Vec::new();
    walk(&Path::root(), value, &mut paths);
    // Where every key is written out, a map has no line of its own.
    paths.retain(|path| format != Format::Properties || value.at(path).is_some_and(|at| at.as_map().is_none()));
    let found = locate_all(text, format, &paths);
    let mut places: Vec<Place> = paths
        .into_iter()
        .zip(found)
        .filter_map(|(path, place)| {
            let place = place?;
            Some(Place { path, line: place.line as usize - 1, column: place.column as usize - 1 })
        })
        .collect();
    // What an alias stands for stands with its anchor, above the alias: there only the anchor's own paths count.
    let starts: BTreeMap<Path, (usize, usize)> =
        places.iter().map(|place| (place.path.clone(), (place.line, place.column))).collect();
    places.retain(|place| {
        (1..place.path.len()).all(|len| {
            starts
                .get(&place.path.prefix(len))
                .is_none_or(|start| format == Format::Toml || *start <= (place.line, place.column))
        })
    });
    places.sort_by(|a, b| (a.line, a.column, a.path.len(), &a.path).cmp(&(b.line, b.column, b.path.len(), &b.path)));
    places
}

/// The comments of a text whose words stand nowhere else in it.
pub fn comments(text: &str, format: Format, value: &Value) -> Vec<Comment> {
    let marks: &[&str] = match format {
        Format::Json => return Vec::new(),
        Format::Jsonc | Format::Json5 => &["//", "/*"],
        Format::Properties => &["#", "!"],
        Format::Ini => &["#", ";"],
        _ => &["#"],
    };
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end();
        for mark in marks {
            for (at, _) in body.match_indices(mark) {
                let end = match *mark {
                    "/*" => body[at..].find("*/").map_or(body.len(), |end| at + end + 2),
                    _ => body.len(),
                };
                let alone = at == 0 || body[..at].ends_with([' ', '\t']);
                let other = format!(
                    "{}{mark} {}{}",
                    &text[..start + at],
                    if *mark == "/*" { "*/" } else { "" },
                    &text[start + end..]
                );
                // A comment can be another one without any change of the values.
                if alone && parse(&other, format).as_ref() == Ok(value) {
                    let comment = Comment { text: body[at..end].to_owned(), at: start + at };
                    if text.matches(&comment.text).count() == 1 && comment.text.len() > mark.len() + 1 {
                        found.push(comment);
                    }
                    break;
                }
            }
        }
        start += line.len();
    }
    found.sort_by_key(|comment| comment.at);
    found.dedup_by_key(|comment| comment.at);
    found
}

impl Comment {
    /// The line that it stands on.
    pub fn line_of<'t>(&self, text: &'t str) -> &'t str {
        text.lines().nth(self.line(text)).unwrap_or("")
    }

    /// Everything that stands before the comment on its line.
    pub fn beside<'p>(&self, text: &str, places: &'p [Place]) -> impl Iterator<Item = &'p Path> {
        let (line, column) = (self.line(text), self.column(text));
        places.iter().filter(move |place| place.line == line && place.column < column).map(|place| &place.path)
    }

    fn line(&self, text: &str) -> usize {
        text[..self.at].matches('\n').count()
    }

    fn column(&self, text: &str) -> usize {
        text[..self.at].chars().rev().take_while(|c| *c != '\n').count()
    }

    fn has_own_line(&self, text: &str) -> bool {
        text[..self.at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty())
    }

    /// What the comment speaks of: what stands before it on its line, or directly below it and not further to the left.
    pub fn owner(&self, text: &str, places: &[Place]) -> Option<Path> {
        let (line, column) = (self.line(text), self.column(text));
        if !self.has_own_line(text) {
            let mut here = places.iter().filter(|place| place.line == line && place.column < column);
            let before = text[..self.at].rsplit('\n').next().unwrap_or("").trim();
            // Behind a lone dash it speaks of the item below.
            let below = || places.iter().find(|place| before == "-" && place.line > line);
            return here.next().or_else(below).map(|place| place.path.clone());
        }
        let lines: Vec<&str> = text.lines().collect();
        let mut below = line + 1;
        while lines.get(below).is_some_and(|line| is_comment(line)) {
            below += 1;
        }
        let next = lines.get(below).filter(|line| !line.trim().is_empty())?;
        let indent = next.chars().take_while(|c| c.is_whitespace()).count();
        let first = places.iter().find(|place| place.line == below)?;
        (column <= indent).then(|| first.path.clone())
    }

    /// The innermost thing that starts above the comment and whose children stand below it, as the indentation shows.
    pub fn around(&self, text: &str, places: &[Place]) -> Option<Path> {
        let (line, column) = (self.line(text), self.column(text));
        places.iter().rfind(|place| place.line < line && place.column < column).map(|place| place.path.clone())
    }

    /// Whether the comment stands at the same place among the lines that did not change.
    pub fn stays_in(&self, text: &str, new: &str, at: usize) -> bool {
        // The container of what it spoke of may be empty now: then it stays, whatever follows.
        let above = |text: &str, at: usize| {
            text[..at].lines().rev().skip(1).find(|line| !line.trim().is_empty() && !is_comment(line)).map(str::len)
        };
        above(text, self.at).is_none() == above(new, at).is_none()
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
        || line.trim_start().starts_with("//")
        || line.trim_start().starts_with("/*")
}
