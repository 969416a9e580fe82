//! What goes over a bus: one frame each, signed by the key of the instance that sends it.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `cmb1` |
//! | 1 | 1 digests, 2 writes for all, 3 a piece of a message to one instance |
//! | 32 | the public key of the sender, whose hash is its instance id |
//! | 8 | its start: another one each time |
//! | 8 | the number of the frame, among those for all or among those for one |
//! | … | the body |
//! | 64 | the signature of all before it |

use super::bytes::{Reader, malformed};
use super::digest::{self, Digest};
use crate::error::Result;
use crate::id::InstanceId;
use crate::identity::{Key, PublicKey};

const MAGIC: &[u8; 4] = b"cmb1";
const DIGESTS: u8 = 1;
const WRITES: u8 = 2;
const PIECE: u8 = 3;
const SIGNATURE: usize = 64;

/// The name of a link: who dialed chose it.
pub(super) type LinkName = [u8; 8];

#[derive(Debug, PartialEq)]
pub(super) struct Envelope<'a> {
    pub(super) key: PublicKey,
    pub(super) start: [u8; 8],
    pub(super) number: u64,
    pub(super) body: Body<'a>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Body<'a> {
    /// What the sender has.
    Digests(Vec<Digest>),
    /// A message with writes, for everybody who has what came before them.
    Writes(&'a [u8]),
    Piece(Piece<'a>),
}

/// Part of a message of a link between two instances.
#[derive(Debug, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) to: InstanceId,
    pub(super) link: LinkName,
    /// Whether the sender dialed.
    pub(super) is_dialer: bool,
    /// Whether the link ends with it.
    pub(super) closes: bool,
    /// The number of the message, of the piece in it, and of its pieces.
    pub(super) message: u32,
    pub(super) at: u16,
    pub(super) count: u16,
    pub(super) bytes: &'a [u8],
}

impl Envelope<'_> {
    /// The bytes of the frame; none where this build cannot sign.
    pub(super) fn encode(&self, key: &Key) -> Option<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        out.push(match self.body {
            Body::Digests(_) => DIGESTS,
            Body::Writes(_) => WRITES,
            Body::Piece(_) => PIECE,
        });
        out.extend(self.key.as_bytes());
        out.extend(self.start);
        out.extend(self.number.to_be_bytes());
        match &self.body {
            Body::Digests(digests) => digest::put(&mut out, digests),
            Body::Writes(bytes) => out.extend(*bytes),
            Body::Piece(piece) => {
                out.extend(piece.to.as_bytes());
                out.extend(piece.link);
                out.push(u8::from(piece.is_dialer) | (u8::from(piece.closes) << 1));
                out.extend(piece.message.to_be_bytes());
                out.extend(piece.at.to_be_bytes());
                out.extend(piece.count.to_be_bytes());
                out.extend(piece.bytes);
            }
        }
        let signature = key.sign_frame(&out)?;
        out.extend(signature);
        Some(out)
    }
}

/// Who says to have sent a frame, and at which of its starts; nothing is believed of it.
pub(super) fn sender(frame: &[u8]) -> Option<(PublicKey, [u8; 8])> {
    let mut reader = Reader(frame.strip_prefix(MAGIC)?);
    reader.byte().ok()?;
    Some((PublicKey::from_bytes(reader.array().ok()?), reader.array().ok()?))
}

/// Reads a frame, and checks that its sender signed it. None for what is not for `own`.
pub(super) fn decode(frame: &[u8], own: InstanceId) -> Result<Option<Envelope<'_>>> {
    let Some(len) = frame.len().checked_sub(SIGNATURE) else { return Err(malformed("it ends too early")) };
    let (signed, signature) = frame.split_at_checked(len).ok_or_else(|| malformed("it ends too early"))?;
    let body = signed.strip_prefix(MAGIC).ok_or_else(|| malformed("it is none of confmesh's"))?;
    let mut reader = Reader(body);
    let kind = reader.byte()?;
    let (key, start) = (PublicKey::from_bytes(reader.array()?), reader.array()?);
    let number = reader.u64()?;
    let body = match kind {
        DIGESTS => Body::Digests(digest::read(&mut reader)?),
        WRITES => Body::Writes(reader.take(reader.0.len())?),
        PIECE => {
            let (to, link) = (InstanceId::from_bytes(reader.array()?), reader.array()?);
            let flags = reader.byte()?;
            let (message, at, count) = (reader.u32()?, reader.u16()?, reader.u16()?);
            let bytes = reader.take(reader.0.len())?;
            let (is_dialer, closes) = (flags & 1 != 0, flags & 2 != 0);
            if !closes && at >= count {
                return Err(malformed("there is no such piece"));
            }
            Body::Piece(Piece { to, link, is_dialer, closes, message, at, count, bytes })
        }
        // Something that only a newer version knows.
        _ => return Ok(None),
    };
    if matches!(&body, Body::Piece(piece) if piece.to != own) {
        return Ok(None);
    }
    let is_signed = Reader(signature).array().is_ok_and(|proof| key.signed_frame(signed, &proof));
    if !is_signed {
        return Err(malformed("its sender did not sign it"));
    }
    Ok(Some(Envelope { key, start, number, body }))
}
