//! The atoms of the binary form: varints, lengths and texts, written and read.

use crate::error::{Code, Error, Result};
use crate::limits::{MAX_EXPANSION_BYTES, MAX_FRAME_BYTES};

/// Writes an unsigned number in groups of seven bits, the lowest first; the top bit says that more follow (LEB128).
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    put_varint(out, u64::try_from(count).unwrap_or(u64::MAX));
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Small numbers of either sign as small unsigned ones: 0, -1, 1, -2, …
pub(super) fn zigzag(number: i64) -> u64 {
    number.wrapping_shl(1).cast_unsigned() ^ (number >> 63).cast_unsigned()
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Bytes that nobody vouches for, read from the front.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes more may come of references to what was written before.
    expansion: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, expansion: MAX_EXPANSION_BYTES }
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number in its one shortest form.
    pub(super) fn varint(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if (shift == 63 && bits > 1) || (byte == 0 && shift > 0) {
                return Err(malformed("a number is not in its shortest form, or has more than 64 bits"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(malformed("a number has more than 64 bits"))
    }

    /// How many things follow that take at least `least` bytes each: no more than there are bytes for, so that memory can
    /// be set aside for them.
    pub(super) fn count(&mut self, least: usize) -> Result<usize> {
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if count > self.len() / least.max(1) {
            return Err(malformed("it counts more than it holds"));
        }
        Ok(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        let len = self.count(1)?;
        str::from_utf8(self.take(len)?).map_err(|_| malformed("a text is not UTF-8"))
    }

    /// Few bytes can stand for many by reference; what they come to is bounded before it is made.
    pub(super) fn expand(&mut self, bytes: usize) -> Result<()> {
        let left = self.expansion.checked_sub(bytes);
        self.expansion = left.ok_or_else(|| malformed("its references come to more than is allowed"))?;
        Ok(())
    }

    /// Everything must have been read; what is left is a part that only a newer version knows.
    pub(super) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(newer("a part")) }
    }
}

fn short() -> Error {
    malformed("it ends too early")
}

pub(in crate::protocol) fn malformed(why: &str) -> Error {
    Error::new(Code::Message, format!("malformed binary message: {why}"))
}

pub(super) fn newer(what: &str) -> Error {
    Error::new(Code::Message, format!("a binary message carries {what} that this version does not know"))
        .with_hint("upgrade this instance to the version of the others")
}

pub(in crate::protocol) fn too_large(len: usize) -> Error {
    Error::new(Code::TooLarge, format!("a message has {len} bytes, at most {MAX_FRAME_BYTES} are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form_and_come_back_from_it() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]);
        for number in edges {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint().unwrap(), number);
            assert_eq!(reader.len(), 0);
            assert_eq!(unzigzag(zigzag(number.cast_signed())), number.cast_signed());
        }
    }

    #[test]
    fn longer_forms_of_a_number_are_refused() {
        for bytes in [&[0x80, 0x00][..], &[0xFF, 0x80, 0x00], &[0xFF; 10], &[0xFF; 11], &[0x80], &[]] {
            assert_eq!(Reader::new(bytes).varint().unwrap_err().code(), Code::Message, "{bytes:?}");
        }
        let largest = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        assert_eq!(Reader::new(&largest).varint().unwrap(), u64::MAX);
    }
}
