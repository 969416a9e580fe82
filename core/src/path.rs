//! Paths: `app.database.host`, or `/app/database/host` (RFC 6901).
//!
//! In the dotted form `.`, `\`, `*` and a leading `/` are escaped with `\`. A leading `/` makes it a JSON Pointer. A
//! segment is text; it counts as an index only where it meets a list. The empty path is the whole document.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::value::{Str, compare_keys};

/// The place of a value in a document.
///
/// A path shares its storage with its parents.
#[derive(Clone)]
pub struct Path {
    all: Arc<[Str]>,
    /// How many of them are this path's.
    len: usize,
}

impl Path {
    /// The path of the whole document.
    pub fn root() -> Path {
        Path { all: Arc::from([]), len: 0 }
    }

    /// Reads a dotted path or, with a leading `/`, a JSON Pointer. The empty text is the root.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for an empty segment, a bad escape or an unescaped `*`; [`Code::TooLarge`] for more than
    /// [`MAX_DEPTH`] segments.
    ///
    /// ```
    /// use confmesh::Path;
    /// assert_eq!(Path::parse("app.database")?, Path::parse("/app/database")?);
    /// assert_eq!(Path::parse(r"hosts.db\.local")?.segments()[1], "db.local");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Path> {
        if text.is_empty() {
            return Ok(Path::root());
        }
        bounded(if text.starts_with('/') { pointer_segments(text)? } else { dotted_segments(text)? })
    }

    /// Reads a JSON Pointer (RFC 6901): empty, or `/` before every segment, `~0` for `~` and `~1` for `/`.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] where the text is no JSON Pointer; [`Code::TooLarge`] for more than [`MAX_DEPTH`] segments.
    pub fn parse_pointer(text: &str) -> Result<Path> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(bad(text, "a JSON Pointer is empty or starts with `/`"));
        }
        if text.is_empty() { Ok(Path::root()) } else { bounded(pointer_segments(text)?) }
    }

    /// The JSON Pointer form (RFC 6901).
    pub fn to_pointer(&self) -> String {
        self.segments().iter().fold(String::new(), |out, s| out + "/" + &s.replace('~', "~0").replace('/', "~1"))
    }

    /// The segments from the root down.
    pub fn segments(&self) -> &[Str] {
        self.all.get(..self.len).unwrap_or_default()
    }

    /// How many segments it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no segment; the same as [`Path::is_root`].
    pub fn is_empty(&self) -> bool {
        self.is_root()
    }

    /// Whether it names the whole document.
    pub fn is_root(&self) -> bool {
        self.len == 0
    }

    /// The path of a child.
    #[must_use]
    pub fn child(&self, segment: &str) -> Path {
        self.segments().iter().cloned().chain([Str::from(segment)]).collect()
    }

    /// This path followed by another one.
    #[must_use]
    pub fn join(&self, below: &Path) -> Path {
        self.segments().iter().chain(below.segments().iter()).cloned().collect()
    }

    /// The path of the parent; none for the root.
    pub fn parent(&self) -> Option<Path> {
        Some(Path { all: Arc::clone(&self.all), len: self.len.checked_sub(1)? })
    }

    /// The first `len` segments; the path itself where it has no more.
    #[must_use]
    pub fn prefix(&self, len: usize) -> Path {
        Path { all: Arc::clone(&self.all), len: self.len.min(len) }
    }

    /// The last segment; none for the root.
    pub fn last(&self) -> Option<&Str> {
        self.segments().last()
    }

    /// Whether this is `above` or lies below it.
    pub fn starts_with(&self, above: &Path) -> bool {
        self.segments().starts_with(above.segments())
    }
}

fn bounded(segments: Vec<String>) -> Result<Path> {
    if segments.len() > MAX_DEPTH {
        let message = format!("path has {} segments, at most {MAX_DEPTH} are allowed", segments.len());
        return Err(Error::new(Code::TooLarge, message));
    }
    Ok(segments.into_iter().map(Str::from).collect())
}

fn bad(text: &str, why: &str) -> Error {
    Error::new(Code::PathSyntax, format!("cannot read path `{text}`: {why}"))
}

fn pointer_segments(text: &str) -> Result<Vec<String>> {
    text.split('/')
        .skip(1)
        .map(|raw| {
            let mut out = String::with_capacity(raw.len());
            let mut chars = raw.chars();
            while let Some(c) = chars.next() {
                out.push(match (c, c == '~') {
                    (_, true) => match chars.next() {
                        Some('0') => '~',
                        Some('1') => '/',
                        _ => return Err(bad(text, "`~` must be followed by `0` or `1`")),
                    },
                    (c, _) => c,
                });
            }
            Ok(out)
        })
        .collect()
}

fn dotted_segments(text: &str) -> Result<Vec<String>> {
    let mut segments = Vec::new();
    let mut segment = String::new();
    let mut escaped_any = false;
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => match chars.next() {
                Some(c @ ('.' | '\\' | '*' | '/')) => segment.push(c),
                Some('0') if segment.is_empty() => escaped_any = true,
                _ => return Err(bad(text, r"`\` must be followed by `.`, `\`, `*` or `/`")),
            },
            Some('*') => return Err(bad(text, r"`*` is for patterns; write `\*` for the character")),
            Some('.') | None if segment.is_empty() && !escaped_any => {
                return Err(bad(text, r"a segment is empty; write `\0` for the empty key"));
            }
            Some('.') => {
                segments.push(std::mem::take(&mut segment));
                escaped_any = false;
            }
            Some(_) if escaped_any => return Err(bad(text, r"`\0` stands for an empty key and must stand alone")),
            Some(c) => segment.push(c),
            None => {
                segments.push(segment);
                return Ok(segments);
            }
        }
    }
}

impl FromIterator<Str> for Path {
    fn from_iter<I: IntoIterator<Item = Str>>(segments: I) -> Path {
        let all: Arc<[Str]> = segments.into_iter().collect();
        Path { len: all.len(), all }
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.segments() == other.segments()
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.segments().hash(state);
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Path) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Path {
    /// Segment by segment in RFC 8785 key order, the order in which maps iterate; a parent comes before its children.
    fn cmp(&self, other: &Path) -> std::cmp::Ordering {
        let first = self
            .segments()
            .iter()
            .zip(other.segments().iter())
            .map(|(a, b)| compare_keys(a, b))
            .find(|order| order.is_ne());
        first.unwrap_or_else(|| self.len().cmp(&other.len()))
    }
}

impl fmt::Display for Path {
    /// The dotted form; [`Path::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments().iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            if segment.is_empty() {
                f.write_str("\\0")?;
            }
            for (i, c) in segment.chars().enumerate() {
                if matches!(c, '.' | '\\' | '*') || (c == '/' && at == 0 && i == 0) {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pointers_of_rfc_6901_section_5_name_their_keys() {
        let cases = [
            ("/foo/0", vec!["foo", "0"]),
            ("/", vec![""]),
            ("/a~1b", vec!["a/b"]),
            ("/c%d", vec!["c%d"]),
            ("/k\"l", vec!["k\"l"]),
            ("/ ", vec![" "]),
            ("/m~0n", vec!["m~n"]),
            ("/~01", vec!["~1"]),
        ];
        for (text, want) in cases {
            let path = Path::parse_pointer(text).unwrap();
            assert_eq!(path.segments(), want, "{text}");
            assert_eq!(path.to_pointer(), text);
        }
        assert!(Path::parse_pointer("").unwrap().is_root());
        assert!(Path::parse_pointer("a").is_err());
        assert!(Path::parse_pointer("/~2").is_err());
    }

    #[test]
    fn bad_paths_say_what_is_wrong() {
        for (text, why) in
            [("a..b", "empty"), (".a", "empty"), ("a.", "empty"), ("a.*", "patterns"), (r"a\x", "followed")]
        {
            let error = Path::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::PathSyntax);
            assert!(error.message().contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn both_forms_read_back_what_they_print(segments in prop::collection::vec("[a-c.*/\\\\~0 é]{0,4}", 1..5)) {
            let path: Path = segments.iter().map(|s| Str::from(s.as_str())).collect();
            prop_assert_eq!(Path::parse(&path.to_string()).unwrap(), path.clone());
            prop_assert_eq!(Path::parse(&path.to_pointer()).unwrap(), path);
        }
    }
}
