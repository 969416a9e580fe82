//! Random edits of files as people write them: what is written parses to the target, and everything else stays as it was.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unreachable,
    reason = "a test that reads files and cuts texts where it found something"
)]

mod comments;
mod document;
mod operations;

use std::collections::BTreeMap;

use confmesh::format::{Format, locate_all, parse, rewrite};
use confmesh::{Path, Value};
use confmesh_tests::random::{Random, cases};

use comments::{Comment, Place, comments, places};
use document::Document;

/// The files, edited as they stand: with anchors, tags and comments.
fn files() -> Vec<(String, Format, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/files");
    let mut files: Vec<(String, Format, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let format = Format::from_path(&name).unwrap();
            (name, format, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn edits_of_everyday_files_keep_all_that_they_need_not_change() {
    let files = files();
    assert!(files.len() >= 30, "{} files", files.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let faults: Vec<(u64, &str, String)> = std::thread::scope(|scope| {
        let part = |first: usize| {
            let files = &files;
            scope.spawn(move || {
                let seeds = (0..cases(20_000)).skip(first).step_by(threads);
                seeds.filter_map(|seed| tried(seed, files).err().map(|(name, fault)| (seed, name, fault))).collect()
            })
        };
        let parts: Vec<_> = (0..threads).map(part).collect();
        parts.into_iter().flat_map(|part| -> Vec<_> { part.join().unwrap() }).collect()
    });
    let count = faults.len();
    let mut broken: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for (seed, name, fault) in faults {
        broken.entry(name).or_insert_with(|| (0, format!("seed {seed}, {name}: {fault}"))).0 += 1;
    }
    let report: Vec<String> = broken.values().map(|(count, first)| format!("{count} like: {first}")).collect();
    assert!(report.is_empty(), "{count} edits went wrong:\n{}", report.join("\n\n"));
}

/// One random edit, or the file and what went wrong.
fn tried(seed: u64, files: &[(String, Format, String)]) -> Result<(), (&str, String)> {
    let mut random = Random::of(seed);
    let (name, format, text) = &files[random.below(files.len())];
    let line_breaks = if random.below(8) == 0 { "\r\n" } else { "\n" };
    edit(&mut random, *format, &text.replace('\n', line_breaks)).map_err(|fault| (name.as_str(), fault))
}

fn edit(random: &mut Random, format: Format, text: &str) -> Result<(), String> {
    let old = parse(text, format).map_err(|error| error.to_string())?;
    let mut document = Document::new(&old);
    let mut told = Vec::new();
    for _ in 0..1 + random.below(4) {
        told.extend(operations::apply(&mut document, random, format));
    }
    let target = document.value();
    let new = rewrite(text, format, &target).map_err(|error| format!("{told:?}: {error}"))?;
    let fault = |what: String| Err(format!("{told:?}: {what}\n{}", difference(text, &new)));
    if parse(&new, format).as_ref() != Ok(&target) {
        return fault("another value is read".into());
    }
    if text.contains("\r\n") && new.replace("\r\n", "").contains('\n') {
        return fault("line breaks are mixed".into());
    }
    let truth = Truth { old: &old, new: &target, paths: document.targets() };
    let (before, after) = (places(text, format, &old), places(&new, format, &target));
    for comment in comments(text, format, &old) {
        if let Some(what) = truth.fault(&comment, &before, &after, text, &new) {
            return fault(what);
        }
    }
    if let Some(line) = truth.changed_line(text, &before, &new) {
        return fault(format!("a line without a changed value is gone: {line:?}"));
    }
    Ok(())
}

/// What became of every node of the old document.
struct Truth<'a> {
    old: &'a Value,
    new: &'a Value,
    paths: BTreeMap<Path, Path>,
}

impl Truth<'_> {
    /// What went wrong with a comment, if anything.
    fn fault(&self, comment: &Comment, before: &[Place], after: &[Place], text: &str, new: &str) -> Option<String> {
        let found: Vec<usize> = new.match_indices(&comment.text).map(|(at, _)| at).collect();
        let owner = comment.owner(text, before);
        let Some(at) = found.first() else {
            let inside = comment.around(text, before);
            let alive = match (&owner, inside) {
                (Some(owner), _) => self.is_alive(owner),
                (None, Some(inside)) => self.is_alive(&inside) && self.is_container(&inside),
                (None, None) => true,
            };
            // A merge key that has to be written out goes with its line.
            let alive = alive && !comment.line_of(text).contains("<<:");
            // What stands on one line with something that is gone may go with it.
            let alive = alive && comment.beside(text, before).all(|path| self.paths.contains_key(path));
            return alive.then(|| format!("{:?} is lost, of {owner:?}", comment.text));
        };
        if found.len() > 1 {
            return Some(format!("{:?} stands twice", comment.text));
        }
        let moved = Comment { text: comment.text.clone(), at: *at };
        let (owner, found) = (owner?, moved.owner(new, after));
        let Some(wanted) = self.paths.get(&owner) else {
            // What it spoke of is gone: it may only stay where nothing takes it for its own.
            return (found.is_some() && !comment.stays_in(text, new, *at))
                .then(|| format!("{:?} was of {owner} and is of {found:?}", comment.text));
        };
        let beside = moved.beside(new, after).any(|path| path == wanted);
        if beside || found.as_ref() == Some(wanted) || !self.is_recognizable(&owner) {
            return None;
        }
        // What stands on several lines may be written in one, and what is inside of it as well.
        if found.as_ref().is_some_and(|found| found.starts_with(wanted)) || found.is_none() && !self.is_same(&owner) {
            return None;
        }
        Some(format!("{:?} was of {owner} and is of {found:?} instead of {wanted}", comment.text))
    }

    fn is_alive(&self, path: &Path) -> bool {
        self.paths.contains_key(path) && self.is_recognizable(path)
    }

    /// Whether a map or list is one still.
    fn is_container(&self, path: &Path) -> bool {
        let kind = |value: Option<&Value>| value.map(Value::type_name);
        kind(self.old.at(path)) == kind(self.paths.get(path).and_then(|path| self.new.at(path)))
    }

    fn is_same(&self, path: &Path) -> bool {
        self.paths.get(path).is_some_and(|to| self.new.at(to) == self.old.at(path))
    }

    /// Whether every list item that holds the node can be known again: it is as it was, or the only one that changed.
    fn is_recognizable(&self, path: &Path) -> bool {
        (1..=path.len()).all(|len| {
            let (item, list) = (path.prefix(len), path.prefix(len - 1));
            let Some(Value::List(items)) = self.old.at(&list) else { return true };
            if self.is_same(&item) {
                // One that equals another can be taken for it.
                return items.iter().filter(|other| Some(*other) == self.old.at(&item)).count() == 1;
            }
            let new_list = self.paths.get(&list).and_then(|list| self.new.at(list)?.as_list());
            new_list.is_some_and(|new| {
                let changed = items.iter().zip(new).filter(|(old, new)| old != new).count();
                new.len() == items.len() && changed == 1
            })
        })
    }

    /// An old line of which no value changed, and that is not there any more.
    fn changed_line(&self, text: &str, before: &[Place], new: &str) -> Option<String> {
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for line in new.lines() {
            *there.entry(bare(line)).or_default() += 1;
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !bare(line).is_empty()) {
            let here: Vec<&Place> = before.iter().filter(|place| place.line == number).collect();
            let stays = |place: &&Place| {
                let same = match self.old.at(&place.path) {
                    Some(Value::Map(_) | Value::List(_)) => {
                        self.is_alive(&place.path) && self.keeps_shape(&place.path, line)
                    }
                    _ => self.is_same(&place.path) && self.is_alive(&place.path),
                };
                same && self.paths.contains_key(&place.path)
            };
            // An alias may have been written out, for what its anchor became.
            let is_alias = line.contains(": *") || line.contains("- *") || line.contains("[*");
            if here.is_empty() || is_alias || !here.iter().all(stays) {
                continue;
            }
            match there.get_mut(&bare(line)) {
                Some(count) if *count > 0 => *count -= 1,
                _ => return Some(line.to_owned()),
            }
        }
        None
    }

    /// Whether a container stands as before: not in one line with something that changed, not emptied, filled or replaced.
    fn keeps_shape(&self, path: &Path, line: &str) -> bool {
        let (old, new) = (self.old.at(path), self.paths.get(path).and_then(|path| self.new.at(path)));
        let empty = |value: Option<&Value>| {
            value.is_none_or(|value| match value {
                Value::Map(map) => map.is_empty(),
                Value::List(list) => list.is_empty(),
                _ => true,
            })
        };
        let in_line = line.contains(['[', '{', '!']) || line.trim_start().starts_with('-');
        self.is_container(path) && empty(old) == empty(new) && (!in_line || old == new)
    }
}

/// A line without what a neighbour may change: commas, dashes and the indentation behind them.
fn bare(line: &str) -> String {
    let mut line = line.trim();
    while let Some(rest) = line.strip_prefix("- ") {
        line = rest.trim_start();
    }
    line.replace(',', "")
}

fn difference(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let back = back.min(a.len().min(b.len()) - front);
    let shown = |lines: &[&str], mark: char| {
        lines[front.saturating_sub(2)..lines.len() - back]
            .iter()
            .take(24)
            .map(|line| format!("{mark} {line}\n"))
            .collect::<String>()
    };
    shown(&a, '-') + &shown(&b, '+')
}
