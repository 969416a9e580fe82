//! Digests of values: of equal values equal ones, on every instance and in every language, kept with each part.
//!
//! A change costs the digests of the parts that it touched, whatever else the document holds; the content hash, which others
//! can compute from the text alone, costs the whole document.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::{List, Value};
use crate::error::{Code, Error, Result};

/// The first 128 bits of SHA-256 over a value's shape and parts. Prints as `digest:` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

/// The start of every digest as text.
const NAME: &str = "digest:";

impl Digest {
    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The digest of a value. Parts that did not change since they were asked last cost nothing.
    pub fn of(value: &Value) -> Digest {
        match value {
            Value::Map(map) => map.digest(),
            Value::List(list) => list.digest(),
            scalar => {
                let mut hasher = Hasher::new(Part::Scalar);
                hasher.value(scalar);
                hasher.finish()
            }
        }
    }
}

/// What a digest is of, so that none of one kind can be taken for one of another.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Scalar = 0,
    List = 1,
    /// A map's entries, or a run of them.
    Entries = 2,
    /// The parts of a large map.
    Node = 3,
}

/// Collects what a digest is of.
pub(super) struct Hasher {
    bytes: Vec<u8>,
    hash: Sha256,
}

/// Bytes are handed to the hash in pieces of about so many.
const PIECE: usize = 4 << 10;

impl Hasher {
    pub(super) fn new(part: Part) -> Hasher {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(part as u8);
        Hasher { bytes, hash: Sha256::new() }
    }

    /// A text, with its length before it.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        if text.len() > PIECE {
            self.hand_over();
            self.hash.update(text.as_bytes());
        } else {
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// A value, by its digest where it keeps one.
    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Map(map) => self.digest(b'm', map.digest()),
            Value::List(list) => self.digest(b'l', list.digest()),
            Value::String(text) => {
                self.bytes.push(b's');
                self.text(text);
            }
            Value::Null => self.bytes.push(b'0'),
            Value::Bool(value) => self.bytes.push(if *value { b't' } else { b'f' }),
            // Numbers that print alike are alike.
            Value::Number(number) => {
                self.bytes.push(b'#');
                match (number.as_i64(), number.as_u64()) {
                    (Some(number), _) => self.text(&number.to_string()),
                    (None, Some(number)) => self.text(&number.to_string()),
                    (None, None) => self.text(ryu_js::Buffer::new().format_finite(number.as_f64())),
                }
            }
        }
        if self.bytes.len() > PIECE {
            self.hand_over();
        }
    }

    pub(super) fn digest(&mut self, kind: u8, digest: Digest) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&digest.0);
    }

    fn hand_over(&mut self) {
        self.hash.update(&self.bytes);
        self.bytes.clear();
    }

    pub(super) fn finish(mut self) -> Digest {
        self.hand_over();
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(self.hash.finalize()) {
            *to = from;
        }
        Digest(first)
    }
}

impl Value {
    /// The digest of this value: equal for equal values, and cheap after a change.
    ///
    /// ```
    /// use confmesh::Value;
    /// let value: Value = [("a", 1)].into_iter().collect();
    /// assert_eq!(value.digest(), [("a", 1)].into_iter().collect::<Value>().digest());
    /// assert!(value.digest().to_string().starts_with("digest:"));
    /// ```
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }
}

impl List {
    fn digest(&self) -> Digest {
        self.shared().digest(|items| {
            let mut hasher = Hasher::new(Part::List);
            items.iter().for_each(|item| hasher.value(item));
            hasher.finish()
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Digest> {
        let bad = || {
            Error::new(Code::Invalid, format!("`{}` is no digest", text.chars().take(80).collect::<String>()))
                .with_hint("a digest is `digest:` and 32 hexadecimal digits in lower case")
        };
        let digits = text.strip_prefix(NAME).filter(|digits| digits.len() == 32).ok_or_else(bad)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            let (Some(high), Some(low)) = (pair.first().copied().and_then(digit), pair.get(1).copied().and_then(digit))
            else {
                return Err(bad());
            };
            *byte = high << 4 | low;
        }
        Ok(Digest(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::value::Number;

    fn list(items: impl IntoIterator<Item = Value>) -> Value {
        items.into_iter().collect::<Vec<_>>().into()
    }

    fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
        entries.into_iter().collect()
    }

    #[test]
    fn equal_values_have_equal_digests_and_others_have_others() {
        let all = || -> Vec<Value> {
            vec![
                Value::Null,
                true.into(),
                false.into(),
                0.into(),
                1.into(),
                (-1).into(),
                Number::from_f64(1.5).unwrap().into(),
                "".into(),
                "1".into(),
                "null".into(),
                list([]),
                list([list([])]),
                map([]),
                map([("", map([]))]),
                map([("a", 1.into())]),
                map([("a", "1".into())]),
                map([("a", list([1.into()]))]),
                map([("a", list([1.into(), 2.into()]))]),
                map([("a", list([12.into()]))]),
                map([("a1", 2.into())]),
                list(["a".into(), 1.into()]),
                list([map([("a", 1.into())])]),
                map([("a", map([("b", 1.into())]))]),
                map([("a", 1.into()), ("b", 1.into())]),
                map([("ab", 1.into()), ("", 1.into())]),
            ]
        };
        for (at, a) in all().iter().enumerate() {
            for (other, b) in all().iter().enumerate() {
                assert_eq!(a.digest() == b.digest(), at == other, "{a:?} and {b:?}");
            }
        }
        let one = Value::from(Number::from_f64(1.0).unwrap());
        assert_eq!(one.digest(), Value::from(1).digest(), "they print alike");
    }

    #[test]
    fn a_change_leaves_no_digest_of_before() {
        let at = |index: i64| Path::parse(&format!("group{}.key{index}", index % 7)).unwrap();
        let mut all = Value::empty_map();
        let mut fresh = Value::empty_map();
        for index in 0..500_i64 {
            all = all.with(&at(index), index.into());
            fresh = fresh.with(&at(499 - index), "other".into());
        }
        let before = all.digest();
        let shared = all.clone();
        // In place, through every level, while somebody else holds the old one and while nobody does.
        for index in 0..500_i64 {
            let old = all.digest();
            all.put(at(index).segments(), "other".into());
            assert_ne!(all.digest(), old, "{index}");
        }
        assert_eq!(shared.digest(), before);
        assert_eq!(all.digest(), fresh.digest(), "however it came about");
        assert_eq!(all.without(&at(3)).with(&at(3), "other".into()).digest(), fresh.digest());
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = map([("a", 1.into())]).digest();
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        for bad in ["", "digest:", "sha256:00", &digest.to_string().to_uppercase(), &format!("{digest}0")] {
            assert_eq!(bad.parse::<Digest>().unwrap_err().code(), Code::Invalid, "{bad}");
        }
    }
}
