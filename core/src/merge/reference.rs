//! How references in texts are spelled.

use crate::error::{Code, Error, Result};
use crate::path::Path;

/// A part of a text.
#[derive(Clone, Copy)]
pub(super) enum Part<'t> {
    Text(&'t str),
    /// What stands between `${` and `}`.
    Reference(&'t str),
}

/// What holds where a reference leads nowhere.
#[derive(Clone, Copy)]
pub(super) enum Otherwise<'t> {
    /// `:-default`
    Default(&'t str),
    /// `:?words`
    Tell(&'t str),
}

const LITERAL: &str = "a literal `${` is written `$${`";

/// Takes a text apart; braces of references in references belong to those.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([Part::Text(before), Part::Text("${")]);
            rest = after;
            continue;
        }
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let Some(length) = closing(after) else {
            return Err(
                Error::new(Code::Syntax, "a reference has no closing `}`").with_hint(format!("close it; {LITERAL}"))
            );
        };
        let inside = after.get(..length).unwrap_or("");
        if inside.trim().is_empty() {
            return Err(Error::new(Code::Syntax, "a reference is empty")
                .with_hint(format!("write `${{path.to.key}}`; {LITERAL}")));
        }
        parts.push(Part::Reference(inside));
        rest = after.get(length + 1..).unwrap_or("");
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Where the brace stands that closes a reference whose inside starts here.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

/// The reference itself, and what stands for it where it leads nowhere.
pub(super) fn split(inside: &str) -> (&str, Option<Otherwise<'_>>) {
    let mut depth = 0_usize;
    for (at, c) in inside.char_indices() {
        let rest = inside.get(at..).unwrap_or("");
        match c {
            '$' if rest.starts_with("${") => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                let head = inside.get(..at).unwrap_or("");
                if let Some(text) = rest.strip_prefix(":-") {
                    return (head, Some(Otherwise::Default(text)));
                }
                if let Some(words) = rest.strip_prefix(":?") {
                    return (head, Some(Otherwise::Tell(words)));
                }
            }
            _ => {}
        }
    }
    (inside, None)
}

/// The path that a reference names, seen from the text at `path`: every dot at its start leads one map further up.
pub(super) fn target_of(head: &str, path: &Path) -> Result<Path> {
    let head = head.trim();
    let rest = head.trim_start_matches('.');
    let ups = head.len() - rest.len();
    let wrong =
        |message: String| Error::new(Code::Syntax, message).with_hint(format!("write `${{path.to.key}}`; {LITERAL}"));
    if rest.is_empty() {
        return Err(wrong("a reference names no key".to_owned()));
    }
    let named = Path::parse(rest).map_err(|error| wrong(error.message().to_owned()))?;
    if ups == 0 {
        return Ok(named);
    }
    match path.len().checked_sub(ups) {
        Some(kept) => Ok(path.prefix(kept).join(&named)),
        None => Err(wrong(format!("`{head}` leads above the document"))),
    }
}

/// The path of a reference without anything beside it, where no other reference has to be replaced first.
pub(super) fn plain_target(part: &Part<'_>, path: &Path) -> Option<Path> {
    let Part::Reference(inside) = part else { return None };
    let (head, otherwise) = split(inside);
    let is_plain = otherwise.is_none() && !head.contains("${") && !head.starts_with("env:");
    if is_plain { target_of(head, path).ok() } else { None }
}

/// Whether a name is spelled as variables are.
pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_uppercase() || c == '_')
        && chars.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The error of a secret, without what the text holds.
pub(super) fn unnamed(error: &Error) -> Error {
    Error::new(error.code(), "a reference in this secret cannot be replaced").with_hint(LITERAL)
}
