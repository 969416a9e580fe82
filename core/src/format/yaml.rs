//! The YAML loader: `saphyr-parser` events, core schema, one document, places of everything.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::note::Note;
use super::tree::{Body, Entry, Node};
use super::yaml_ambiguous::ambiguity;
use super::yaml_relaxed::{relaxed, scan_error};
use super::{error_at, yaml_scalar, yaml_tag};
use crate::error::{Code, Error, Result};
use crate::limits::{MAX_ALIAS_BYTES, MAX_ALIAS_NODES, MAX_DEPTH};
use crate::value::{Str, Value};

/// Reads a value.
pub(super) fn parse(text: &str) -> Result<Value> {
    parse_tree(text).map(|node| node.value)
}

/// Reads a value, and what of it is ambiguous.
pub(super) fn parse_noting(text: &str) -> Result<(Value, Vec<Note>)> {
    let (node, odd) = read(text)?;
    let note = |(at, scalar): (usize, String)| {
        let path = node.path_at(at)?;
        let key = path.segments().iter().rev().find(|key| crate::value::index(key).is_none());
        let (message, hint) = ambiguity(&scalar, key.map(Str::as_str))?;
        Some(Note { at, path, code: Code::Ambiguous, message: message.to_owned(), hint })
    };
    let notes = odd.into_iter().filter_map(note).collect();
    Ok((node.value, notes))
}

/// Reads a tree with places.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    read(text).map(|(node, _)| node)
}

/// Reads a tree with places, and the scalars in it that may be ambiguous.
fn read(text: &str) -> Result<(Node, Vec<(usize, String)>)> {
    let control = text.bytes().position(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'));
    if let Some(at) = control {
        return Err(error_at(text, at, Code::Syntax, "control character in YAML")
            .with_hint("write it as an escape inside double quotes"));
    }
    compose(text, text).or_else(|error| {
        // What others read and the parser does not, spelled for it at the same places.
        match relaxed(text) {
            Some(relaxed) if error.code() == Code::Syntax => compose(text, &relaxed).map_err(|_| error),
            _ => Err(error),
        }
    })
}

/// Reads what the parser is given, which has everything at the places of the text.
fn compose(text: &str, given: &str) -> Result<(Node, Vec<(usize, String)>)> {
    let chars =
        if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).chain([text.len()]).collect() };
    let parser = Parser::new_from_str(given);
    let composer =
        Composer { text, chars, parser, anchors: BTreeMap::new(), expanded: 0, expanded_bytes: 0, odd: Vec::new() };
    composer.document()
}

struct Composer<'a> {
    text: &'a str,
    /// Byte offset of every character, as the parser counts characters; empty for ASCII texts.
    chars: Vec<usize>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Anchored>,
    /// How many nodes aliases have expanded to.
    expanded: usize,
    /// How many bytes of text aliases have expanded to.
    expanded_bytes: usize,
    /// Scalars that may be ambiguous, and where they start.
    odd: Vec<(usize, String)>,
}

#[derive(Clone)]
struct Anchored {
    value: Value,
    extent: Extent,
}

/// The number of nodes, the bytes of their texts and the depth, aliases expanded.
#[derive(Clone, Copy, Default)]
struct Extent {
    size: usize,
    bytes: usize,
    height: usize,
}

impl Extent {
    fn leaf(bytes: usize) -> Extent {
        Extent { size: 1, bytes, height: 0 }
    }

    fn add(&mut self, child: Extent) {
        self.size = self.size.saturating_add(child.size);
        self.bytes = self.bytes.saturating_add(child.bytes);
        self.height = self.height.max(child.height + 1);
    }
}

struct Composed {
    node: Node,
    extent: Extent,
}

impl<'a> Composer<'a> {
    fn document(mut self) -> Result<(Node, Vec<(usize, String)>)> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self
                        .fail(&span, Code::Syntax, "a second document starts here")
                        .with_hint("name the one that is meant, `FILE;document=2`; a file that is bound holds one: move the others out of it"));
                }
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &span, 0)?.node),
            }
        }
        let empty = Node { value: Value::empty_map(), ..Node::leaf(Value::Null, self.text.len()..self.text.len()) };
        let root = match root {
            Some(node) if node.span.is_empty() && node.value == Value::Null => Node { span: node.span, ..empty },
            Some(node) => node,
            None => empty,
        };
        Ok((root, self.odd))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Composed> {
        let bytes = self.bytes(span);
        match event {
            Event::Alias(anchor) => self.alias(anchor, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let opaque = tag.as_deref().and_then(|tag| unknown(tag, Kind::Scalar));
                let value = match &opaque {
                    // Whoever knows the tag gets the text as it stands.
                    Some(_) => Value::String(Str::from(text.as_ref())),
                    None => self.scalar(&text, style, tag.as_deref(), span)?,
                };
                if style == ScalarStyle::Plain && tag.is_none() && ambiguity(&text, Some("version")).is_some() {
                    self.odd.push((bytes.start, text.to_string()));
                }
                let node = with_tag(Node::leaf(value, bytes), opaque);
                Ok(self.anchored(Composed { node, extent: Extent::leaf(text.len()) }, anchor))
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(span, depth)?;
                let (mut items, mut extent) = (Vec::new(), Extent::leaf(0));
                let end = loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break self.bytes(&span).end;
                    }
                    let item = self.node(event, &span, depth + 1)?;
                    extent.add(item.extent);
                    items.push(item.node);
                };
                let opaque = tag.as_deref().and_then(|tag| unknown(tag, Kind::List));
                let node = with_tag(Node::list(items, bytes.start..end), opaque);
                Ok(self.anchored(Composed { node, extent }, anchor))
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(span, depth)?;
                let (mut entries, mut extent) = (Vec::new(), Extent::leaf(0));
                let end = loop {
                    let (event, key_span) = self.next()?;
                    if event == Event::MappingEnd {
                        break self.bytes(&key_span).end;
                    }
                    let is_merge = is_merge_key(&event);
                    let key = self.key(event, &key_span)?;
                    let (event, span) = self.next()?;
                    let child = self.node(event, &span, depth + 1)?;
                    if is_merge {
                        self.check_merge(&child.node.value, &span)?;
                    }
                    extent.add(child.extent);
                    extent.bytes = extent.bytes.saturating_add(key.len());
                    entries.push(Entry { key, key_span: self.bytes(&key_span), node: child.node, is_merge });
                };
                let node = Node::map(entries, bytes.start..end).map_err(|duplicate| duplicate.error(self.text))?;
                let opaque = tag.as_deref().and_then(|tag| unknown(tag, Kind::Map));
                Ok(self.anchored(Composed { node: with_tag(node, opaque), extent }, anchor))
            }
            _ => Err(self.fail(span, Code::Syntax, "expected a value")),
        }
    }

    fn anchored(&mut self, mut composed: Composed, anchor: usize) -> Composed {
        if anchor > 0 {
            composed.node.anchor = anchor;
            let Composed { node, extent } = &composed;
            self.anchors.insert(anchor, Anchored { value: node.value.clone(), extent: *extent });
        }
        composed
    }

    fn alias(&mut self, anchor: usize, span: &Span, depth: usize) -> Result<Composed> {
        let Some(Anchored { value, extent }) = self.anchors.get(&anchor).cloned() else {
            return Err(self
                .fail(span, Code::Syntax, "an alias stands inside its own anchor")
                .with_hint("a value cannot hold itself; write it out"));
        };
        self.expanded = self.expanded.saturating_add(extent.size);
        self.expanded_bytes = self.expanded_bytes.saturating_add(extent.bytes);
        if self.expanded > MAX_ALIAS_NODES {
            let message = format!("aliases expand to more than {MAX_ALIAS_NODES} nodes");
            return Err(self.fail(span, Code::TooLarge, message));
        }
        if self.expanded_bytes > MAX_ALIAS_BYTES {
            let message = format!("aliases expand to more than {MAX_ALIAS_BYTES} bytes of text");
            return Err(self.fail(span, Code::TooLarge, message));
        }
        if depth + extent.height > MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        let mut node = Node::leaf(value, self.bytes(span));
        node.body = Body::Alias(anchor);
        Ok(Composed { node, extent })
    }

    fn too_deep(&self, span: &Span) -> Error {
        self.fail(span, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels"))
    }

    fn enter(&self, span: &Span, depth: usize) -> Result<()> {
        if depth >= MAX_DEPTH { Err(self.too_deep(span)) } else { Ok(()) }
    }

    /// A merge key brings the entries of maps.
    fn check_merge(&self, value: &Value, span: &Span) -> Result<()> {
        let is_map = |value: &Value| matches!(value, Value::Map(_));
        if is_map(value) || value.as_list().is_some_and(|list| list.iter().all(is_map)) {
            return Ok(());
        }
        Err(self
            .fail(span, Code::Syntax, "a merge key (`<<`) needs a map, or a list of maps")
            .with_hint("name a map by its anchor, as in `<<: *base`; quote '<<' if it is a key"))
    }

    fn key(&mut self, event: Event<'a>, span: &Span) -> Result<Str> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag.as_deref().filter(|tag| !is_core(tag, "str") && !is_non_specific(tag)) {
                    if unknown(tag, Kind::Scalar).is_some() && !is_core(tag, "merge") {
                        return Err(self.unknown_tag(tag, span));
                    }
                    if !is_core(tag, "merge") {
                        self.scalar(&text, style, Some(tag), span)?;
                    }
                }
                let value = Value::String(Str::from(text.as_ref()));
                let extent = Extent::leaf(text.len());
                self.anchored(Composed { node: Node::leaf(value, self.bytes(span)), extent }, anchor);
                Ok(match text {
                    Cow::Borrowed(text) => Str::from(text),
                    Cow::Owned(text) => Str::from(text),
                })
            }
            Event::Alias(anchor) => match self.alias(anchor, span, 0)?.node.value {
                Value::String(text) => Ok(text),
                _ => Err(self.fail(span, Code::Syntax, "a key that is an alias must stand for a string")),
            },
            _ => Err(self
                .fail(span, Code::Syntax, "a key must be a scalar, found a list or map")
                .with_hint("put the key in quotes if it is text")),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Value> {
        let refuse =
            |(code, message, hint): yaml_scalar::Refusal| self.fail(span, code, message).with_hint(hint.to_owned());
        let Some(tag) = tag else {
            return match style {
                ScalarStyle::Plain => yaml_scalar::plain(text).map_err(refuse),
                _ => Ok(Value::String(Str::from(text))),
            };
        };
        let value = match tag.suffix.as_str() {
            _ if is_core(tag, "str") || is_non_specific(tag) => return Ok(Value::String(Str::from(text))),
            "null" | "bool" if tag.is_yaml_core_schema() => yaml_scalar::plain(text).map_err(refuse)?,
            "int" | "float" if tag.is_yaml_core_schema() => {
                yaml_scalar::number(text).map_err(refuse)?.map_or(Value::Null, Value::Number)
            }
            _ => return Err(self.unknown_tag(tag, span)),
        };
        let fits = match tag.suffix.as_str() {
            "null" => value == Value::Null,
            "bool" => value.as_bool().is_some(),
            "int" => matches!(value, Value::Number(number) if number.is_integer()),
            _ => value.as_f64().is_some(),
        };
        if fits {
            return Ok(value);
        }
        Err(self
            .fail(span, Code::Syntax, format!("the value is no `!!{}`", tag.suffix))
            .with_hint("remove the tag, or write a value of that type"))
    }

    fn unknown_tag(&self, tag: &Tag, span: &Span) -> Error {
        self.fail(span, Code::Syntax, format!("unknown tag `{}{}` of a key", tag.handle, tag.suffix))
            .with_hint("only values may have tags of your own")
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index()).max(self.byte(span.start.index()))
    }

    fn byte(&self, index: usize) -> usize {
        if self.chars.is_empty() {
            index.min(self.text.len())
        } else {
            self.chars.get(index).copied().unwrap_or(self.text.len())
        }
    }

    fn fail(&self, span: &Span, code: Code, message: impl Into<String>) -> Error {
        error_at(self.text, self.byte(span.start.index()), code, message)
    }

    fn scan_error(&self, error: &ScanError) -> Error {
        // The parser's own lines go one beyond a text without a final line break.
        scan_error(self.text, self.byte(error.marker().index()), error.info())
    }
}

fn is_core(tag: &Tag, suffix: &str) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == suffix
}

/// The tag `!`: a string, list or map whatever it looks like.
fn is_non_specific(tag: &Tag) -> bool {
    (tag.handle.is_empty() && tag.suffix == "!") || (tag.handle == "!" && tag.suffix.is_empty())
}

fn is_merge_key(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, ScalarStyle::Plain, _, tag) if text == "<<" && tag.as_deref().is_none_or(|tag| is_core(tag, "merge")))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Scalar,
    List,
    Map,
}

/// The tag as it is written, where it has no meaning here.
fn unknown(tag: &Tag, kind: Kind) -> Option<String> {
    let known = match kind {
        Kind::Scalar => &["str", "null", "bool", "int", "float"][..],
        Kind::List => &["seq"],
        Kind::Map => &["map"],
    };
    if is_non_specific(tag) || known.iter().any(|known| is_core(tag, known)) {
        return None;
    }
    Some(match tag.handle.as_str() {
        "tag:yaml.org,2002:" => format!("!!{}", tag.suffix),
        "!" => format!("!{}", tag.suffix),
        handle => format!("!<{handle}{}>", tag.suffix),
    })
}

fn with_tag(mut node: Node, tag: Option<String>) -> Node {
    if let Some(tag) = tag {
        node.value = yaml_tag::tagged(&tag, node.value);
        node.is_opaque = true;
    }
    node
}
