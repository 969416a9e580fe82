//! New texts in the style of the YAML scalar that stood there: its quotes, its block, its indentation.

use super::yaml_print;
use super::yaml_scalar::plain;
use crate::value::Value;

/// A text inside brackets in the style of the old spelling; none where the style does not allow it.
pub(super) fn flow(old: &str, value: &Value) -> Option<String> {
    let Value::String(new) = value else { return None };
    match old.chars().next()? {
        '"' => Some(double(new)),
        '\'' => single(new),
        _ => is_plain(new, true).then(|| new.to_string()),
    }
}

/// A text outside of brackets in the style of the old spelling; a new block stands `unit` deeper than its key in `column`.
pub(super) fn block(old: &str, value: &Value, column: usize, unit: usize, newline: &str) -> Option<String> {
    let Value::String(new) = value else { return None };
    match old.chars().next()? {
        '"' => Some(double(new)),
        '\'' => single(new),
        '|' | '>' => lines(old, new, column, unit, newline),
        _ => is_plain(new, false).then(|| new.to_string()),
    }
}

fn double(text: &str) -> String {
    let mut out = String::new();
    yaml_print::quoted(&mut out, text);
    out
}

fn single(text: &str) -> Option<String> {
    let fits = !text.chars().any(|c| c == '\n' || yaml_print::must_escape(c));
    fits.then(|| format!("'{}'", text.replace('\'', "''")))
}

/// Whether the bare text is this string beside other bare texts, for readers of YAML 1.1 as well.
fn is_plain(text: &str, flow: bool) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let second = text.chars().nth(1).unwrap_or(' ');
    let can_start = match first {
        '-' | '?' | ':' => !second.is_whitespace() && (!flow || !",[]{}".contains(second)),
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => false,
        first => !first.is_whitespace(),
    };
    let odd = |c: char| yaml_print::must_escape(c) || c == '\t' || (flow && ",[]{}:".contains(c));
    let is_odd = text.chars().any(odd)
        || text.ends_with([' ', ':'])
        || ["---", "...", "<<", "="].iter().any(|mark| text.starts_with(mark))
        || text.contains(": ")
        || text.contains(" #");
    can_start && !is_odd && text.len() < 1000 && plain(text) == Ok(Value::from(text)) && !is_ambiguous(text)
}

/// Whether a reader of YAML 1.1 takes the text for a bool, a number or a time.
fn is_ambiguous(text: &str) -> bool {
    if ["yes", "no", "on", "off", "y", "n", "null", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
    {
        return true;
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let says_more = text.contains('/')
        || text.matches('.').count() > 1
        || text.chars().any(|c| c.is_alphabetic() && !"abcdefxoABCDEFXOtTzZ".contains(c));
    numeric && !says_more
}

/// A literal or folded block with the header, the indentation and the lines that can stay.
fn lines(old: &str, new: &str, column: usize, unit: usize, newline: &str) -> Option<String> {
    let (header, body) = old.split_once('\n')?;
    let header = header.trim_end_matches('\r');
    let (indicators, comment) =
        header.find([' ', '\t']).map_or((header, ""), |at| header.split_at_checked(at).unwrap_or((header, "")));
    let folded = indicators.starts_with('>');
    let body: Vec<&str> = body.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    // Where the text begins with blanks, only a number says how deep its lines stand.
    let (is_numbered, numbers) = (indicators.contains(|c: char| c.is_ascii_digit()), new.starts_with(' '));
    let is_odd = (folded && (is_numbered || numbers))
        || !(1..10).contains(&unit)
        || new.trim_end_matches('\n').is_empty()
        || new.ends_with("\n\n")
        || new.starts_with(['\t', '\n'])
        || new.chars().any(|c| c != '\n' && c != '\t' && yaml_print::must_escape(c));
    if is_odd {
        return None;
    }
    let first = body.iter().find(|line| !line.trim().is_empty() && !is_numbered && !numbers);
    let depth = first.map_or(column + unit, |line| line.len() - line.trim_start_matches(' ').len());
    let chomping = if new.ends_with('\n') { "" } else { "-" };
    let lines: Vec<&str> = new.strip_suffix('\n').unwrap_or(new).split('\n').collect();
    let number = if numbers { unit.to_string() } else { String::new() };
    let mut out = format!("{}{number}{chomping}{comment}", if folded { ">" } else { "|" });
    let mut push = |line: &str| {
        out.push_str(newline);
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', depth));
            out.push_str(line);
        }
    };
    if !folded {
        lines.into_iter().for_each(push);
        return Some(out);
    }
    if lines.iter().any(|line| line.starts_with([' ', '\t']) || line.ends_with([' ', '\t'])) {
        return None;
    }
    let paragraphs = paragraphs(&body, depth);
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            push("");
        }
        match paragraphs.iter().find(|lines| lines.join(" ") == **line) {
            Some(kept) => kept.iter().for_each(|line| push(line)),
            None => wrapped(line, paragraphs.get(at).map_or(&[], Vec::as_slice)).into_iter().for_each(&mut push),
        }
    }
    Some(out)
}

/// The lines of a folded block between its blank ones.
fn paragraphs<'t>(body: &[&'t str], depth: usize) -> Vec<Vec<&'t str>> {
    let mut found: Vec<Vec<&str>> = vec![Vec::new()];
    for line in body {
        match (line.get(depth..).filter(|line| !line.is_empty()), found.last_mut()) {
            (Some(line), Some(open)) => open.push(line),
            _ => found.push(Vec::new()),
        }
    }
    found
}

/// A line of text in the lines of an old paragraph, as far as they still fit at its start and end.
fn wrapped<'t>(line: &'t str, old: &[&'t str]) -> Vec<&'t str> {
    let (mut rest, mut front, mut back) = (line, Vec::new(), Vec::new());
    for part in old {
        match rest.strip_prefix(part).and_then(|rest| rest.strip_prefix(' ')) {
            Some(after) if !after.starts_with(' ') => {
                front.push(*part);
                rest = after;
            }
            _ => break,
        }
    }
    for part in old.iter().skip(front.len()).rev() {
        match rest.strip_suffix(part).and_then(|rest| rest.strip_suffix(' ')) {
            Some(before) if !before.ends_with(' ') => {
                back.push(*part);
                rest = before;
            }
            _ => break,
        }
    }
    front.push(rest);
    front.extend(back.into_iter().rev());
    front
}
