//! Canonical text (RFC 8785) and the content hash over it.
//!
//! Equal values have equal texts and equal hashes, on every instance and in every language. The one deviation from
//! RFC 8785: integers of 64 bits print in full instead of as doubles.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::value::{Digest as ValueDigest, Value, Walk, is_plain};

/// The canonical text of a value: RFC 8785, integers of 64 bits in full.
///
/// ```
/// use confmesh::canonical::canonical;
/// let value: confmesh::Value = [("b", 1), ("a", 2)].into_iter().collect();
/// assert_eq!(canonical(&value), r#"{"a":2,"b":1}"#);
/// ```
pub fn canonical(value: &Value) -> String {
    let mut out = String::with_capacity(256);
    write_canonical(value, &mut out);
    out
}

/// Appends the canonical text of a value to `out`.
pub fn write_canonical(value: &Value, out: &mut String) {
    write(value, out, &mut None);
}

/// As [`write_canonical`]; a hash takes what was written in pieces that stay in the nearest cache.
fn write(value: &Value, out: &mut String, hash: &mut Option<Sha256>) {
    const PIECE: usize = 8 << 10;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => write_integer(int.unsigned_abs(), int < 0, out),
            (None, Some(int)) => write_integer(int, false, out),
            // A number of neither kind is a finite float.
            (None, None) => out.push_str(ryu_js::Buffer::new().format_finite(number.as_f64())),
        },
        Value::String(text) => write_string(text, out),
        Value::List(list) => {
            let mut open = "[";
            for item in list.iter() {
                out.push_str(open);
                write(item, out, hash);
                open = ",";
            }
            out.push_str(if list.is_empty() { "[]" } else { "]" });
        }
        Value::Map(map) => {
            let mut open = "{\"";
            let mut entries = Walk::default();
            entries.enter(map);
            while let Some((key, child)) = entries.next() {
                out.push_str(open);
                write_escaped(key, out);
                out.push_str("\":");
                write(child, out, hash);
                open = ",\"";
            }
            out.push_str(if map.is_empty() { "{}" } else { "}" });
        }
    }
    if out.len() > PIECE
        && let Some(hash) = hash
    {
        hash.update(out.as_bytes());
        out.clear();
    }
}

/// Appends an integer, without the cost of the formatting machinery.
fn write_integer(mut rest: u64, negative: bool, out: &mut String) {
    let mut digits = [0u8; 20];
    let mut length = 0;
    for slot in digits.iter_mut().rev() {
        // The remainder is below 10.
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        length += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if negative {
        out.push('-');
    }
    let text = digits.get(digits.len() - length..).and_then(|digits| std::str::from_utf8(digits).ok());
    out.push_str(text.unwrap_or_default());
}

/// Appends a JSON string with the escapes of RFC 8785 section 3.2.2.2 and no others.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    write_escaped(text, out);
    out.push('"');
}

#[inline]
fn write_escaped(text: &str, out: &mut String) {
    if is_plain(text.as_bytes()) { out.push_str(text) } else { write_escapes(text, out) }
}

fn write_escapes(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// The SHA-256 of a value's canonical text. Prints as `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Wraps the 32 bytes of a digest.
    pub fn from_bytes(bytes: [u8; 32]) -> ContentHash {
        ContentHash(bytes)
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The content hash of a value.
pub fn content_hash(value: &Value) -> ContentHash {
    let (mut out, mut hash) = (String::with_capacity(256), Some(Sha256::new()));
    write(value, &mut out, &mut hash);
    let rest = hash.unwrap_or_default().chain_update(&out);
    ContentHash(rest.finalize().into())
}

/// The hash of a text as it is, to know it again without keeping it.
pub fn text_hash(text: &str) -> ContentHash {
    ContentHash(Sha256::digest(text).into())
}

impl FromStr for ContentHash {
    type Err = Error;

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<ContentHash> {
        let read = || {
            let digits = text.strip_prefix("sha256:")?;
            if digits.len() != 64 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return None;
            }
            let mut bytes = [0; 32];
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
            }
            Some(ContentHash(bytes))
        };
        read().ok_or_else(|| {
            Error::new(Code::Invalid, format!("`{text}` is no content hash"))
                .with_hint("a content hash is `sha256:` and 64 lower-case hexadecimal digits")
        })
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What names a document as it is: a digest, which costs what a change touches, or the content hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentTag {
    /// What ETags and receipts say.
    Digest(ValueDigest),
    /// What anybody can compute from the text.
    Hash(ContentHash),
}

impl fmt::Display for ContentTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentTag::Digest(digest) => digest.fmt(f),
            ContentTag::Hash(hash) => hash.fmt(f),
        }
    }
}

impl FromStr for ContentTag {
    type Err = Error;

    fn from_str(text: &str) -> Result<ContentTag> {
        if text.starts_with("digest:") {
            return text.parse().map(ContentTag::Digest);
        }
        text.parse().map(ContentTag::Hash)
    }
}

impl From<ContentHash> for ContentTag {
    fn from(hash: ContentHash) -> ContentTag {
        ContentTag::Hash(hash)
    }
}

impl From<ValueDigest> for ContentTag {
    fn from(digest: ValueDigest) -> ContentTag {
        ContentTag::Digest(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Number;

    #[test]
    fn strings_escape_exactly_what_rfc_8785_says() {
        let text = "\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{8}\t\u{c}\r\u{1f}\u{7f}\u{2028}😀";
        assert_eq!(
            canonical(&text.into()),
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\b\\t\\f\\r\\u001f\u{7f}\u{2028}😀\""
        );
    }

    #[test]
    fn keys_come_in_the_order_of_rfc_8785_section_3_2_3() {
        let keys = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let value: Value = keys.into_iter().map(|key| (key, 0)).collect();
        assert_eq!(
            canonical(&value),
            "{\"\\r\":0,\"1\":0,\"\u{80}\":0,\"\u{f6}\":0,\"\u{20ac}\":0,\"\u{1f600}\":0,\"\u{fb33}\":0}"
        );
    }

    #[test]
    fn numbers_print_as_rfc_8785_appendix_b_does() {
        let cases: [(u64, &str); 14] = [
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x8000_0000_0000_0000, "0"),
        ];
        for (bits, text) in cases {
            assert_eq!(canonical(&Number::from_f64(f64::from_bits(bits)).unwrap().into()), text);
        }
        assert_eq!(canonical(&u64::MAX.into()), "18446744073709551615");
        assert_eq!(canonical(&i64::MIN.into()), "-9223372036854775808");
    }

    #[test]
    fn a_hash_reads_back_what_it_prints() {
        let hash = content_hash(&Value::empty_map());
        assert_eq!(hash.to_string(), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
        for bad in ["", "sha256:", "44136f", &hash.to_string().to_uppercase(), &format!("{hash}0")] {
            assert_eq!(bad.parse::<ContentHash>().unwrap_err().code(), Code::Invalid, "{bad}");
        }
    }
}
