//! Nothing is at a path: which one was meant?
use crate::error::{Code, Error};
use crate::path::Path;
use crate::value::{Map, Value};

/// How many paths are suggested.
const SUGGESTED: usize = 3;
/// How many keys are listed.
const LISTED: usize = 8;
/// How many paths are compared: a suggestion must not cost more than it tells.
const COMPARED: usize = 20_000;

/// The error for a path that the document does not hold, with similar paths in the hint.
pub(super) fn not_found(path: &Path, document: &Value) -> Error {
    let error = Error::new(Code::NotFound, format!("nothing is at `{path}`"));
    let wanted = path.to_string();
    let mut paths = Vec::new();
    collect(&Path::root(), document, &mut paths);
    let limit = (wanted.chars().count() / 3).clamp(1, 6);
    let mut near: Vec<(usize, String)> = paths
        .into_iter()
        .filter_map(|found| {
            let same_name = found.last().zip(path.last()).is_some_and(|(a, b)| a == b);
            let text = found.to_string();
            let distance = distance(&wanted, &text);
            // The right key under the wrong parent is as good as a slip of the pen.
            (distance <= limit || same_name).then_some((distance, text))
        })
        .collect();
    near.sort();
    if !near.is_empty() {
        let near: Vec<String> = near.into_iter().take(SUGGESTED).map(|(_, text)| format!("`{text}`")).collect();
        return error.with_hint(format!("did you mean {}?", near.join(" or ")));
    }
    let mut above = path.parent();
    while let Some(parent) = above {
        if let Some(Value::Map(map)) = document.at(&parent)
            && !map.is_empty()
        {
            let place = if parent.is_root() { "the document".to_owned() } else { format!("`{parent}`") };
            return error.with_hint(format!("{place} holds {}", listed(map)));
        }
        above = parent.parent();
    }
    error.with_hint("the document is empty")
}

fn listed(map: &Map) -> String {
    let keys: Vec<String> = map.keys().take(LISTED).map(|key| format!("`{key}`")).collect();
    let more = map.len().saturating_sub(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    keys.join(", ") + &more
}

fn collect(path: &Path, value: &Value, paths: &mut Vec<Path>) {
    for (key, child) in value.as_map().into_iter().flat_map(Map::iter) {
        if paths.len() >= COMPARED {
            return;
        }
        let below = path.child(key);
        paths.push(below.clone());
        collect(&below, child, paths);
    }
}

/// How many letters must be added, removed or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (done, letter) in a.chars().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(letter != *other));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    #[test]
    fn letters_are_counted() {
        for (a, b, count) in [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("rate", "raet", 2), ("a", "a", 0)]
        {
            assert_eq!(distance(a, b), count, "{a} {b}");
            assert_eq!(distance(b, a), count, "{b} {a}");
        }
    }

    #[test]
    fn similar_paths_are_suggested_else_the_keys_are_listed() {
        let document = parse(r#"{"app":{"rate_limit":1,"name":"x"},"database":{"host":"h"}}"#, Format::Json).unwrap();
        let hint = |path: &str| not_found(&Path::parse(path).unwrap(), &document).hint().unwrap().to_owned();
        assert_eq!(hint("app.rate_limt"), "did you mean `app.rate_limit`?");
        assert_eq!(hint("rate_limit"), "did you mean `app.rate_limit`?");
        assert_eq!(hint("app.zzzzzzzzz"), "`app` holds `name`, `rate_limit`");
        assert_eq!(hint("zzzzzzzzz"), "the document holds `app`, `database`");
    }
}
