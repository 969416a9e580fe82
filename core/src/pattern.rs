//! Patterns over paths: which subtree a rule or a subscription is about.
//!
//! | pattern | matches |
//! |---|---|
//! | `*` | every path |
//! | `app.database.*` | everything below `app.database`, not `app.database` itself |
//! | `app.*.host` | one segment in the place of `*` |
//! | `app.**.host` | any number of segments, also none |
//! | `app.feat*` | the segments that start with `feat` |
//!
//! Matching is case-sensitive. A literal `.`, `\`, `*` is escaped with `\`, as in paths.

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Code, Error, Result};
use crate::limits::{MAX_DEEP_PARTS, MAX_DEPTH, MAX_PATTERN_BYTES, MAX_PATTERNS};
use crate::path::Path;

/// A segment glob over paths.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    /// Literal text.
    Literal(String),
    /// Literal pieces with any text between them; never fewer than two pieces.
    Glob(Vec<String>),
    /// Exactly one segment.
    One,
    /// Any number of segments, also none.
    Deep,
    /// One segment or more: the trailing `*`.
    Rest,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`Code::PatternSyntax`] for an empty pattern or segment, or a bad escape.
    ///
    /// ```
    /// use confmesh::{Path, Pattern};
    /// let pattern = Pattern::parse("app.features.*")?;
    /// assert!(pattern.matches(&Path::parse("app.features.beta.share")?));
    /// assert!(!pattern.matches(&Path::parse("app.features")?));
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Pattern> {
        let bad = |why: &str| Error::new(Code::PatternSyntax, format!("cannot read pattern `{text}`: {why}"));
        let mut parts = Vec::new();
        for raw in split(text).ok_or_else(|| bad(r"`\` must be followed by `.`, `\`, `*` or `/`"))? {
            parts.push(match raw.as_slice() {
                [only] if only.is_empty() => return Err(bad("a segment is empty")),
                [only] => Part::Literal(only.clone()),
                [a, b] if a.is_empty() && b.is_empty() => Part::One,
                [a, b, c] if a.is_empty() && b.is_empty() && c.is_empty() => Part::Deep,
                pieces => Part::Glob(pieces.to_vec()),
            });
        }
        if parts.len() > MAX_DEPTH {
            return Err(bad("it has too many segments"));
        }
        if let Some(last @ Part::One) = parts.last_mut() {
            *last = Part::Rest;
        }
        Ok(Pattern { text: text.to_owned(), parts })
    }

    /// Reads the patterns that somebody elsewhere subscribes to: few and short ones, since each is tried for each change.
    ///
    /// # Errors
    /// What is wrong with one of them; [`Code::TooLarge`] for more than [`MAX_PATTERNS`], for more than
    /// [`MAX_PATTERN_BYTES`] together, and for one with more than [`MAX_DEEP_PARTS`] `**`.
    pub fn parse_subscription(texts: &[impl AsRef<str>]) -> Result<Vec<Pattern>> {
        let bytes: usize = texts.iter().map(|text| text.as_ref().len()).sum();
        let too_much = |what: String| {
            Err(Error::new(Code::TooLarge, what)
                .with_hint("subscribe to a pattern that covers several, such as `app.*`"))
        };
        if texts.len() > MAX_PATTERNS || bytes > MAX_PATTERN_BYTES {
            return too_much(format!(
                "{} patterns of {bytes} bytes are more than the {MAX_PATTERNS} of {MAX_PATTERN_BYTES} bytes that are allowed",
                texts.len()
            ));
        }
        let patterns = texts.iter().map(|text| Pattern::parse(text.as_ref())).collect::<Result<Vec<_>>>()?;
        let is_deep =
            |pattern: &&Pattern| pattern.parts.iter().filter(|part| **part == Part::Deep).count() > MAX_DEEP_PARTS;
        match patterns.iter().find(is_deep) {
            Some(pattern) => too_much(format!("pattern `{}` has more than {MAX_DEEP_PARTS} `**`", pattern.text)),
            None => Ok(patterns),
        }
    }

    /// The pattern that matches one path and nothing else.
    pub fn exactly(path: &Path) -> Pattern {
        Pattern {
            text: path.to_string(),
            parts: path.segments().iter().map(|s| Part::Literal(s.to_string())).collect(),
        }
    }

    /// Itself read as a path, stars and all: what is granted by a pattern that matches this place is granted whole.
    pub fn as_place(&self) -> Path {
        self.text.split('.').map(crate::value::Str::from).collect()
    }

    /// Whether the path matches.
    pub fn matches(&self, path: &Path) -> bool {
        let segments = path.segments();
        // One row of the match table: reached[i] = the parts so far match the first i segments.
        let mut reached = vec![false; segments.len() + 1];
        if let Some(first) = reached.first_mut() {
            *first = true;
        }
        for part in &self.parts {
            let mut next = vec![false; reached.len()];
            let mut any_before = false;
            for (at, slot) in next.iter_mut().enumerate() {
                let here = reached.get(at).copied().unwrap_or(false);
                let before = at > 0 && reached.get(at - 1).copied().unwrap_or(false);
                *slot = match part {
                    Part::Deep => any_before || here,
                    Part::Rest => any_before,
                    Part::One => before,
                    Part::Literal(_) | Part::Glob(_) => {
                        before && segments.get(at - 1).is_some_and(|segment| part.matches_segment(segment))
                    }
                };
                any_before |= here;
            }
            reached = next;
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Whether some path matches both. Where both have stars inside a segment the answer may be yes although none does.
    pub fn intersects(&self, other: &Pattern) -> bool {
        let (ours, theirs) = (self.steps(), other.steps());
        // reached[j] = the steps of ours from here on and those of theirs from j on match a common path.
        let mut reached = vec![false; theirs.len() + 1];
        for at in (0..=ours.len()).rev() {
            let below = std::mem::replace(&mut reached, vec![false; theirs.len() + 1]);
            for there in (0..=theirs.len()).rev() {
                let (own, their) = (ours.get(at).copied(), theirs.get(there).copied());
                let is = |row: &[bool], at: usize| row.get(at).copied().unwrap_or(false);
                let found = match (own, their) {
                    (None, None) => true,
                    (Some(Part::Deep), None) => is(&below, there),
                    (Some(Part::Deep), Some(_)) => is(&below, there) || is(&reached, there + 1),
                    (None, Some(Part::Deep)) => is(&reached, there + 1),
                    (Some(_), Some(Part::Deep)) => is(&reached, there + 1) || is(&below, there),
                    (Some(own), Some(their)) => own.may_match_with(their) && is(&below, there + 1),
                    _ => false,
                };
                if let Some(slot) = reached.get_mut(there) {
                    *slot = found;
                }
            }
        }
        reached.first().copied().unwrap_or(false)
    }

    /// The parts with the trailing `*` as one segment and any number after it.
    fn steps(&self) -> Vec<&Part> {
        let step = |part: &'_ Part| matches!(part, Part::Rest);
        self.parts.iter().flat_map(|part| if step(part) { vec![&Part::One, &Part::Deep] } else { vec![part] }).collect()
    }

    /// Whether any path strictly below `path` could match: a rule that may apply inside a subtree.
    pub fn may_match_below(&self, path: &Path) -> bool {
        let mut parts = self.parts.iter();
        for segment in path.segments() {
            match parts.next() {
                None => return false,
                Some(Part::Deep | Part::Rest) => return true,
                Some(part) if !part.matches_segment(segment) => return false,
                Some(_) => {}
            }
        }
        parts.next().is_some()
    }

    /// Whether a path that ends with this segment could match: a cheap test before [`Pattern::matches`].
    pub fn may_end_with(&self, segment: &str) -> bool {
        self.parts.last().is_some_and(|part| part.matches_segment(segment))
    }

    /// Orders patterns by how specific they are: the greater one is more specific (more literal segments, then fewer
    /// open ends, then more literal text). Of equally specific rules the first one in the table applies.
    pub fn compare_specificity(&self, other: &Pattern) -> Ordering {
        let key = |p: &Pattern| {
            let literals = p.parts.iter().filter(|part| matches!(part, Part::Literal(_))).count();
            let open = p.parts.iter().filter(|part| matches!(part, Part::Deep | Part::Rest)).count();
            let single = p.parts.iter().filter(|part| matches!(part, Part::One)).count();
            let text: usize = p.parts.iter().map(Part::literal_len).sum();
            (literals, std::cmp::Reverse(open), std::cmp::Reverse(single), text)
        };
        key(self).cmp(&key(other))
    }
}

impl Part {
    fn matches_segment(&self, segment: &str) -> bool {
        match self {
            Part::Literal(text) => text == segment,
            Part::Glob(pieces) => glob(pieces, segment),
            Part::One | Part::Deep | Part::Rest => true,
        }
    }

    /// Whether one segment may match both.
    fn may_match_with(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Literal(text), part) | (part, Part::Literal(text)) => part.matches_segment(text),
            (Part::Glob(ours), Part::Glob(theirs)) => {
                let agree = |a: Option<&String>, b: Option<&String>, end: fn(&str, &str) -> bool| {
                    a.zip(b).is_none_or(|(a, b)| end(a, b) || end(b, a))
                };
                agree(ours.first(), theirs.first(), |a, b| a.starts_with(b))
                    && agree(ours.last(), theirs.last(), |a, b| a.ends_with(b))
            }
            _ => true,
        }
    }

    fn literal_len(&self) -> usize {
        match self {
            Part::Literal(text) => text.len(),
            Part::Glob(pieces) => pieces.iter().map(String::len).sum(),
            Part::One | Part::Deep | Part::Rest => 0,
        }
    }
}

/// Whether `text` is the pieces in order with anything between them.
fn glob(pieces: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        match rest.split_once(piece.as_str()) {
            Some((_, after)) if !piece.is_empty() => rest = after,
            Some(_) => {}
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

/// Segments of a pattern, each as the literal pieces between its stars; `None` for a bad escape.
fn split(text: &str) -> Option<Vec<Vec<String>>> {
    let mut segments = Vec::new();
    let mut pieces = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                c @ ('.' | '\\' | '*' | '/') => pieces.last_mut()?.push(c),
                _ => return None,
            },
            '.' => segments.push(std::mem::replace(&mut pieces, vec![String::new()])),
            '*' => pieces.push(String::new()),
            c => pieces.last_mut()?.push(c),
        }
    }
    segments.push(pieces);
    Some(segments)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_intersect_where_some_path_matches_both() {
        for (a, b, expected) in [
            ("db", "db", true),
            ("db", "db.*", false),
            ("db.host", "db.*", true),
            ("db.*", "db.*.port", true),
            ("db.*", "app.*", false),
            ("*", "a.b.c", true),
            ("**", "a", true),
            ("a.**.z", "a.z", true),
            ("a.**.z", "a.b.*", true),
            ("a.*.z", "a.z", false),
            ("a.feat*", "a.features", true),
            ("a.feat*", "a.other", false),
            ("a.feat*", "a.*ure", true),
            ("a.feat*", "a.other*", false),
            ("a.*.c", "a.b.*", true),
        ] {
            let (left, right) = (Pattern::parse(a).unwrap(), Pattern::parse(b).unwrap());
            assert_eq!((left.intersects(&right), right.intersects(&left)), (expected, expected), "{a} and {b}");
        }
    }

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&Path::parse(path).unwrap())
    }

    #[test]
    fn stars_mean_what_the_table_says() {
        for (pattern, path, want) in [
            ("*", "a", true),
            ("*", "a.b.c", true),
            ("*", "", false),
            ("app.database.*", "app.database", false),
            ("app.database.*", "app.database.pool.size", true),
            ("app.*.host", "app.db.host", true),
            ("app.*.host", "app.a.b.host", false),
            ("app.**.host", "app.host", true),
            ("app.**.host", "app.a.b.host", true),
            ("**", "a.b", true),
            ("app.feat*", "app.features", true),
            ("app.feat*", "app.features.beta", false),
            ("app.f*t*s", "app.features", true),
            ("app.f*t*s", "app.fs", false),
            ("App", "app", false),
            (r"a\.b.*", r"a\.b.c", true),
            (r"a.\*", r"a.\*", true),
            (r"a.\*", "a.b", false),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn the_more_literal_pattern_is_more_specific() {
        let order =
            ["**", "*", "app.**", "app.*", "app.database.*", "app.*.host", "app.database.ho*", "app.database.host"];
        for pair in order.windows(2) {
            let [a, b] = [Pattern::parse(pair[0]).unwrap(), Pattern::parse(pair[1]).unwrap()];
            assert_ne!(a.compare_specificity(&b), Ordering::Greater, "{a} {b}");
        }
    }

    #[test]
    fn a_pattern_that_matches_a_path_may_end_with_its_last_segment() {
        for (pattern, path) in [("a.b", "a.b"), ("a.*", "a.b.c"), ("**", "a"), ("a.**", "a.b"), ("**.f*t", "a.feat")] {
            let (pattern, path) = (Pattern::parse(pattern).unwrap(), Path::parse(path).unwrap());
            assert!(pattern.matches(&path) && pattern.may_end_with(path.last().unwrap()), "{pattern} {path}");
        }
        assert!(!Pattern::parse("**.tags").unwrap().may_end_with("tag"));
        // `**` stands for no segment too: any last segment may be that of `a` itself.
        assert!(Pattern::parse("a.**").unwrap().may_end_with("a"));
    }

    #[test]
    fn a_pattern_knows_whether_it_may_match_inside_a_subtree() {
        for (pattern, path, want) in [
            ("a.b.c", "a.b", true),
            ("a.b", "a.b", false),
            ("a.*", "a.b.c", true),
            ("x.*", "a", false),
            ("**.z", "a.b", true),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().may_match_below(&Path::parse(path).unwrap()),
                want,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn a_subscription_has_few_and_short_patterns() {
        let many = vec!["a.*"; MAX_PATTERNS];
        assert_eq!(Pattern::parse_subscription(&many).unwrap().len(), MAX_PATTERNS);
        let refused = |texts: &[&str]| Pattern::parse_subscription(texts).unwrap_err();
        assert_eq!(refused(&vec!["a"; MAX_PATTERNS + 1]).code(), Code::TooLarge);
        assert_eq!(refused(&["a".repeat(MAX_PATTERN_BYTES + 1).as_str()]).code(), Code::TooLarge);
        assert_eq!(refused(&["**.a.**.b.**.c.**.d.**"]).code(), Code::TooLarge);
        assert_eq!(refused(&["a", "a..b"]).code(), Code::PatternSyntax);
    }
}
