//! The YAML loader: `saphyr-parser` events, core schema, one document, places of everything.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::tree::{Body, Entry, Node};
use super::{error_at, yaml_scalar};
use crate::error::{Code, Error, Result};
use crate::limits::{MAX_ALIAS_NODES, MAX_DEPTH};
use crate::value::{Str, Value};

/// Reads a value.
pub(super) fn parse(text: &str) -> Result<Value> {
    parse_tree(text).map(|node| node.value)
}

/// Reads a tree with places.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    let control = text.bytes().position(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'));
    if let Some(at) = control {
        return Err(error_at(text, at, Code::Syntax, "control character in YAML")
            .with_hint("write it as an escape inside double quotes"));
    }
    let chars =
        if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).chain([text.len()]).collect() };
    let parser = Parser::new_from_str(text);
    Composer { text, chars, parser, anchors: BTreeMap::new(), expanded: 0 }.document()
}

struct Composer<'a> {
    text: &'a str,
    /// Byte offset of every character, as the parser counts characters; empty for ASCII texts.
    chars: Vec<usize>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Anchored>,
    /// How many nodes aliases have expanded to.
    expanded: usize,
}

#[derive(Clone)]
struct Anchored {
    value: Value,
    size: usize,
    height: usize,
}

/// A node with the number of its nodes and the depth below it, aliases expanded.
struct Composed {
    node: Node,
    size: usize,
    height: usize,
}

impl<'a> Composer<'a> {
    fn document(mut self) -> Result<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self
                        .fail(&span, Code::Syntax, "a second document starts here")
                        .with_hint("a configuration file holds one document; remove `---` and what follows"));
                }
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &span, 0)?.node),
            }
        }
        let empty = Node { value: Value::empty_map(), ..Node::leaf(Value::Null, self.text.len()..self.text.len()) };
        Ok(match root {
            Some(node) if node.span.is_empty() && node.value == Value::Null => Node { span: node.span, ..empty },
            Some(node) => node,
            None => empty,
        })
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
                let value = self.scalar(&text, style, tag.as_deref(), span)?;
                Ok(self.anchored(Composed { node: Node::leaf(value, bytes), size: 1, height: 0 }, anchor))
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection(tag.as_deref(), "seq", span, depth)?;
                let (mut items, mut size, mut height) = (Vec::new(), 1, 0);
                let end = loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break self.bytes(&span).end;
                    }
                    let item = self.node(event, &span, depth + 1)?;
                    size += item.size;
                    height = height.max(item.height + 1);
                    items.push(item.node);
                };
                let node = Node::list(items, bytes.start..end);
                Ok(self.anchored(Composed { node, size, height }, anchor))
            }
            Event::MappingStart(anchor, tag) => {
                self.collection(tag.as_deref(), "map", span, depth)?;
                let (mut entries, mut size, mut height) = (Vec::new(), 1, 0);
                let end = loop {
                    let (event, key_span) = self.next()?;
                    if event == Event::MappingEnd {
                        break self.bytes(&key_span).end;
                    }
                    let key = self.key(event, &key_span)?;
                    let (event, span) = self.next()?;
                    let child = self.node(event, &span, depth + 1)?;
                    size += child.size;
                    height = height.max(child.height + 1);
                    entries.push(Entry { key, key_span: self.bytes(&key_span), node: child.node });
                };
                let node = Node::map(entries, bytes.start..end).map_err(|duplicate| duplicate.error(self.text))?;
                Ok(self.anchored(Composed { node, size, height }, anchor))
            }
            _ => Err(self.fail(span, Code::Syntax, "expected a value")),
        }
    }

    fn anchored(&mut self, mut composed: Composed, anchor: usize) -> Composed {
        if anchor > 0 {
            composed.node.anchor = anchor;
            let Composed { node, size, height } = &composed;
            self.anchors.insert(anchor, Anchored { value: node.value.clone(), size: *size, height: *height });
        }
        composed
    }

    fn alias(&mut self, anchor: usize, span: &Span, depth: usize) -> Result<Composed> {
        let Some(Anchored { value, size, height }) = self.anchors.get(&anchor).cloned() else {
            return Err(self
                .fail(span, Code::Syntax, "an alias stands inside its own anchor")
                .with_hint("a value cannot hold itself; write it out"));
        };
        self.expanded = self.expanded.saturating_add(size);
        if self.expanded > MAX_ALIAS_NODES {
            let message = format!("aliases expand to more than {MAX_ALIAS_NODES} nodes");
            return Err(self.fail(span, Code::TooLarge, message));
        }
        if depth + height > MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        let mut node = Node::leaf(value, self.bytes(span));
        node.body = Body::Alias(anchor);
        Ok(Composed { node, size, height })
    }

    fn too_deep(&self, span: &Span) -> Error {
        self.fail(span, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels"))
    }

    fn collection(&self, tag: Option<&Tag>, kind: &str, span: &Span, depth: usize) -> Result<()> {
        if depth >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        match tag {
            Some(tag) if !(is_core(tag, kind) || is_non_specific(tag)) => Err(self.unknown_tag(tag, span)),
            _ => Ok(()),
        }
    }

    fn key(&mut self, event: Event<'a>, span: &Span) -> Result<Str> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && text == "<<" && tag.is_none() {
                    return Err(self
                        .fail(span, Code::Syntax, "merge keys (`<<`) are no part of YAML 1.2")
                        .with_hint("write the keys out, or keep them in a file of their own and merge the files; quote '<<' if it is a key"));
                }
                if let Some(tag) = tag.as_deref().filter(|tag| !is_core(tag, "str") && !is_non_specific(tag)) {
                    self.scalar(&text, style, Some(tag), span)?;
                }
                let value = Value::String(Str::from(text.as_ref()));
                self.anchored(Composed { node: Node::leaf(value, self.bytes(span)), size: 1, height: 0 }, anchor);
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
        self.fail(span, Code::Syntax, format!("unknown tag `{}{}`", tag.handle, tag.suffix)).with_hint(
            "only the tags of the core schema have a meaning here: !!str !!int !!float !!bool !!null !!seq !!map",
        )
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
        let at = self.byte(error.marker().index());
        if error.info().contains("recursion limit") {
            return error_at(self.text, at, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let failed = error_at(self.text, at, Code::Syntax, error.info());
        let info = error.info();
        if info.contains("tab") {
            failed.with_hint("indent with spaces")
        } else if info.contains("mapping values are not allowed") {
            failed.with_hint("put a value that contains `: ` in quotes, or check the indentation")
        } else if info.contains("unknown anchor") {
            failed.with_hint("define the anchor with `&name` before the alias; put text that starts with `*` in quotes")
        } else if info.contains("quoted scalar") || info.contains("end of stream") {
            failed.with_hint("a quote or bracket is not closed; the file may be incomplete")
        } else {
            failed.with_hint("check the indentation, and put text with special characters in quotes")
        }
    }
}

fn is_core(tag: &Tag, suffix: &str) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == suffix
}

/// The tag `!`: a string, list or map whatever it looks like.
fn is_non_specific(tag: &Tag) -> bool {
    (tag.handle.is_empty() && tag.suffix == "!") || (tag.handle == "!" && tag.suffix.is_empty())
}
