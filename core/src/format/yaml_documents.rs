//! Several YAML documents in one text: taken apart by their lines.

use std::ops::Range;

use super::argument::missing;
use super::edit::{line_end, line_start, next_line};
use super::{Format, bounded, parse, rewrite};
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// The documents, each with everything at its place and the others blank.
pub(super) fn documents(text: &str) -> Result<Vec<String>> {
    let text = bounded(text)?;
    let blank = |range: Range<usize>| "\n".repeat(text.get(range).map_or(0, |part| part.matches('\n').count()));
    let part = |range: &Range<usize>| format!("{}{}", blank(0..range.start), text.get(range.clone()).unwrap_or(""));
    Ok(regions(text).iter().map(part).collect())
}

/// The lines of each document, its marker included. A line that starts with `---` starts a document wherever it stands,
/// also in a block or a quoted text.
fn regions(text: &str) -> Vec<Range<usize>> {
    let is_marker = |at: usize, marker: &str| {
        let rest = text.get(at..line_end(text, at)).and_then(|line| line.strip_prefix(marker));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let is_content = |range: Range<usize>| {
        let lines = text.get(range).unwrap_or("").lines();
        lines.map(str::trim_start).any(|line| !line.is_empty() && !line.starts_with(['#', '%']) && line != "...")
    };
    let mut regions: Vec<Range<usize>> = Vec::new();
    let (mut start, mut at, mut has_marker) = (0, 0, false);
    while at < text.len() {
        if is_marker(at, "---") && (has_marker || is_content(start..at)) {
            let from = directives(text, start, at);
            regions.push(start..from);
            start = from;
        }
        has_marker |= is_marker(at, "---");
        at = next_line(text, at);
    }
    regions.push(start..text.len());
    regions
}

/// Where the directives start that stand above the marker at a line.
fn directives(text: &str, from: usize, marker: usize) -> usize {
    let mut start = marker;
    while let Some(above) = start.checked_sub(1).map(|end| line_start(text, end)).filter(|above| *above >= from)
        && text.get(above..start).is_some_and(|line| line.starts_with('%'))
    {
        start = above;
    }
    start
}

/// Changes one document of a text in place, see [`rewrite`]; the first is 1.
///
/// # Errors
/// [`Code::NotFound`] where the text holds fewer, and what [`rewrite`] says.
pub fn rewrite_document(text: &str, number: usize, target: &Value) -> Result<String> {
    let body = bounded(text)?;
    let regions = regions(body);
    let found = number.checked_sub(1).and_then(|at| regions.get(at)).cloned();
    let Some(range) = found else { return Err(missing(number, regions.len())) };
    let mark = text.get(..text.len() - body.len()).unwrap_or("");
    let (before, part, after) = (body.get(..range.start), body.get(range.clone()), body.get(range.end..));
    let (before, part, after) = (before.unwrap_or(""), part.unwrap_or(""), after.unwrap_or(""));
    let new = rewrite(part, Format::Yaml, target)?;
    // A marker is what tells documents apart, and a new print has none.
    let marker =
        part.lines().find(|line| line.starts_with("---")).filter(|_| !new.lines().any(|line| line.starts_with("---")));
    let marker = marker.map_or(String::new(), |_| "---\n".to_owned());
    let edited = format!("{mark}{before}{marker}{new}{after}");
    let holds = documents(&edited).is_ok_and(|all| {
        all.len() == regions.len()
            && all.get(number - 1).is_some_and(|part| parse(part, Format::Yaml).as_ref() == Ok(target))
    });
    if holds {
        return Ok(edited);
    }
    Err(Error::new(Code::Unrepresentable, "the document cannot be changed among the others")
        .with_hint("change the text by hand, or put the document into a file of its own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_document_is_edited_and_the_others_keep_every_byte() {
        let text = "# top\na: 1 # one\n--- # second\n\nb: 2 # two\n...\n%YAML 1.2\n---\nc: 3\n";
        let target = parse("b: 3\nd: x", Format::Yaml).unwrap();
        let want = text.replace("b: 2 # two", "b: 3 # two\nd: x");
        assert_eq!(rewrite_document(text, 2, &target).unwrap(), want);
        let first = parse("a: 9", Format::Yaml).unwrap();
        assert_eq!(rewrite_document(text, 1, &first).unwrap(), text.replace("a: 1", "a: 9"));
        let third = rewrite_document(text, 3, &first).unwrap();
        assert!(third.starts_with("# top\na: 1 # one\n--- # second\n\nb: 2 # two\n"), "{third}");
        assert_eq!(rewrite_document(text, 4, &first).unwrap_err().code(), Code::NotFound);
        assert_eq!(regions("---\na: 1\n").len(), 1);
        assert_eq!(regions("# c\n---\na: 1\n---\n").len(), 2);
    }
}
