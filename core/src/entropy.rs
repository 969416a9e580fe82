//! Random choices from one seed: the core never asks the system for randomness.

use sha2::{Digest, Sha256};

/// A stream of ids from a seed: SHA-256 over seed and counter.
#[derive(Clone, Debug)]
pub(crate) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Entropy {
        Entropy { seed, counter: 0 }
    }

    /// A seed of its own, which does not change what follows.
    pub(crate) fn fork(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"confmesh key").chain_update(self.seed).finalize().into()
    }

    /// The next 16 bytes, for an id.
    pub(crate) fn next_id(&mut self) -> [u8; 16] {
        self.counter += 1;
        let digest: [u8; 32] =
            Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize().into();
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }

    /// The next number, uniform over all of them.
    pub(crate) fn next_number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.next_id();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number below `bound`; 0 where that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is uniform over 0..bound.
        u64::try_from((u128::from(self.next_number()) * u128::from(bound)) >> 64).unwrap_or(0)
    }
}
