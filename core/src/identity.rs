//! Keys: who somebody is that nobody else can claim to be.
//!
//! An instance has an Ed25519 key (RFC 8032). Its id is a hash of the public key, and so is every name that it writes under,
//! with a number of that incarnation, so a name says whose it is without anybody keeping a list. Whoever is greeted gives a
//! number that was never used before, and believes of names what comes with a signature of it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::id::{Genesis, InstanceId, ReplicaId};

/// How many bytes of a name are its incarnation; the others are of the hash.
const INCARNATION: usize = 6;
/// What is signed of a frame begins with this, so that it can stand for nothing else.
const FRAME: &[u8] = b"confmesh frame 1";

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// A number that is used once, by whoever wants to know with whom it speaks.
pub type Nonce = [u8; 16];

/// A signature.
pub type Proof = [u8; 64];

/// The key of one instance: whoever has it is this instance.
#[derive(Clone)]
pub struct Key {
    #[cfg(feature = "replication")]
    secret: ed25519_dalek::SigningKey,
    public: PublicKey,
}

/// What one side of a connection says of itself, and proves once it knows what it has to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Its key.
    pub key: PublicKey,
    /// What the other side has to sign.
    pub nonce: Nonce,
    /// Its signature, once it knows the nonce and the key of the other side.
    pub proof: Option<Proof>,
}

/// Both sides of one connection, in the order in which they say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Who is to be believed.
    pub speaker: (PublicKey, Nonce),
    /// Who asked for it.
    pub listener: (PublicKey, Nonce),
    /// Whether the speaker dialed the listener. Without, what one side signed could be played back by the other one.
    pub is_dialer: bool,
}

impl Meeting {
    fn text(&self) -> Vec<u8> {
        let role: &[u8] = if self.is_dialer { b"confmesh hello 1 dialer" } else { b"confmesh hello 1 listener" };
        let (speaker, listener) = (&self.speaker, &self.listener);
        [role, &speaker.0.0, &speaker.1, &listener.0.0, &listener.1].concat()
    }
}

/// What a writer's key signs of a member of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The document.
    pub genesis: Genesis,
    /// The name of the member.
    pub member: ReplicaId,
    /// The number of its last write; none where it joins.
    pub last: Option<u64>,
    /// The former name whose place it takes, where it joins by its own word.
    pub former: Option<ReplicaId>,
}

impl Membership {
    fn text(&self) -> Vec<u8> {
        let what: &[u8] = if self.last.is_some() { b"confmesh leaves 1" } else { b"confmesh joins 1" };
        let last = self.last.unwrap_or_default().to_be_bytes();
        let former = self.former.as_ref().map_or(&[][..], |former| former.as_bytes());
        [what, self.genesis.as_bytes(), self.member.as_bytes(), &last, former].concat()
    }
}

impl Key {
    /// The key of a seed: of 32 bytes of entropy, or those that were stored when it was made.
    pub fn from_seed(seed: &[u8; 32]) -> Key {
        #[cfg(feature = "replication")]
        {
            let secret = ed25519_dalek::SigningKey::from_bytes(seed);
            let public = PublicKey(secret.verifying_key().to_bytes());
            Key { secret, public }
        }
        #[cfg(not(feature = "replication"))]
        Key { public: PublicKey(*seed) }
    }

    /// What others know of it.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Proves to the listener of a meeting that the speaker has this key. None in a build without the feature
    /// `replication`, which has nothing to prove.
    pub fn prove(&self, meeting: &Meeting) -> Option<Proof> {
        self.sign(&meeting.text())
    }

    /// Signs that a replica is a member, or no longer. None in a build without the feature `replication`.
    pub fn sign_member(&self, membership: &Membership) -> Option<Proof> {
        self.sign(&membership.text())
    }

    /// Signs a frame that goes over a bus. None in a build without the feature `replication`.
    pub fn sign_frame(&self, frame: &[u8]) -> Option<Proof> {
        self.sign(&[FRAME, frame].concat())
    }

    fn sign(&self, text: &[u8]) -> Option<Proof> {
        #[cfg(feature = "replication")]
        {
            use ed25519_dalek::Signer;
            Some(self.secret.sign(text).to_bytes())
        }
        #[cfg(not(feature = "replication"))]
        {
            let _ = text;
            None
        }
    }
}

impl fmt::Debug for Key {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public)
    }
}

impl PublicKey {
    /// A key of its 32 bytes, whether or not anybody can sign for it.
    pub const fn from_bytes(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of the instance that has this key.
    pub fn instance(&self) -> InstanceId {
        InstanceId::from_bytes(self.hash(b"confmesh instance 1", &[]))
    }

    /// The name of one incarnation: 10 bytes of the hash of key and incarnation, then the incarnation.
    pub fn name(&self, incarnation: [u8; INCARNATION]) -> ReplicaId {
        let mut name = self.hash(b"confmesh author 1", &incarnation);
        name.iter_mut().rev().zip(incarnation.iter().rev()).for_each(|(to, from)| *to = *from);
        ReplicaId::from_bytes(name)
    }

    /// Whether a name is one of this key's.
    pub fn has_name(&self, name: ReplicaId) -> bool {
        let mut incarnation = [0; INCARNATION];
        incarnation.iter_mut().rev().zip(name.as_bytes().iter().rev()).for_each(|(to, from)| *to = *from);
        self.name(incarnation) == name
    }

    /// Whether the speaker of a meeting signed for this key.
    pub fn proves(&self, meeting: &Meeting, proof: &Proof) -> bool {
        self.signed(&meeting.text(), proof)
    }

    /// Whether whoever has this key signed that.
    pub fn signed_member(&self, membership: &Membership, proof: &Proof) -> bool {
        self.signed(&membership.text(), proof)
    }

    /// Whether whoever has this key signed that frame.
    pub fn signed_frame(&self, frame: &[u8], proof: &Proof) -> bool {
        self.signed(&[FRAME, frame].concat(), proof)
    }

    fn signed(&self, text: &[u8], proof: &Proof) -> bool {
        #[cfg(feature = "replication")]
        {
            let signature = ed25519_dalek::Signature::from_bytes(proof);
            let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0);
            // Strict, so that no key of small order signs for everything.
            key.is_ok_and(|key| key.verify_strict(text, &signature).is_ok())
        }
        #[cfg(not(feature = "replication"))]
        {
            let _ = (text, proof);
            false
        }
    }

    fn hash(&self, what: &[u8], more: &[u8]) -> [u8; 16] {
        let digest: [u8; 32] =
            Sha256::new().chain_update(what).chain_update(self.0).chain_update(more).finalize().into();
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_seed(&[byte; 32])
    }

    fn meeting() -> Meeting {
        Meeting { speaker: (key(1).public(), [1; 16]), listener: (key(2).public(), [2; 16]), is_dialer: true }
    }

    #[test]
    fn a_name_belongs_to_the_key_that_made_it_and_to_no_other() {
        let (mine, other) = (key(1).public(), key(2).public());
        for incarnation in [[0; 6], [255; 6], [1, 2, 3, 4, 5, 6]] {
            let name = mine.name(incarnation);
            assert!(mine.has_name(name) && !other.has_name(name));
            assert_eq!(name.as_bytes()[10..], incarnation);
        }
        assert!(!mine.has_name(ReplicaId::from_bytes([7; 16])), "a name from before there were keys");
        assert_ne!(mine.name([0; 6]), mine.name([1; 6]));
        assert_ne!(mine.instance(), other.instance());
        assert_eq!(format!("{:?}", key(1)), format!("Key({mine})"));
    }

    #[test]
    fn a_proof_holds_for_one_meeting_alone() {
        let said = meeting();
        let proof = key(1).prove(&said).unwrap();
        assert!(said.speaker.0.proves(&said, &proof));
        let others = [
            Meeting { is_dialer: false, ..said },
            Meeting { speaker: (said.speaker.0, [9; 16]), ..said },
            Meeting { listener: (said.listener.0, [9; 16]), ..said },
            Meeting { listener: (key(3).public(), [2; 16]), ..said },
        ];
        assert!(others.iter().all(|other| !said.speaker.0.proves(other, &proof)));
        assert!(!key(2).public().proves(&said, &proof));
        let mut broken = proof;
        broken[3] ^= 1;
        assert!(!said.speaker.0.proves(&said, &broken));
        // Keys that nobody has: of small order, and no point at all.
        for bytes in [[0; 32], [255; 32]] {
            let nobody = PublicKey::from_bytes(bytes);
            assert!(!nobody.proves(&said, &proof) && !nobody.proves(&said, &[0; 64]));
        }
    }

    #[test]
    fn a_signature_of_a_member_holds_for_one_document_one_name_and_one_number() {
        let said = Membership {
            genesis: Genesis::from_bytes([1; 16]),
            member: key(2).public().name([0; 6]),
            last: Some(0),
            former: None,
        };
        let proof = key(1).sign_member(&said).unwrap();
        assert!(key(1).public().signed_member(&said, &proof));
        let others = [
            Membership { genesis: Genesis::from_bytes([2; 16]), ..said },
            Membership { member: key(2).public().name([1; 6]), ..said },
            Membership { last: Some(1), ..said },
            Membership { last: None, ..said },
            Membership { former: Some(key(2).public().name([0; 6])), ..said },
        ];
        assert!(others.iter().all(|other| !key(1).public().signed_member(other, &proof)));
        assert!(!key(2).public().signed_member(&said, &proof));
    }

    #[test]
    fn the_key_of_a_seed_is_that_of_rfc_8032() {
        let read = |text: &str| -> Vec<u8> {
            let digits = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            text.as_bytes().chunks(2).map(digits).collect()
        };
        let seed = read("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = Key::from_seed(&seed.try_into().unwrap());
        assert_eq!(key.public().to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    }
}
