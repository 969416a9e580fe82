//! Strings of the value model: O(1) to clone, short ones stored inline.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use smol_str::SmolStr;

/// Immutable text; cloning is O(1) and up to 23 bytes live inline.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Str(SmolStr);

impl Str {
    pub(crate) const EMPTY: Str = Str(SmolStr::new_inline(""));

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str(SmolStr::new(text))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str(SmolStr::from(text))
    }
}

impl From<&Str> for Str {
    fn from(text: &Str) -> Str {
        text.clone()
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Str) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    /// Byte order (as `str`), so that `Borrow<str>` holds; maps use [`compare_keys`].
    fn cmp(&self, other: &Str) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Compares keys by UTF-16 code units, the order of RFC 8785 section 3.2.3.
///
/// UTF-8 bytes order by code point, which differs only where an astral character (lead byte F0 and above, a surrogate
/// pair in UTF-16) meets U+E000 to U+FFFF (lead byte EE or EF): there the astral one comes first.
pub fn compare_keys(a: &str, b: &str) -> Ordering {
    let (whole, other_whole) = (a.as_bytes(), b.as_bytes());
    let (mut a, mut b) = (whole, other_whole);
    while let (Some((x, rest)), Some((y, other))) = (a.split_first_chunk::<8>(), b.split_first_chunk::<8>()) {
        if x != y {
            return compare_words(u64::from_be_bytes(*x), u64::from_be_bytes(*y));
        }
        (a, b) = (rest, other);
    }
    if a.len() == b.len()
        && let (Some(x), Some(y)) = (whole.last_chunk::<8>(), other_whole.last_chunk::<8>())
    {
        return compare_words(u64::from_be_bytes(*x), u64::from_be_bytes(*y));
    }
    // One of them has less than a word left: where the words are equal, that one ends first.
    compare_words(first_word(a), first_word(b)).then_with(|| a.len().cmp(&b.len()))
}

/// The first eight bytes as a number, with zeros behind those that are there.
#[inline]
fn first_word(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let missing = u32::try_from(8 * 8_usize.saturating_sub(bytes.len())).unwrap_or(0);
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two overlap.
        return u64::from(u32::from_be_bytes(*first)) << 32
            | u64::from(u32::from_be_bytes(*last)).checked_shl(missing).unwrap_or(0);
    }
    bytes.iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte)).checked_shl(missing).unwrap_or(0)
}

/// Compares eight bytes of two keys.
#[inline]
fn compare_words(a: u64, b: u64) -> Ordering {
    if (a | b) & every(0x80) == 0 {
        return a.cmp(&b);
    }
    a.to_be_bytes().map(utf16_rank).cmp(&b.to_be_bytes().map(utf16_rank))
}

/// A key with its [`key_prefix`], for comparing it with many others.
#[derive(Clone, Copy)]
pub(crate) struct Probe<'k> {
    prefix: u128,
    key: &'k str,
}

impl<'k> Probe<'k> {
    #[inline]
    pub(crate) fn of(key: &'k str) -> Probe<'k> {
        Probe { prefix: key_prefix(key), key }
    }

    /// How another key compares with this one, see [`compare_keys`].
    #[inline]
    pub(crate) fn order_of(self, other: &str) -> Ordering {
        match key_prefix(other).cmp(&self.prefix) {
            // What follows the shorter one are zeros.
            Ordering::Equal if other.len() <= PREFIX && self.key.len() <= PREFIX => other.len().cmp(&self.key.len()),
            Ordering::Equal => compare_keys(other, self.key),
            order => order,
        }
    }
}

/// How many bytes of a key [`key_prefix`] tells: two of one prefix and one length up to this are the same.
pub(crate) const PREFIX: usize = 16;

/// The start of a key as one number: of two keys with different ones the lower comes first (see [`compare_keys`]).
#[inline]
pub(crate) fn key_prefix(key: &str) -> u128 {
    let bytes = key.as_bytes();
    let missing = |whole: usize| u32::try_from(8 * whole.saturating_sub(bytes.len())).unwrap_or(0);
    let prefix = if let Some(first) = bytes.first_chunk::<16>() {
        u128::from_be_bytes(*first)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        // The two overlap; a shift by all 64 bits leaves nothing.
        let rest = u64::from_be_bytes(*last).checked_shl(missing(16)).unwrap_or(0);
        u128::from(u64::from_be_bytes(*first)) << 64 | u128::from(rest)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let rest = u32::from_be_bytes(*last).checked_shl(missing(8)).unwrap_or(0);
        u128::from(u32::from_be_bytes(*first)) << 96 | u128::from(rest) << 64
    } else {
        let short = bytes.iter().fold(0u128, |prefix, byte| prefix << 8 | u128::from(*byte));
        short.checked_shl(missing(16)).unwrap_or(0)
    };
    const NOT_ASCII: u128 = u128::from_be_bytes([0x80; 16]);
    if prefix & NOT_ASCII == 0 { prefix } else { u128::from_be_bytes(prefix.to_be_bytes().map(utf16_rank)) }
}

/// How many bytes come before the first that JSON writes with an escape, or ends a string with.
#[inline]
pub(crate) fn plain_start(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = escapes(*word);
        if found != 0 {
            return 8 * at + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && **byte != b'"' && **byte != b'\\';
    8 * words.len() + rest.iter().take_while(is_plain).count()
}

/// Whether JSON writes all of it as it is: eight bytes at once, the last ones together with some of those before.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().chain([last]).all(|word| escapes(*word) == 0)
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        escapes([*a, *b, *c, *d, *e, *f, *g, *h]) == 0
    } else {
        plain_start(bytes) == bytes.len()
    }
}

/// The highest bit of the first byte that is a control character, a quote or a backslash, and maybe bits of bytes after it.
#[inline]
fn escapes(bytes: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    let below = |word: u64, bound: u8| word.wrapping_sub(every(bound)) & !word & every(0x80);
    below(word, 0x20) | below(word ^ every(b'"'), 1) | below(word ^ every(b'\\'), 1)
}

const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Bytes of UTF-8 in the order of UTF-16: lead bytes of surrogate pairs before EE and EF.
fn utf16_rank(byte: u8) -> u8 {
    match byte {
        0xF0.. => byte - 2,
        0xEE..=0xEF => byte + 0x10,
        _ => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prefixes_order_as_keys_do(a in "[ab\u{0}é\u{d7ff}\u{e000}\u{fb33}😀]{0,20}", b in "[ab\u{0}é\u{d7ff}\u{e000}\u{fb33}😀]{0,20}", shared in "[a-z]{0,18}") {
            for (a, b) in [(a.clone(), b.clone()), (shared.clone() + &a, shared + &b)] {
                let order = key_prefix(&a).cmp(&key_prefix(&b));
                prop_assert!(order.is_eq() || order == compare_keys(&a, &b), "{a:?} {b:?}");
                prop_assert_eq!(Probe::of(&b).order_of(&a), compare_keys(&a, &b), "{:?} {:?}", a, b);
                prop_assert_eq!(compare_keys(&a, &b), a.encode_utf16().cmp(b.encode_utf16()), "{:?} {:?}", a, b);
                prop_assert!(order.is_ne() || a.len() != b.len() || a.len() > PREFIX || a == b, "{a:?} {b:?}");
            }
        }

        #[test]
        fn what_is_plain_needs_no_escape(text in "[a\u{0}\u{1f} !\"#\\[\\\\\\]é\u{7f}😀]{0,20}", plain in "[a-zé]{0,20}") {
            let needs = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
            for text in [text.clone(), plain.clone(), plain + &text] {
                let start = text.bytes().position(needs).unwrap_or(text.len());
                prop_assert_eq!(plain_start(text.as_bytes()), start, "{:?}", text);
                prop_assert_eq!(is_plain(text.as_bytes()), start == text.len(), "{:?}", text);
            }
        }
    }

    #[test]
    fn keys_compare_as_their_utf16_units_do() {
        let samples =
            ["", "a", "ab", "é", "\u{20ac}", "\u{d7ff}", "\u{e000}", "\u{fb33}", "\u{ffff}", "😀", "😀a", "\u{10ffff}"];
        for a in samples {
            for b in samples {
                assert_eq!(compare_keys(a, b), a.encode_utf16().cmp(b.encode_utf16()), "{a:?} {b:?}");
            }
        }
    }
}
