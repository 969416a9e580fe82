//! Interpolation: text that refers to other values of the document and to the environment.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Code, Error, Result};
use crate::limits::{MAX_DEPTH, MAX_TEXT_BYTES};
use crate::path::Path;
use crate::schema::nearest;
use crate::value::{List, Map, Str, Value};

use super::meant::meant;
use super::reference::{Otherwise, Part, is_variable, parts, plain_target, split, target_of, unnamed};

/// How many references may stand between a text and the value that it takes in the end.
pub const MAX_REFERENCES_DEEP: usize = 64;
/// How many nodes the references of a document may copy: a few lines can otherwise describe billions.
pub const MAX_COPIED_NODES: usize = 1_000_000;
/// How many problems are collected.
const MAX_ERRORS: usize = 100;

/// Replaces the references in every text of a document.
///
/// | text | becomes |
/// |---|---|
/// | `${db.port}` alone | the value at that path, of whatever type |
/// | `http://${db.host}:${db.port}` | text; numbers, bools and null as JSON writes them |
/// | `${.host}`, `${..db.host}` | the value beside the text, or beside the map that it stands in |
/// | `${db.port:-5432}` | the value, or `5432` where nothing or null is there; the default may hold references |
/// | `${db.port:?tell the port}` | the value, or an error with these words |
/// | `${servers.${name}.port}` | the value at the path that the inner references make |
/// | `${env:HOME}` | the variable's text |
/// | `${env:PORT:-8080}`, `${env:PORT:?why}` | the variable's text, or that where it is not set or empty |
/// | `$${x}` | `${x}`, not replaced |
///
/// Other paths are read from the document's root as [`Path::parse`] reads them; values that are referred to are replaced first. A
/// variable's text is taken as it is. A `$` that no `{` follows is text. Keys are never replaced.
///
/// A text that cannot be replaced stays as it was written, and an error says why, at its path: a syntax error, an
/// unknown path or variable, a list or map inside text ([`Code::Type`]), references that form a circle (with all of it), more than
/// [`MAX_REFERENCES_DEEP`] references in a row, more than [`MAX_COPIED_NODES`] nodes or 64 MiB of text altogether
/// ([`Code::TooLarge`]). No message holds the text of a value or a variable. What holds no reference keeps its storage.
///
/// ```
/// use confmesh::canonical::canonical;
/// use confmesh::format::{Format, parse};
/// use confmesh::merge::interpolate;
/// let text = r#"{"port": 80, "copy": "${port}", "url": "http://${env:HOST:-localhost}:${port}"}"#;
/// let (value, errors) = interpolate(&parse(text, Format::Json)?, &|_| None);
/// assert_eq!(canonical(&value), r#"{"copy":80,"port":80,"url":"http://localhost:80"}"#);
/// assert!(errors.is_empty());
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn interpolate(value: &Value, env: &dyn Fn(&str) -> Option<String>) -> (Value, Vec<Error>) {
    let found =
        interpolate_hiding(value, &Around { env, is_secret: &|_| false, is_literal: &|_| false, may_read: &|_| true });
    (found.value, found.errors)
}

/// What is known of the texts of a document.
pub(super) struct Around<'a> {
    /// The variables.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether the value at a path is secret.
    pub(super) is_secret: &'a dyn Fn(&Path) -> bool,
    /// Whether a text is taken as it stands: it comes from a variable, or from the file of a secret.
    pub(super) is_literal: &'a dyn Fn(&Path) -> bool,
    /// Whether a text may refer to variables: not what others wrote.
    pub(super) may_read: &'a dyn Fn(&Path) -> bool,
}

/// What references became.
pub(super) struct Interpolated {
    pub(super) value: Value,
    pub(super) errors: Vec<Error>,
    /// Texts that took something secret: from now on they are as secret as that.
    pub(super) secrets: BTreeSet<Path>,
    /// Texts that could not be replaced, and what they refer to: what is to blame is one of these, or the text.
    pub(super) broken: BTreeMap<Path, Vec<Path>>,
}

/// Replaces references as [`interpolate`] does, and finds out where secrets went.
pub(super) fn interpolate_hiding(value: &Value, around: &Around<'_>) -> Interpolated {
    let mut run = Run {
        root: value,
        around,
        done: BTreeMap::new(),
        open: Vec::new(),
        level: 0,
        errors: Vec::new(),
        nodes: MAX_COPIED_NODES,
        bytes: MAX_TEXT_BYTES,
        secrets: BTreeSet::new(),
        broken: BTreeMap::new(),
    };
    let value = run.value(value, &Path::root()).value;
    Interpolated { value, errors: run.errors, secrets: run.secrets, broken: run.broken }
}

/// A replaced value. Its size is kept, so that copies of copies are counted without walking them.
#[derive(Clone)]
struct Replaced {
    value: Value,
    nodes: usize,
    depth: usize,
    bytes: usize,
    /// Some text in it could not be replaced.
    failed: bool,
    /// Something in it is secret, or took something that is.
    secret: bool,
}

struct Run<'a> {
    root: &'a Value,
    around: &'a Around<'a>,
    /// What was referred to, replaced.
    done: BTreeMap<Path, Replaced>,
    /// The texts that are being replaced, each referring to the next.
    open: Vec<Path>,
    /// How many calls are nested: what is deep and referred to from the depth must not exhaust the stack.
    level: usize,
    errors: Vec<Error>,
    nodes: usize,
    bytes: usize,
    secrets: BTreeSet<Path>,
    broken: BTreeMap<Path, Vec<Path>>,
}

impl Run<'_> {
    fn value(&mut self, value: &Value, path: &Path) -> Replaced {
        self.level += 1;
        let replaced = self.replaced(value, path);
        self.level -= 1;
        replaced
    }

    fn replaced(&mut self, value: &Value, path: &Path) -> Replaced {
        let secret = (self.around.is_secret)(path);
        let mut sized = Replaced { value: value.clone(), nodes: 1, depth: 0, bytes: 0, failed: false, secret };
        match value {
            Value::String(text) if text.contains("${") && !(self.around.is_literal)(path) => {
                if let Some(done) = self.done.get(path) {
                    return done.clone();
                }
                self.open.push(path.clone());
                let replaced = self.text(text, path);
                self.open.pop();
                match replaced {
                    Ok(replaced) => {
                        if replaced.secret && !secret {
                            self.secrets.insert(path.clone());
                        }
                        sized = Replaced { secret: secret || replaced.secret, ..replaced };
                    }
                    Err(error) => {
                        (sized.failed, sized.bytes) = (true, text.len());
                        let blamed = if secret { Vec::new() } else { self.blamed(text, path) };
                        self.broken.insert(path.clone(), blamed);
                        // What stands inside the braces of a secret may be a part of it.
                        let error = error.map(|error| if secret { unnamed(&error) } else { error });
                        if let Some(error) = error.filter(|_| self.errors.len() < MAX_ERRORS) {
                            self.errors.push(error.with_path(path.clone()));
                        }
                    }
                }
                self.done.insert(path.clone(), sized.clone());
            }
            Value::String(text) => sized.bytes = text.len(),
            Value::List(list) => {
                let items = list.iter().enumerate().map(|(at, item)| self.value(item, &path.child(&at.to_string())));
                let items: Vec<Replaced> = items.collect();
                items.iter().for_each(|item| sized.add(item));
                if !items.iter().zip(list).all(|(new, old)| new.value.ptr_eq(old)) {
                    sized.value = Value::List(items.into_iter().map(|item| item.value).collect::<List>());
                }
            }
            Value::Map(map) => {
                let children: Vec<Replaced> =
                    map.iter().map(|(key, child)| self.value(child, &path.child(key))).collect();
                children.iter().for_each(|child| sized.add(child));
                sized.bytes = map.keys().fold(sized.bytes, |sum, key| sum.saturating_add(key.len()));
                if !children.iter().zip(map.values()).all(|(new, old)| new.value.ptr_eq(old)) {
                    let entries = map.keys().cloned().zip(children.into_iter().map(|child| child.value));
                    sized.value = Value::Map(entries.collect::<Map>());
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        sized
    }

    /// The replaced text; no error of its own where what it refers to has one.
    fn text(&mut self, text: &str, path: &Path) -> Result<Replaced, Option<Error>> {
        self.level += 1;
        let replaced = self.whole(text, path);
        self.level -= 1;
        replaced
    }

    fn whole(&mut self, text: &str, path: &Path) -> Result<Replaced, Option<Error>> {
        if self.level > 2 * MAX_DEPTH {
            return Err(Some(Error::new(Code::TooLarge, "references stand too deep in one another")));
        }
        let parts = parts(text).map_err(Some)?;
        if let [Part::Reference(inside)] = parts.as_slice() {
            let sized = self.reference(inside, path)?;
            self.spend(sized.nodes, sized.bytes).map_err(Some)?;
            if path.len() + sized.depth > MAX_DEPTH {
                let message = format!("the reference nests the document more than {MAX_DEPTH} levels deep");
                return Err(Some(Error::new(Code::TooLarge, message).with_hint("refer to smaller values")));
            }
            return Ok(sized);
        }
        let mut out = String::new();
        let mut secret = false;
        for part in &parts {
            let piece = match part {
                Part::Text(text) => Str::from(*text),
                Part::Reference(inside) => {
                    let found = self.reference(inside, path)?;
                    secret |= found.secret;
                    match found.value {
                        Value::String(text) => text,
                        value @ (Value::List(_) | Value::Map(_)) => {
                            let what = value.type_name();
                            let message = format!("`{inside}` is a {what} and cannot stand inside text");
                            return Err(Some(
                                Error::new(Code::Type, message)
                                    .with_hint("refer to one of its scalars, or let the reference stand alone"),
                            ));
                        }
                        scalar => Str::from(crate::canonical::canonical(&scalar)),
                    }
                }
            };
            self.spend(0, piece.len()).map_err(Some)?;
            out.push_str(&piece);
        }
        Ok(of_text(out.into(), secret))
    }

    /// What stands between the braces, replaced.
    fn reference(&mut self, inside: &str, path: &Path) -> Result<Replaced, Option<Error>> {
        let (head, otherwise) = split(inside);
        let nested = if head.contains("${") { Some(self.text(head, path)?) } else { None };
        let spelled = nested.as_ref().map(|nested| match &nested.value {
            Value::String(text) => text.clone(),
            other => Str::from(crate::canonical::canonical(other)),
        });
        let head = spelled.as_deref().unwrap_or(head);
        let secret = nested.is_some_and(|nested| nested.secret);
        let found = match head.strip_prefix("env:") {
            Some(name) => self.variable(name, otherwise, path)?,
            None => {
                let target = target_of(head, path).map_err(Some)?;
                let held = self.root.at(&self.followed(&target));
                match otherwise {
                    Some(_) if held.is_none() && is_variable(head) => return Err(Some(self.unknown(&target))),
                    Some(otherwise) if held.is_none_or(|held| *held == Value::Null) => {
                        self.otherwise(otherwise, &format!("nothing is at `{target}`"), path)?
                    }
                    _ => self.target(&target)?,
                }
            }
        };
        Ok(Replaced { secret: secret || found.secret, ..found })
    }

    /// What stands for something that is missing.
    fn otherwise(&mut self, otherwise: Otherwise<'_>, missing: &str, path: &Path) -> Result<Replaced, Option<Error>> {
        match otherwise {
            Otherwise::Default(text) => self.text(text, path),
            Otherwise::Tell(words) => {
                let words = if words.trim().is_empty() { missing.to_owned() } else { format!("{missing}: {words}") };
                Err(Some(Error::new(Code::NotFound, words)))
            }
        }
    }

    /// What a text refers to, and of a circle all that is in it.
    fn blamed(&self, text: &str, path: &Path) -> Vec<Path> {
        let mut blamed = Vec::new();
        for part in parts(text).unwrap_or_default() {
            let Some(target) = plain_target(&part, path) else { continue };
            let followed = self.followed(&target);
            let circle = self.open.iter().skip_while(|open| !open.starts_with(&followed)).cloned();
            let circle: Vec<Path> = circle.collect();
            if followed != target {
                blamed.push(target);
            }
            blamed.push(followed);
            blamed.extend(circle);
        }
        blamed
    }

    fn target(&mut self, target: &Path) -> Result<Replaced, Option<Error>> {
        let target = self.followed(target);
        // Whoever refers to a map that the text stands in would hold itself.
        let circle = self.open.iter().position(|open| open.starts_with(&target));
        if let Some(from) = circle {
            let chain: Vec<String> = self.open.iter().skip(from).map(|open| format!("`{open}`")).collect();
            let message = format!("the references form a circle: {} -> `{target}`", chain.join(" -> "));
            return Err(Some(Error::new(Code::Invalid, message).with_hint("give one of them a value of its own")));
        }
        if self.open.len() > MAX_REFERENCES_DEEP || self.level > 2 * MAX_DEPTH {
            let message = format!("more than {MAX_REFERENCES_DEEP} references follow one another");
            return Err(Some(Error::new(Code::TooLarge, message).with_hint("refer to the value directly")));
        }
        let Some(found) = self.root.at(&target).cloned() else { return Err(Some(self.unknown(&target))) };
        let sized = match self.done.get(&target) {
            Some(done) => done.clone(),
            None => {
                let sized = self.value(&found, &target);
                self.done.insert(target, sized.clone());
                sized
            }
        };
        if sized.failed { Err(None) } else { Ok(sized) }
    }

    /// The path, led on where a text on the way is a reference to what the rest of the path is in.
    fn followed(&self, target: &Path) -> Path {
        let mut target = target.clone();
        for _ in 0..MAX_REFERENCES_DEEP {
            let (mut at, mut depth) = (self.root, 0);
            for segment in target.segments() {
                let Some(child) = at.child(segment) else { break };
                (at, depth) = (child, depth + 1);
            }
            let text = at.as_str().filter(|_| depth < target.len()).unwrap_or("");
            let parts = parts(text).unwrap_or_default();
            let [part] = parts.as_slice() else { break };
            let Some(above) = plain_target(part, &target.prefix(depth)) else { break };
            target = target.segments().iter().skip(depth).fold(above.clone(), |path, segment| path.child(segment));
        }
        target
    }

    fn variable(
        &mut self,
        name: &str,
        otherwise: Option<Otherwise<'_>>,
        path: &Path,
    ) -> Result<Replaced, Option<Error>> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Some(
                Error::new(Code::Syntax, format!("`{name}` is no variable's name"))
                    .with_hint("write `${env:NAME}` or `${env:NAME:-default}`"),
            ));
        }
        if !(self.around.may_read)(path) {
            let message = "variables are not read for what instances share: others could have written it";
            return Err(Some(
                Error::new(Code::Invalid, message)
                    .with_hint("put the reference into a file that this instance alone reads, or write the value"),
            ));
        }
        match ((self.around.env)(name).filter(|text| otherwise.is_none() || !text.is_empty()), otherwise) {
            // Whoever reads the document need not see the environment.
            (Some(text), _) => Ok(of_text(text.into(), true)),
            (None, Some(otherwise)) => self.otherwise(otherwise, &format!("the variable `{name}` is not set"), path),
            (None, None) => {
                let hint = format!("set it, let references read it, or write `${{env:{name}:-default}}`");
                Err(Some(Error::new(Code::NotFound, format!("the variable `{name}` is not set")).with_hint(hint)))
            }
        }
    }

    fn spend(&mut self, nodes: usize, bytes: usize) -> Result<()> {
        match (self.nodes.checked_sub(nodes), self.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                (self.nodes, self.bytes) = (nodes, bytes);
                Ok(())
            }
            _ => Err(Error::new(Code::TooLarge, "the references of the document copy too much")
                .with_hint("refer to smaller values")),
        }
    }

    fn unknown(&self, target: &Path) -> Error {
        let segments = target.segments();
        let mut at = self.root;
        let mut known = Path::root();
        let mut hint = None;
        for segment in segments {
            match at.child(segment) {
                Some(child) => {
                    at = child;
                    known = known.child(segment);
                }
                None => {
                    let keys = at.as_map().into_iter().flat_map(Map::keys).map(Str::as_str);
                    let rest: Path = segments.iter().skip(known.len() + 1).cloned().collect();
                    hint = nearest(segment, keys).map(|close| known.child(close).join(&rest));
                    break;
                }
            }
        }
        let near = hint.filter(|path| self.root.at(path).is_some()).map(|path| path.to_string());
        let spelling = meant(self.root, &target.to_string(), near);
        let hint = match spelling {
            Some(spelling) => format!("did you mean `${{{spelling}}}`? a literal `${{` is written `$${{`"),
            None if segments.len() == 1 && segments.first().is_some_and(|name| is_variable(name)) => {
                format!(
                    "a variable is `${{env:{target}}}`, with a default `${{env:{target}:-default}}`; a literal `${{` is written `$${{`"
                )
            }
            None => "paths start at the document's root; a literal `${` is written `$${`".to_owned(),
        };
        Error::new(Code::NotFound, format!("nothing is at `{target}`")).with_hint(hint)
    }
}

impl Replaced {
    fn add(&mut self, part: &Replaced) {
        self.nodes = self.nodes.saturating_add(part.nodes);
        self.depth = self.depth.max(part.depth + 1);
        self.bytes = self.bytes.saturating_add(part.bytes);
        self.failed |= part.failed;
        self.secret |= part.secret;
    }
}

/// A text that stands for itself.
fn of_text(text: Str, secret: bool) -> Replaced {
    Replaced { bytes: text.len(), value: Value::String(text), nodes: 1, depth: 0, failed: false, secret }
}
