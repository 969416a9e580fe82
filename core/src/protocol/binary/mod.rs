//! The binary form of what replicas say to each other.
//!
//! A frame is the byte `B1` (the first binary form), a head, and a body:
//!
//! | head | |
//! |---|---|
//! | bits 0-3 | what it is, see below |
//! | bit 4 | the body begins with a report: count, then the numbers that this side has learned |
//! | bit 5 | the message is about the default document, which is left out of the body |
//! | bit 7 | the body is its length (varint) and then compressed: raw deflate, RFC 1951 |
//!
//! | | message | body |
//! |---|---|---|
//! | 0 | any | a JSON text, as in a text frame |
//! | 1 | `delta` | document, birth, delta |
//! | 2 | `delta_part` | document, birth, number, count, delta |
//! | 3 | `pull` | document, vector |
//! | 4 | `ack` | document, vector |
//! | 5 | `error` | code, message, hint and request id, each `0` or `1` and a text |
//! | 6, 7 | `ping`, `pong` | nothing |
//!
//! A `hello` and a `heartbeat` have no binary form: they are rare, and the time in their envelopes is compared.
//!
//! Numbers are varints in their shortest form, texts are length and UTF-8, ids 16 bytes ([`names`]), vectors a count and
//! then author and count ([`vector`]), deltas as in [`delta`]. A number that stands for something unknown, and bytes that
//! are left over, belong to a newer version: the message is refused as a whole and the connection goes on. So a new field
//! goes behind the last one of its message, and is sent only to peers that named a codec which has it.

pub(super) mod bytes;
mod delta;
mod extras;
pub(super) mod names;
#[cfg(test)]
#[cfg(feature = "binary")]
mod tests;
mod value;
mod vector;

use super::compress::{deflate, inflate};
use super::message::Message;
use super::part::Part;
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, Genesis};
use crate::limits::MAX_FRAME_BYTES;
use bytes::{Reader, malformed, newer, put_count, put_text, put_varint, too_large};
use names::{Glossary, Name, NameReader, NameWriter, Names};
use vector::{put_vector, vector};

/// The first byte of every frame: no text begins with it.
pub(super) const MAGIC: u8 = 0xB1;
/// First bytes of this and later binary forms; no UTF-8 text begins with one of them.
const MAGICS: std::ops::RangeInclusive<u8> = 0xB0..=0xBF;

const KIND: u8 = 0x0F;
const REPORT: u8 = 0x10;
/// The message is about the default document.
const DEFAULT: u8 = 0x20;
const COMPRESSED: u8 = 0x80;

const TEXT: u8 = 0;
const DELTA: u8 = 1;
const PART: u8 = 2;
const PULL: u8 = 3;
const ACK: u8 = 4;
const ERROR: u8 = 5;
const PING: u8 = 6;
const PONG: u8 = 7;

/// A frame that was written.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// The numbers of names in it, each with whether the receiver knew it. For a peer that knows the same ones the frame
    /// would be the same.
    pub(super) used: Vec<(u64, bool)>,
}

/// Writes a message; none where it has no binary form.
pub(super) fn encode(
    message: &Message,
    session: Option<(&mut Names, &Glossary)>,
    report: impl ExactSizeIterator<Item = u64>,
) -> Option<Written> {
    let (kind, document) = match message {
        Message::Delta { document, .. } => (DELTA, Some(document)),
        Message::Part { document, .. } => (PART, Some(document)),
        Message::Pull { document, .. } => (PULL, Some(document)),
        Message::Ack { document, .. } => (ACK, Some(document)),
        Message::Error { .. } => (ERROR, None),
        Message::Ping => (PING, None),
        Message::Pong => (PONG, None),
        _ => return None,
    };
    let named = document.filter(|document| **document != DocumentName::default_name());
    let is_default = document.is_some() && named.is_none();
    let flags = [(REPORT, report.len() > 0), (DEFAULT, is_default)];
    let mut out = vec![MAGIC, flags.iter().fold(kind, |head, (flag, is_set)| if *is_set { head | flag } else { head })];
    if report.len() > 0 {
        put_count(&mut out, report.len());
        report.for_each(|number| put_varint(&mut out, number));
    }
    let mut names = NameWriter::new(session);
    named.into_iter().for_each(|document| names.put_document(&mut out, document));
    match message {
        Message::Delta { genesis, delta, .. } => {
            names.put_id(&mut out, genesis.as_bytes());
            delta::put_delta(&mut out, &mut names, delta);
        }
        Message::Part { genesis, part, delta, .. } => {
            names.put_id(&mut out, genesis.as_bytes());
            put_varint(&mut out, part.number);
            put_varint(&mut out, part.count);
            delta::put_delta(&mut out, &mut names, delta);
        }
        Message::Pull { seen, .. } | Message::Ack { seen, .. } => put_vector(&mut out, &mut names, seen),
        Message::Error { error, request_id } => {
            put_text(&mut out, error.code().as_str());
            put_text(&mut out, error.message());
            put_optional(&mut out, error.hint());
            put_optional(&mut out, request_id.as_deref());
        }
        _ => {}
    }
    Some(Written { bytes: out, used: names.used })
}

/// A JSON text as the body of a binary frame, so that it can be compressed.
pub(super) fn wrap(text: &str) -> Vec<u8> {
    let mut out = vec![MAGIC, TEXT];
    out.extend_from_slice(text.as_bytes());
    out
}

/// The frame with its body compressed, where that makes it smaller.
pub(super) fn compressed(frame: &[u8]) -> Option<Vec<u8>> {
    let ([magic, head], body) = frame.split_first_chunk::<2>()?;
    let mut out = vec![*magic, head | COMPRESSED];
    put_count(&mut out, body.len());
    out.extend(deflate(body)?);
    (out.len() < frame.len()).then_some(out)
}

/// A frame that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) content: Content,
    /// Names that it gave a number.
    pub(super) defined: Vec<(u64, Name)>,
    /// Numbers that the sender learned.
    pub(super) confirmed: Vec<u64>,
}

#[derive(Debug)]
pub(super) enum Content {
    Message(Message),
    /// A JSON text.
    Text(String),
}

/// Whether bytes are a frame of this or a later binary form, and no text.
pub(super) fn is_binary(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| MAGICS.contains(first))
}

/// Reads a frame. Nothing is learned from one that is refused.
pub(super) fn decode(frame: &[u8], glossary: &Glossary) -> Result<Read> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(too_large(frame.len()));
    }
    let mut reader = Reader::new(frame);
    if reader.byte()? != MAGIC {
        return Err(newer("a form"));
    }
    let head = reader.byte()?;
    if head & !(KIND | REPORT | DEFAULT | COMPRESSED) != 0 {
        return Err(newer("a form"));
    }
    if head & COMPRESSED == 0 {
        return body(head, reader, glossary);
    }
    let len = reader.varint()?;
    let plain = inflate(reader.take(reader.len())?, len)?;
    body(head, Reader::new(&plain), glossary)
}

fn body(head: u8, mut reader: Reader<'_>, glossary: &Glossary) -> Result<Read> {
    let mut confirmed = Vec::new();
    if head & REPORT != 0 {
        let count = reader.count(1)?;
        confirmed = (0..count).map(|_| reader.varint()).collect::<Result<_>>()?;
    }
    let mut names = NameReader::new(glossary);
    let content = match head & KIND {
        TEXT if head & DEFAULT != 0 => return Err(newer("a form")),
        TEXT => {
            let text = reader.take(reader.len())?;
            let text = str::from_utf8(text).map_err(|_| malformed("a text is not UTF-8"))?;
            Content::Text(text.to_owned())
        }
        kind => Content::Message(message(kind, head & DEFAULT != 0, &mut reader, &mut names)?),
    };
    reader.end()?;
    Ok(Read { content, defined: names.defined, confirmed })
}

fn message(kind: u8, is_default: bool, reader: &mut Reader<'_>, names: &mut NameReader<'_>) -> Result<Message> {
    let document = match kind {
        DELTA | PART | PULL | ACK if is_default => DocumentName::default_name(),
        DELTA | PART | PULL | ACK => names.document(reader)?,
        _ if is_default => return Err(newer("a form")),
        _ => DocumentName::default_name(),
    };
    Ok(match kind {
        DELTA => Message::Delta {
            document,
            genesis: Genesis::from_bytes(names.id(reader)?),
            delta: delta::delta(reader, names)?,
        },
        PART => Message::Part {
            document,
            genesis: Genesis::from_bytes(names.id(reader)?),
            part: part(reader)?,
            delta: delta::delta(reader, names)?,
        },
        PULL => Message::Pull { document, seen: vector(reader, names)? },
        ACK => Message::Ack { document, seen: vector(reader, names)? },
        ERROR => Message::Error { error: error(reader)?, request_id: optional(reader)? },
        PING => Message::Ping,
        PONG => Message::Pong,
        _ => return Err(newer("a kind of message")),
    })
}

fn part(reader: &mut Reader<'_>) -> Result<Part> {
    let part = Part { number: reader.varint()?, count: reader.varint()? };
    if part.is_possible() { Ok(part) } else { Err(malformed("there is no such part")) }
}

fn error(reader: &mut Reader<'_>) -> Result<Error> {
    let code = reader.text()?;
    // A code that only a newer version knows is still an error with a message.
    let code = Code::ALL.iter().find(|known| known.as_str() == code).copied().unwrap_or(Code::Message);
    let error = Error::new(code, reader.text()?);
    Ok(match optional(reader)? {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    text.into_iter().for_each(|text| put_text(out, text));
}

fn optional(reader: &mut Reader<'_>) -> Result<Option<String>> {
    match reader.byte()? {
        0 => Ok(None),
        1 => Ok(Some(reader.text()?.to_owned())),
        _ => Err(newer("a form of text")),
    }
}
