//! One record: what was stored, behind a checksum over its key and itself.
use redb::{TypeName, Value};
use xxhash_rust::xxh3::Xxh3;

/// How long the checksum is.
const CHECKSUM_BYTES: usize = size_of::<u64>();

/// The type of stored records. It has a name of its own, so that a version which knows no checksums refuses the table.
#[derive(Debug)]
pub(super) struct Checked;

impl Value for Checked {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        None
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
    where
        Self: 'b,
    {
        value
    }

    fn type_name() -> TypeName {
        TypeName::new("confmesh::checked")
    }
}

fn checksum(key: &[u8], bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3::new();
    // With its length, so that what moves from the key into the value is another record.
    hasher.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(key);
    hasher.update(bytes);
    hasher.digest().to_le_bytes()
}

/// The record as it is stored.
pub(super) fn seal(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    [checksum(key, bytes).as_slice(), bytes].concat()
}

/// What a stored record holds; `None` where it is not what was stored.
pub(super) fn unseal<'a>(key: &[u8], stored: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, bytes) = stored.split_at_checked(CHECKSUM_BYTES)?;
    (sum == checksum(key, bytes)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_key_checksum_or_value_is_found() {
        let (key, bytes) = (b"doc/default/default/write/1".to_vec(), b"{\"value\":1}".to_vec());
        let stored = seal(&key, &bytes);
        assert_eq!(unseal(&key, &stored), Some(bytes.as_slice()));
        for bit in 0..8 * stored.len() {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&key, &flipped), None, "bit {bit} of the record");
        }
        for bit in 0..8 * key.len() {
            let mut flipped = key.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&flipped, &stored), None, "bit {bit} of the key");
        }
        assert_eq!(unseal(&key, &stored[..4]), None, "a record that is cut off");
    }
}
