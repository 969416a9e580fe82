//! The JSON parser: strict RFC 8259, or with comments and trailing commas.
//!
//! One parser makes plain values (fast) or a [`Node`] tree with places (for `locate` and edits), as [`Build`] says.

use std::ops::Range;

use super::error_at;
use super::tree::{Duplicate, Entry, Node};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::value::{List, MapBuilder, Number, Str, Value, plain_start};

/// What the parser accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 8259 and nothing else.
    Strict,
    /// `//`, `/* */` and trailing commas as well.
    Comments,
    /// JSON5.
    #[cfg(feature = "json5")]
    Five,
}

/// Reads a value.
pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Value> {
    match document::<Values>(text, dialect) {
        Ok(value) => Ok(value),
        // The fast pass does not keep the places of keys; the second one finds them.
        Err(Fault::Duplicate(_)) => parse_tree(text, dialect).map(|node| node.value),
        Err(Fault::Error(error)) => Err(error),
    }
}

/// Reads a tree with places.
pub(super) fn parse_tree(text: &str, dialect: Dialect) -> Result<Node> {
    document::<Nodes>(text, dialect).map_err(|fault| match fault {
        Fault::Duplicate(duplicate) => duplicate.error(text),
        Fault::Error(error) => error,
    })
}

enum Fault {
    Duplicate(Box<Duplicate>),
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Error(error)
    }
}

impl From<Duplicate> for Fault {
    fn from(duplicate: Duplicate) -> Fault {
        Fault::Duplicate(Box::new(duplicate))
    }
}

trait Build {
    type Node;
    type Map;
    fn leaf(value: Value, span: Range<usize>) -> Self::Node;
    fn list(items: Vec<Self::Node>, span: Range<usize>) -> Self::Node;
    fn empty() -> Self::Map;
    fn push(map: &mut Self::Map, key: Str, key_span: Range<usize>, node: Self::Node);
    fn map(map: Self::Map, span: Range<usize>) -> Result<Self::Node, Duplicate>;
}

struct Values;

impl Build for Values {
    type Node = Value;
    type Map = MapBuilder;
    fn leaf(value: Value, _: Range<usize>) -> Value {
        value
    }
    fn list(items: Vec<Value>, _: Range<usize>) -> Value {
        Value::List(List::from(items))
    }
    fn empty() -> MapBuilder {
        MapBuilder::default()
    }
    fn push(map: &mut MapBuilder, key: Str, _: Range<usize>, value: Value) {
        map.push(key, value);
    }
    fn map(mut map: MapBuilder, _: Range<usize>) -> Result<Value, Duplicate> {
        match map.duplicate() {
            None => Ok(Value::Map(map.build())),
            Some(key) => Err(Duplicate { key, first: 0, second: 0 }),
        }
    }
}

struct Nodes;

impl Build for Nodes {
    type Node = Node;
    type Map = Vec<Entry>;
    fn leaf(value: Value, span: Range<usize>) -> Node {
        Node::leaf(value, span)
    }
    fn list(items: Vec<Node>, span: Range<usize>) -> Node {
        Node::list(items, span)
    }
    fn empty() -> Vec<Entry> {
        Vec::new()
    }
    fn push(map: &mut Vec<Entry>, key: Str, key_span: Range<usize>, node: Node) {
        map.push(Entry { key, key_span, node, is_merge: false });
    }
    fn map(map: Vec<Entry>, span: Range<usize>) -> Result<Node, Duplicate> {
        Node::map(map, span)
    }
}

fn document<B: Build>(text: &str, dialect: Dialect) -> Result<B::Node, Fault> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, depth: 0, dialect };
    let node = parser.value::<B>()?;
    parser.blanks()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end of the text").into()),
    }
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    depth: usize,
    dialect: Dialect,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[cfg(feature = "json5")]
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    #[cfg(feature = "json5")]
    fn is_five(&self) -> bool {
        self.dialect == Dialect::Five
    }

    fn value<B: Build>(&mut self) -> Result<B::Node, Fault> {
        self.blanks()?;
        let start = self.at;
        let value = match self.peek() {
            Some(b'"') => Value::String(self.string()?),
            Some(b'{') => return self.map::<B>(),
            Some(b'[') => return self.list::<B>(),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') if self.word("true") => Value::Bool(true),
            Some(b'f') if self.word("false") => Value::Bool(false),
            Some(b'n') if self.word("null") => Value::Null,
            #[cfg(feature = "json5")]
            _ if self.is_five() => match self.more_values()? {
                Some(value) => value,
                None => return Err(self.unexpected("a value").into()),
            },
            _ => return Err(self.unexpected("a value").into()),
        };
        Ok(B::leaf(value, start..self.at))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if found {
            self.at += word.len();
        }
        found
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail(self.at, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.at += 1;
        Ok(())
    }

    fn list<B: Build>(&mut self) -> Result<B::Node, Fault> {
        let start = self.at;
        self.enter()?;
        let mut items = Vec::new();
        self.blanks()?;
        if self.peek() != Some(b']') {
            loop {
                items.push(self.value::<B>()?);
                if self.ends(b']', "`,` or `]`")? {
                    break;
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(B::list(items, start..self.at))
    }

    fn map<B: Build>(&mut self) -> Result<B::Node, Fault> {
        let start = self.at;
        self.enter()?;
        let mut map = B::empty();
        self.blanks()?;
        if self.peek() != Some(b'}') {
            loop {
                self.blanks()?;
                let key_start = self.at;
                let key = self.key()?;
                let key_span = key_start..self.at;
                self.blanks()?;
                if self.peek() != Some(b':') {
                    return Err(self.unexpected("`:` after the key").into());
                }
                self.at += 1;
                let node = self.value::<B>()?;
                B::push(&mut map, key, key_span, node);
                if self.ends(b'}', "`,` or `}`")? {
                    break;
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(B::map(map, start..self.at)?)
    }

    fn key(&mut self) -> Result<Str> {
        match self.peek() {
            Some(b'"') => self.string(),
            #[cfg(feature = "json5")]
            _ if self.is_five() => self.more_keys(),
            _ => Err(self.unexpected("a key in double quotes")),
        }
    }

    /// Takes the comma after an item; true if the closing bracket comes next instead.
    fn ends(&mut self, close: u8, expected: &str) -> Result<bool> {
        self.blanks()?;
        match self.peek() {
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                self.blanks()?;
                if self.peek() != Some(close) {
                    return Ok(false);
                }
                if self.dialect != Dialect::Strict {
                    return Ok(true);
                }
                Err(self
                    .fail(comma, Code::Syntax, format!("trailing comma before `{}`", char::from(close)))
                    .with_hint("remove the comma, or name the file .jsonc to allow it"))
            }
            Some(b) if b == close => Ok(true),
            _ => Err(self.unexpected(expected)),
        }
    }

    #[inline]
    fn blanks(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'!'..=b'.' | b'0'..=b'~') => Ok(()),
            _ => self.some_blanks(),
        }
    }

    fn some_blanks(&mut self) -> Result<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(b'/') if self.dialect != Dialect::Strict => self.comment()?,
                #[cfg(feature = "json5")]
                Some(_) if self.is_five() && self.more_blanks() => {}
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<()> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or("");
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Ok(());
        }
        let Some(body) = rest.strip_prefix("/*") else { return Err(self.unexpected("a comment, `//` or `/*`")) };
        match body.find("*/") {
            Some(length) => {
                self.at += length + 4;
                Ok(())
            }
            None => Err(self.fail(start, Code::Syntax, "comment has no end").with_hint("close it with `*/`")),
        }
    }

    fn string(&mut self) -> Result<Str> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        let plain = self.plain_run();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Str::from(plain));
        }
        #[cfg(feature = "json5")]
        if self.is_five() {
            self.at = start;
            return self.quoted('"');
        }
        let mut out = String::from(self.text.get(start..self.at).unwrap_or(""));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Str::from(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(b'\n' | b'\r') => {
                    return Err(self
                        .fail(
                            self.at,
                            Code::Syntax,
                            "expected `\"` at the end of the string, found the end of the line",
                        )
                        .with_hint("close the string, or write a line break as `\\n`"));
                }
                Some(b @ 0..=0x1f) => {
                    return Err(self
                        .fail(self.at, Code::Syntax, format!("control character U+{b:04X} inside a string"))
                        .with_hint(format!("write it as `\\u{b:04x}`")));
                }
                Some(_) => out.push_str(self.plain_run()),
                None => {
                    return Err(self
                        .fail(open, Code::Syntax, "string has no end, expected `\"`, found the end of the text")
                        .with_hint("the file is incomplete"));
                }
            }
        }
    }

    /// The characters up to the next quote, escape or control character.
    fn plain_run(&mut self) -> &'a str {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        self.at += plain_start(rest);
        self.text.get(start..self.at).unwrap_or("")
    }

    pub(super) fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            None => return Err(self.unexpected("an escape")),
            Some(_) => {
                let found = self.found();
                return Err(self
                    .fail(start, Code::Syntax, format!("unknown escape: `\\` followed by {found}"))
                    .with_hint("write a backslash as `\\\\`"));
            }
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char> {
        self.at += 1;
        let first = self.hex4(start)?;
        let code = match first {
            0xD800..=0xDBFF => {
                let low = if self.word("\\u") { self.hex4(start)? } else { 0 };
                match low {
                    0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00),
                    _ => first,
                }
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| {
            self.fail(start, Code::Syntax, format!("`\\u{first:04x}` is half of a surrogate pair"))
                .with_hint("characters above U+FFFF are written as two escapes, high then low, or as themselves")
        })
    }

    fn hex4(&mut self, start: usize) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| self.fail(start, Code::Syntax, "`\\u` needs four hexadecimal digits"))
    }

    fn number(&mut self) -> Result<Number> {
        #[cfg(feature = "json5")]
        if self.is_five() {
            return self.more_numbers();
        }
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let digits = self.at;
        let mut int: Option<u64> = Some(0);
        while let Some(b @ b'0'..=b'9') = self.peek() {
            int = int.and_then(|int| int.checked_mul(10)?.checked_add(u64::from(b - b'0')));
            self.at += 1;
        }
        if self.at == digits {
            return Err(self.unexpected("a digit after `-`"));
        }
        if self.at > digits + 1 && self.bytes.get(digits) == Some(&b'0') {
            return Err(self
                .fail(start, Code::Syntax, "number has a leading zero")
                .with_hint("remove the zero, or write a string if the digits matter"));
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits("a digit after the decimal point")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits("a digit in the exponent")?;
        }
        if integer {
            match int {
                Some(int) if !negative => return Ok(Number::from(int)),
                Some(int) if int <= i64::MIN.unsigned_abs() => {
                    return Ok(Number::from(0i64.wrapping_sub_unsigned(int)));
                }
                _ => {}
            }
        }
        let literal = self.text.get(start..self.at).unwrap_or("");
        float(literal, integer).ok_or_else(|| number_range(self.text, start, literal))
    }

    fn digits(&mut self, expected: &str) -> Result<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected(expected)) } else { Ok(()) }
    }

    pub(super) fn fail(&self, at: usize, code: Code, message: impl Into<String>) -> Error {
        error_at(self.text, at, code, message)
    }

    fn found(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => "the end of the text".into(),
            Some('\n' | '\r') => "the end of the line".into(),
            Some('`') => "a backtick".into(),
            Some(c) if c.is_control() => format!("U+{:04X}", u32::from(c)),
            Some(c) if c.is_alphabetic() => {
                let word = self.text.get(self.at..).unwrap_or("").chars().take_while(|c| c.is_alphanumeric());
                format!("`{}`", word.take(24).collect::<String>())
            }
            Some(c) => format!("`{c}`"),
        }
    }

    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let error = self.fail(self.at, Code::Syntax, format!("expected {expected}, found {}", self.found()));
        match self.hint(expected) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn hint(&self, expected: &str) -> Option<&'static str> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let wants_key = expected.starts_with("a key");
        let first = rest.chars().next();
        Some(match first {
            None if self.text.trim().is_empty() => "an empty text is no JSON; the empty document is `{}`",
            None => "the file is incomplete",
            Some('\'') => "use double quotes",
            Some('/') if self.dialect == Dialect::Strict => {
                "JSON has no comments; name the file .jsonc, or add `;format=jsonc`, to allow them"
            }
            Some('#') => "JSON has no `#` comments; name the file .jsonc and use `//`",
            Some(',') if expected == "a value" || wants_key => "remove the comma, or write what is missing before it",
            Some(c) if wants_key && (c.is_alphanumeric() || c == '_' || c == '$') => "put the key in double quotes",
            Some('"' | '{' | '[') if expected.starts_with("`,`") => "a comma is missing before it",
            Some('=') if expected.starts_with("`:`") => "JSON separates key and value with `:`",
            Some(_) if expected.starts_with("the end") => "a JSON text holds one value",
            Some('T' | 'F' | 'N' | 'u' | 't' | 'f' | 'n') if expected == "a value" => match self.found().as_str() {
                "`True`" | "`TRUE`" => "write `true`",
                "`False`" | "`FALSE`" => "write `false`",
                "`None`" | "`Null`" | "`NULL`" | "`undefined`" | "`nil`" => "write `null`",
                "`NaN`" => "JSON has no NaN; write `null` or a string",
                _ => "text needs double quotes",
            },
            Some('I') if expected == "a value" && rest.starts_with("Inf") => {
                "JSON has no infinity; write a large number or a string"
            }
            Some('+' | '.') if expected == "a value" => "a number starts with a digit or `-`",
            Some(c) if expected == "a value" && c.is_alphabetic() => "text needs double quotes",
            _ => return None,
        })
    }
}

/// A number beyond 64 bits or with a fraction; an integer literal only if its double prints back the same digits.
pub(super) fn float(literal: &str, integer: bool) -> Option<Number> {
    let number = Number::from_f64(literal.parse().ok()?)?;
    if integer && number.to_string() != literal { None } else { Some(number) }
}

/// The error for a number that would lose digits.
pub(super) fn number_range(text: &str, at: usize, literal: &str) -> Error {
    let shown: String = literal.chars().take(40).collect();
    let dots = if shown.len() < literal.len() { "…" } else { "" };
    error_at(text, at, Code::NumberRange, format!("number `{shown}{dots}` does not fit 64 bits without loss"))
        .with_hint("write it as a string")
}
