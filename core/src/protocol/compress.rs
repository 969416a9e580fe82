//! Frames made smaller (raw deflate, RFC 1951), and read back without trusting their length.

#[cfg(feature = "deflate")]
use miniz_oxide::inflate::TINFLStatus;
#[cfg(feature = "deflate")]
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::binary::bytes::malformed;
use crate::error::Result;
use crate::limits::{MAX_INFLATE_RATIO, MAX_INFLATED_BYTES};

/// Whether this build can do it; without, no peer is told that it may.
pub(super) const IS_AVAILABLE: bool = cfg!(feature = "deflate");

/// Beyond this level deflate takes several times as long for a few percent.
#[cfg(feature = "deflate")]
const LEVEL: u8 = 6;

/// The compressed form of what is longer than it; none where that gains nothing, or where the other side would refuse it.
#[cfg(feature = "deflate")]
pub(super) fn deflate(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.len() > MAX_INFLATED_BYTES {
        return None;
    }
    let compressed = miniz_oxide::deflate::compress_to_vec(plain, LEVEL);
    let is_smaller = compressed.len() + 8 < plain.len();
    (is_smaller && plain.len() <= compressed.len().saturating_mul(MAX_INFLATE_RATIO)).then_some(compressed)
}

/// What was compressed, which has to be exactly `len` bytes.
///
/// # Errors
/// [`crate::Code::Message`]; memory is set aside only where `len` is within what is allowed for so many bytes.
#[cfg(feature = "deflate")]
pub(super) fn inflate(compressed: &[u8], len: u64) -> Result<Vec<u8>> {
    let allowed = compressed.len().saturating_mul(MAX_INFLATE_RATIO).min(MAX_INFLATED_BYTES);
    let len = usize::try_from(len).ok().filter(|len| *len <= allowed);
    let len = len.ok_or_else(|| malformed("it would come to more bytes than is allowed"))?;
    let mut plain = vec![0; len];
    let (status, read, filled) = decompress(
        &mut DecompressorOxide::default(),
        compressed,
        &mut plain,
        0,
        inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
    );
    if (status, read, filled) == (TINFLStatus::Done, compressed.len(), len) {
        Ok(plain)
    } else {
        Err(malformed("it cannot be decompressed to the length that it names"))
    }
}

#[cfg(not(feature = "deflate"))]
pub(super) fn deflate(_: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(not(feature = "deflate"))]
pub(super) fn inflate(_: &[u8], _: u64) -> Result<Vec<u8>> {
    let _ = (MAX_INFLATE_RATIO, MAX_INFLATED_BYTES);
    Err(malformed("this build reads no compressed messages"))
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_gets_smaller_and_comes_back() {
        let plain: Vec<u8> = (0..2_000u32).flat_map(|at| format!("key-{at}=value;").into_bytes()).collect();
        let compressed = deflate(&plain).unwrap();
        assert!(compressed.len() * 3 < plain.len(), "{} of {}", compressed.len(), plain.len());
        assert_eq!(inflate(&compressed, plain.len() as u64).unwrap(), plain);
    }

    #[test]
    fn what_does_not_get_smaller_or_gets_too_small_is_left_as_it_is() {
        let mut random = crate::testing::Random::of(1);
        let noise: Vec<u8> = (0..4_096).map(|_| random.below(256) as u8).collect();
        assert_eq!(deflate(&noise), None);
        assert_eq!(deflate(&vec![0; 1 << 20]), None);
        assert_eq!(deflate(&vec![0; MAX_INFLATED_BYTES + 1]), None);
    }

    #[test]
    fn a_bomb_is_refused_before_memory_is_spent_on_it() {
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 64 << 20], 9);
        assert!(bomb.len() < 100_000);
        for claimed in [64 << 20, MAX_INFLATED_BYTES as u64 + 1, u64::MAX] {
            assert!(inflate(&bomb, claimed).unwrap_err().message().contains("more bytes than is allowed"), "{claimed}");
        }
        // A length that is allowed does not make it fit.
        assert!(inflate(&bomb, 1 << 20).unwrap_err().message().contains("length"));
    }

    #[test]
    fn a_wrong_length_and_cut_off_bytes_are_refused() {
        let plain = b"configuration ".repeat(100);
        let compressed = deflate(&plain).unwrap();
        for len in [0, plain.len() as u64 - 1, plain.len() as u64 + 1] {
            assert!(inflate(&compressed, len).is_err(), "{len}");
        }
        let longer = [&compressed[..], &[0]].concat();
        assert!(inflate(&longer, plain.len() as u64).is_err());
        for cut in 0..compressed.len() {
            assert!(inflate(&compressed[..cut], plain.len() as u64).is_err(), "{cut}");
        }
    }
}
