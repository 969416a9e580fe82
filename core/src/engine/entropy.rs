//! Random choices from one seed: the core never asks the system for randomness.

use sha2::{Digest, Sha256};

/// A stream of ids from a seed: SHA-256 over seed and counter.
#[derive(Clone, Debug)]
pub(super) struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl Entropy {
    pub(super) fn new(seed: [u8; 32]) -> Entropy {
        Entropy { seed, counter: 0 }
    }

    /// A seed of its own, which does not change what follows.
    pub(super) fn fork(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"confmesh key").chain_update(self.seed).finalize().into()
    }

    /// The next 16 bytes, for an id.
    pub(super) fn next_id(&mut self) -> [u8; 16] {
        self.counter += 1;
        let digest: [u8; 32] =
            Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize().into();
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }
}
