//! Finds the paths that Rust source names, without a parser: enough for `use` lines and for paths within code.

/// A path as the source names it, and its line from 1.
#[derive(Debug, PartialEq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

/// The paths that start with `root::`, with groups in braces spread out.
pub fn named_below(root: &str, code: &str) -> Vec<Named> {
    let start = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&start) {
        if code.get(..at).unwrap().ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let line = 1 + code.get(..at).unwrap().matches('\n').count();
        let mut rest = code.get(at + start.len()..).unwrap();
        found.extend(tree(&mut rest).into_iter().map(|segments| Named { segments, line }));
    }
    found
}

/// Reads one use tree: `a::b`, `a::{b, c::d}`, `a::*`, `a as b`.
fn tree(rest: &mut &str) -> Vec<Vec<String>> {
    *rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        *rest = inside;
        let mut all = Vec::new();
        loop {
            *rest = rest.trim_start_matches([',', ' ', '\n', '\t']);
            if rest.is_empty() || rest.starts_with('}') {
                *rest = rest.strip_prefix('}').unwrap_or(rest);
                return all;
            }
            let before = rest.len();
            all.extend(tree(rest));
            // An alias, or something that is no use tree.
            let end = rest.find([',', '}', '{']).unwrap_or(rest.len());
            *rest = rest.get(end..).unwrap();
            if rest.len() == before {
                return all;
            }
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "_*!#".contains(c))).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    let name = name.to_owned();
    let Some(below) = rest.strip_prefix("::") else { return vec![vec![name]] };
    *rest = below;
    tree(rest).into_iter().map(|tail| [vec![name.clone()], tail].concat()).collect()
}

/// The source with comments and literals blanked, line by line as before.
pub fn without_comments_and_literals(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest, out.chars().last()));
        let taken = match skipped {
            Some(length) => {
                out.extend(rest.get(..length).unwrap().chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                length
            }
            None => {
                out.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap();
    }
    out
}

/// The length of the comment that `rest` starts with.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.strip_prefix("/*")?;
    let (mut depth, mut at) = (0, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        let step = if tail.starts_with("/*") {
            depth += 1;
            2
        } else if tail.starts_with("*/") {
            depth -= 1;
            2
        } else {
            tail.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of the string or character literal that `rest` starts with; `before` is the character in front of it.
fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !before.is_some_and(|c| c.is_alphanumeric() && c != 'b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let body = raw.get(hashes..).unwrap().strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(1 + hashes + 1 + length);
    }
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let mut characters = rest.char_indices().skip(1);
    let mut count = 0;
    while let Some((at, c)) = characters.next() {
        count += 1;
        match c {
            '\\' => {
                characters.next();
            }
            _ if c == quote => return Some(at + 1),
            // A lifetime or a label, not a character.
            _ if quote == '\'' && count > 1 => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn groups_are_spread_out_and_keep_the_line_of_their_root() {
    let found = named_below("crate", "\nuse crate::{a::B, c::{d, e as f}, g::*};\nfn x() { crate::h::i() }");
    let text = found.iter().map(|n| format!("{}@{}", n.segments.join("::"), n.line)).collect::<Vec<_>>();
    assert_eq!(text, ["a::B@2", "c::d@2", "c::e@2", "g::*@2", "h::i@3"]);
}

#[test]
fn a_group_over_several_lines_is_read_to_its_end() {
    let found = named_below("crate", "use crate::{\n    a,\n    b::{\n        c,\n    },\n};\nuse std::fmt;");
    assert_eq!(found.iter().map(|n| n.segments.join("::")).collect::<Vec<_>>(), ["a", "b::c"]);
}

#[test]
fn comments_and_literals_name_no_paths() {
    let source = "// crate::a\n/* crate::b /* */ crate::c */ let s = \"crate::d \\\" crate::e\"; let r = r#\"crate::\"f\"#;\n\
        fn g<'a>(c: &'a str) -> char { '\\'' } /// crate::h\ncrate::seen::X; 'x'; '\"'; crate::also::Y";
    let found = named_below("crate", &without_comments_and_literals(source));
    assert_eq!(found.iter().map(|n| n.segments.join("::")).collect::<Vec<_>>(), ["seen::X", "also::Y"]);
    assert_eq!(found.first().unwrap().line, 4);
}
