//! Frames: what a transport carries, one message each.

use std::sync::Arc;

/// One message as it is sent; clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A JSON object.
    Text(Arc<str>),
    /// The binary form, between instances that agreed on it.
    Binary(Arc<[u8]>),
}

impl Frame {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Frame::Text(text) = self { Some(text) } else { None }
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Frame::Text(text) => text.as_bytes(),
            Frame::Binary(bytes) => bytes,
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Whether both are one and the same frame, sent to several peers.
    pub fn ptr_eq(&self, other: &Frame) -> bool {
        match (self, other) {
            (Frame::Text(a), Frame::Text(b)) => Arc::ptr_eq(a, b),
            (Frame::Binary(a), Frame::Binary(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// One message as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameRef<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

impl<'a> From<&'a str> for FrameRef<'a> {
    fn from(text: &'a str) -> FrameRef<'a> {
        FrameRef::Text(text)
    }
}

impl<'a> From<&'a String> for FrameRef<'a> {
    fn from(text: &'a String) -> FrameRef<'a> {
        FrameRef::Text(text)
    }
}

impl<'a> From<&'a [u8]> for FrameRef<'a> {
    fn from(bytes: &'a [u8]) -> FrameRef<'a> {
        FrameRef::Binary(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for FrameRef<'a> {
    fn from(bytes: &'a Vec<u8>) -> FrameRef<'a> {
        FrameRef::Binary(bytes)
    }
}

impl<'a> From<&'a Frame> for FrameRef<'a> {
    fn from(frame: &'a Frame) -> FrameRef<'a> {
        match frame {
            Frame::Text(text) => FrameRef::Text(text),
            Frame::Binary(bytes) => FrameRef::Binary(bytes),
        }
    }
}
