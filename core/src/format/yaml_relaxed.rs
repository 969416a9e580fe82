//! YAML that others read and the parser does not, and what the parser's complaints mean.

use super::edit::{line_end, line_start};
use super::error_at;
use crate::error::{Code, Error};
use crate::limits::MAX_DEPTH;

/// The text with blanks for tabs behind `:` and for line breaks and comments inside brackets, everything at its place;
/// none where that changes nothing.
pub(super) fn relaxed(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut state = State::default();
    for line in text.split_inclusive('\n') {
        state.line(line, &mut out);
    }
    (out.len() == text.len() && out != text).then_some(out)
}

#[derive(Default)]
struct State {
    quote: Option<char>,
    /// How many brackets are open.
    depth: usize,
    /// The indentation of the line that a block scalar belongs to.
    block: Option<usize>,
}

impl State {
    fn line(&mut self, line: &str, out: &mut String) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if let Some(parent) = self.block {
            if line.trim().is_empty() || indent > parent {
                out.push_str(line);
                return;
            }
            self.block = None;
        }
        let mut before = ' ';
        let mut chars = line.chars().peekable();
        let mut content = String::new();
        while let Some(c) = chars.next() {
            let mut shown = c;
            match self.quote {
                Some('"') if c == '\\' => {
                    out.push(c);
                    before = c;
                    out.extend(chars.next());
                    continue;
                }
                Some(quote) if c == quote => self.quote = None,
                Some(_) => {}
                None => match c {
                    '"' | '\'' if starts(before) => self.quote = Some(c),
                    '#' if before.is_whitespace() => {
                        // A comment, which would take what follows once the lines are joined.
                        let rest: String = std::iter::once(c).chain(chars.by_ref()).collect();
                        if self.depth > 0 {
                            out.extend(std::iter::repeat_n(' ', rest.len()));
                        } else {
                            out.push_str(&rest);
                        }
                        break;
                    }
                    '[' | '{' if self.depth > 0 || starts(before) => self.depth += 1,
                    ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    '\t' if matches!(before, ':' | '\t') => shown = ' ',
                    '\r' | '\n' if self.depth > 0 => shown = ' ',
                    _ => {}
                },
            }
            out.push(shown);
            content.push(c);
            before = c;
        }
        let last = content.split_whitespace().next_back().unwrap_or("");
        let header = last.strip_prefix(['|', '>']).is_some_and(|rest| rest.chars().all(|c| "+-123456789".contains(c)));
        if self.quote.is_none() && self.depth == 0 && header {
            self.block = Some(indent);
        }
    }
}

fn starts(before: char) -> bool {
    before.is_whitespace() || "[{,:".contains(before)
}

/// The error for what the parser says at a place.
pub(super) fn scan_error(text: &str, at: usize, info: &str) -> Error {
    if info.contains("recursion limit") {
        return error_at(text, at, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels"));
    }
    if info.contains("simple key") || (info.contains("mapping values are not allowed") && is_behind_key(text, at)) {
        // The parser notices it at the line that follows, or at the end of the text.
        let own = line_start(text, at);
        let is_own = info.contains("simple key") && text.get(own..at).is_some_and(|before| !before.trim().is_empty());
        let line = if is_own { own } else { line_above(text, at).unwrap_or(own) };
        let start = line + text.get(line..).map_or(0, |rest| rest.len() - rest.trim_start_matches([' ', '-']).len());
        return error_at(text, start, Code::Syntax, "expected `:` behind the key")
            .with_hint("write `key: value`, or put a text over several lines in quotes");
    }
    let failed = error_at(text, at, Code::Syntax, info);
    if info.contains("tab") {
        failed.with_hint("indent with spaces")
    } else if info.contains("mapping values are not allowed") {
        failed.with_hint("put a value that contains `: ` in quotes, or check the indentation")
    } else if info.contains("unknown anchor") {
        failed.with_hint("define the anchor with `&name` before the alias; put text that starts with `*` in quotes")
    } else if info.contains("quoted scalar") || info.contains("end of stream") {
        failed.with_hint("a quote or bracket is not closed; the file may be incomplete")
    } else {
        failed.with_hint("check the indentation, and put text with special characters in quotes")
    }
}

/// Where the nearest line above with more than a comment starts.
fn line_above(text: &str, at: usize) -> Option<usize> {
    let mut start = line_start(text, at);
    loop {
        start = line_start(text, start.checked_sub(1)?);
        let line = text.get(start..line_end(text, start))?.trim();
        if !line.is_empty() && !line.starts_with('#') {
            return Some(start);
        }
    }
}

/// Whether the line above is the first below a key, as deep as this one, and has no `:`.
fn is_behind_key(text: &str, at: usize) -> bool {
    let line = |start: usize| text.get(start..line_end(text, start)).unwrap_or("");
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let Some(above) = line_above(text, at) else { return false };
    let opens = line_above(text, above).is_some_and(|key| line(key).trim_end().ends_with(':'));
    opens && indent(line(above)) == indent(line(line_start(text, at))) && !line(above).contains(": ")
}
