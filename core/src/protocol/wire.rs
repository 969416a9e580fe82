//! How two sides talk: what they agreed on in their hellos, and what they know of each other's names.

use super::binary::names::{Glossary, Names};
use super::codec::decode;
use super::frame::{Frame, FrameRef};
use super::message::Message;
use super::part::Joining;
use super::{binary, compress};
use crate::error::{Code, Error, Result};
use crate::id::InstanceId;
use crate::limits::{COMPRESS_MIN_BYTES, MAX_FRAME_BYTES, PART_BYTES};

/// The protocol versions that this build speaks.
pub const VERSIONS: &[u64] = &[super::VERSION];
/// The name of the binary form in a hello.
pub const BINARY: &str = "binary1";
/// The name of the JSON form in a hello.
pub const JSON: &str = "json";
/// The name of the one compression in a hello.
pub const DEFLATE: &str = "deflate";

/// What the sender of a hello can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Protocol versions.
    pub versions: Vec<u64>,
    /// Forms of messages, the best first. Instances from before there was a choice name none: they read JSON, and whole
    /// deltas only.
    pub codecs: Vec<String>,
    /// Ways of compression.
    pub compress: Vec<String>,
}

/// How messages between instances are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireOptions {
    /// Whether the binary form is offered and used; `true` where this build has it (feature `binary`).
    pub binary: bool,
    /// From how many bytes on a frame is compressed for a peer that reads that; [`COMPRESS_MIN_BYTES`]. `None` never
    /// compresses, and tells no peer that it may.
    pub compress_min_bytes: Option<usize>,
    /// From how many bytes on a delta is sent in parts; [`PART_BYTES`].
    pub part_bytes: usize,
}

impl Default for WireOptions {
    fn default() -> WireOptions {
        WireOptions {
            binary: cfg!(feature = "binary"),
            compress_min_bytes: compress::IS_AVAILABLE.then_some(COMPRESS_MIN_BYTES),
            part_bytes: PART_BYTES,
        }
    }
}

/// One side of a connection between two instances. It begins with JSON and ends with the connection.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    is_binary: bool,
    deflates: bool,
    takes_parts: bool,
    glossary: Glossary,
    /// The parts of a delta that came so far.
    pub joining: Joining,
}

impl Wire {
    /// Uses the best that both sides can from now on.
    ///
    /// # Errors
    /// [`Code::Protocol`] where no version is common; nothing is agreed on then.
    pub fn agree(&mut self, ours: &Offer, theirs: &Offer) -> Result<()> {
        if !ours.versions.iter().any(|version| theirs.versions.contains(version)) {
            let message = format!(
                "no common protocol version: this instance speaks {:?}, the other one {:?}",
                ours.versions, theirs.versions
            );
            return Err(Error::new(Code::Protocol, message).with_hint("upgrade the older instance"));
        }
        let codec = ours.codecs.iter().find(|codec| theirs.codecs.contains(codec));
        self.is_binary = codec.is_some_and(|codec| codec == BINARY);
        self.deflates = ours.compress.iter().any(|way| theirs.compress.contains(way));
        self.takes_parts = !theirs.codecs.is_empty();
        Ok(())
    }

    /// Whether the peer joins deltas that come in parts.
    pub fn takes_parts(&self) -> bool {
        self.takes_parts
    }

    /// Whether messages to the peer are binary.
    pub fn is_binary(&self) -> bool {
        self.is_binary
    }

    /// Reads a frame; the second part is the sender, where it names itself. Nothing is learned from a frame that is refused.
    ///
    /// # Errors
    /// [`Code::TooLarge`], or [`Code::Message`] with what is wrong; the connection can go on.
    pub fn decode(&mut self, frame: FrameRef<'_>) -> Result<(Message, Option<InstanceId>)> {
        let bytes = match frame {
            FrameRef::Text(text) => return decode(text),
            FrameRef::Binary(bytes) => bytes,
        };
        if !binary::is_binary(bytes) {
            if bytes.len() > MAX_FRAME_BYTES {
                return Err(binary::bytes::too_large(bytes.len()));
            }
            // Some clients send all they have as bytes; what is no text is answered as a bad message.
            return decode(&String::from_utf8_lossy(bytes));
        }
        if !cfg!(feature = "binary") {
            return Err(Error::new(Code::Message, "this build reads no binary messages"));
        }
        let read = binary::decode(bytes, &self.glossary)?;
        let message = match read.content {
            binary::Content::Text(text) => decode(&text)?,
            binary::Content::Message(message) => (message, None),
        };
        self.glossary.confirm(read.confirmed);
        self.glossary.learn(read.defined);
        Ok(message)
    }
}

/// Writes the messages of one instance.
#[derive(Clone, Debug)]
pub struct Encoder {
    options: WireOptions,
    names: Names,
}

/// The frames of one message that goes to many: peers for whom it would be the same bytes share it.
#[derive(Clone, Debug, Default)]
pub struct Shared(Vec<Made>);

#[derive(Clone, Debug)]
struct Made {
    is_binary: bool,
    deflates: bool,
    /// Numbers of names in it, each with whether the receiver has to know it.
    used: Vec<(u64, bool)>,
    frame: Frame,
}

impl Made {
    fn fits(&self, wire: &Wire) -> bool {
        let knows = |(number, is_known): &(u64, bool)| wire.glossary.has_confirmed(*number) == *is_known;
        (self.is_binary, self.deflates) == (wire.is_binary, wire.deflates) && self.used.iter().all(knows)
    }
}

impl Encoder {
    /// An encoder that has named nothing yet.
    pub fn new(options: WireOptions) -> Encoder {
        Encoder { options, names: Names::default() }
    }

    /// What this side can read, for its hellos.
    pub fn offer(&self) -> Offer {
        let binary = (self.options.binary && cfg!(feature = "binary")).then(|| BINARY.to_owned());
        let deflate = (self.options.compress_min_bytes.is_some() && compress::IS_AVAILABLE).then(|| DEFLATE.to_owned());
        Offer {
            versions: VERSIONS.to_vec(),
            codecs: binary.into_iter().chain([JSON.to_owned()]).collect(),
            compress: deflate.into_iter().collect(),
        }
    }

    /// From how many bytes on a delta is sent in parts.
    pub fn part_bytes(&self) -> usize {
        self.options.part_bytes
    }

    /// The frame of a message for one peer; `json` makes its JSON text, where that is what the peer reads.
    pub fn encode(&mut self, message: &Message, wire: &mut Wire, json: impl FnOnce() -> String) -> Frame {
        let report = if wire.is_binary { wire.glossary.take_report() } else { Default::default() };
        self.make(message, wire, report.into_iter(), json).frame
    }

    /// As [`Encoder::encode`], for a message that goes to many.
    pub fn encode_shared(
        &mut self,
        message: &Message,
        wire: &Wire,
        shared: &mut Shared,
        json: impl FnOnce() -> String,
    ) -> Frame {
        if let Some(made) = shared.0.iter().find(|made| made.fits(wire)) {
            return made.frame.clone();
        }
        let made = self.make(message, wire, [].into_iter(), json);
        let frame = made.frame.clone();
        shared.0.push(made);
        frame
    }

    fn make(
        &mut self,
        message: &Message,
        wire: &Wire,
        report: impl ExactSizeIterator<Item = u64>,
        json: impl FnOnce() -> String,
    ) -> Made {
        let made = |frame, used| Made { is_binary: wire.is_binary, deflates: wire.deflates, used, frame };
        let is_long = |len: usize| wire.deflates && self.options.compress_min_bytes.is_some_and(|min| len >= min);
        let written = if wire.is_binary && cfg!(feature = "binary") {
            binary::encode(message, Some((&mut self.names, &wire.glossary)), report)
        } else {
            None
        };
        if let Some(binary::Written { bytes, used }) = written {
            let smaller = if is_long(bytes.len()) { binary::compressed(&bytes) } else { None };
            return made(Frame::Binary(smaller.unwrap_or(bytes).into()), used);
        }
        let text = json();
        // A hello is read before anything is agreed on.
        let may_wrap = !matches!(message, Message::Hello { .. }) && is_long(text.len());
        match may_wrap.then(|| binary::compressed(&binary::wrap(&text))).flatten() {
            Some(smaller) => made(Frame::Binary(smaller.into()), Vec::new()),
            None => made(Frame::Text(text.into()), Vec::new()),
        }
    }
}
