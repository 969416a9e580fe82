//! Interpolation: text that refers to other values of the document and to the environment.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Code, Error, Result};
use crate::limits::{MAX_DEPTH, MAX_TEXT_BYTES};
use crate::path::Path;
use crate::schema::nearest;
use crate::value::{List, Map, Str, Value};

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
/// | `${env:HOME}` | the variable's text |
/// | `${env:PORT:-8080}` | the variable's text, or `8080` where it is not set or empty |
/// | `$${x}` | `${x}`, not replaced |
///
/// Paths are read from the document's root as [`Path::parse`] reads them; values that are referred to are replaced first. A variable's
/// text and a default are taken as they are. A `$` that no `{` follows is text. Keys are never replaced.
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
    let found = interpolate_hiding(value, env, &|_| false);
    (found.value, found.errors)
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
pub(super) fn interpolate_hiding(
    value: &Value,
    env: &dyn Fn(&str) -> Option<String>,
    is_secret: &dyn Fn(&Path) -> bool,
) -> Interpolated {
    let mut run = Run {
        root: value,
        env,
        done: BTreeMap::new(),
        open: Vec::new(),
        level: 0,
        errors: Vec::new(),
        nodes: MAX_COPIED_NODES,
        bytes: MAX_TEXT_BYTES,
        is_secret,
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
    env: &'a dyn Fn(&str) -> Option<String>,
    /// What was referred to, replaced.
    done: BTreeMap<Path, Replaced>,
    /// The texts that are being replaced, each referring to the next.
    open: Vec<Path>,
    /// How many calls are nested: what is deep and referred to from the depth must not exhaust the stack.
    level: usize,
    errors: Vec<Error>,
    nodes: usize,
    bytes: usize,
    is_secret: &'a dyn Fn(&Path) -> bool,
    secrets: BTreeSet<Path>,
    broken: BTreeMap<Path, Vec<Path>>,
}

enum Part<'t> {
    Text(&'t str),
    Value(Path),
    Variable { name: &'t str, default: Option<&'t str> },
}

impl Run<'_> {
    fn value(&mut self, value: &Value, path: &Path) -> Replaced {
        self.level += 1;
        let replaced = self.replaced(value, path);
        self.level -= 1;
        replaced
    }

    fn replaced(&mut self, value: &Value, path: &Path) -> Replaced {
        let secret = (self.is_secret)(path);
        let mut sized = Replaced { value: value.clone(), nodes: 1, depth: 0, bytes: 0, failed: false, secret };
        match value {
            Value::String(text) if text.contains("${") => {
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
                        let blamed = self.blamed(text);
                        self.broken.insert(path.clone(), blamed);
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
        let parts = parts(text).map_err(Some)?;
        if let [Part::Value(target)] = parts.as_slice() {
            let sized = self.target(target)?;
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
                Part::Variable { name, default } => self.variable(name, *default).map_err(Some)?,
                Part::Value(target) => match self.target(target).map(|found| {
                    secret |= found.secret;
                    found.value
                })? {
                    Value::String(text) => text,
                    value @ (Value::List(_) | Value::Map(_)) => {
                        let message = format!("`{target}` is a {} and cannot stand inside text", value.type_name());
                        return Err(Some(
                            Error::new(Code::Type, message)
                                .with_hint("refer to one of its scalars, or let the reference stand alone"),
                        ));
                    }
                    scalar => Str::from(crate::canonical::canonical(&scalar)),
                },
            };
            self.spend(0, piece.len()).map_err(Some)?;
            out.push_str(&piece);
        }
        Ok(Replaced { bytes: out.len(), value: out.into(), nodes: 1, depth: 0, failed: false, secret })
    }

    /// What a text refers to, and of a circle all that is in it.
    fn blamed(&self, text: &str) -> Vec<Path> {
        let mut blamed = Vec::new();
        for part in parts(text).unwrap_or_default() {
            let Part::Value(target) = part else { continue };
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
            let [Part::Value(above)] = parts.as_slice() else { break };
            target = target.segments().iter().skip(depth).fold(above.clone(), |path, segment| path.child(segment));
        }
        target
    }

    fn variable(&mut self, name: &str, default: Option<&str>) -> Result<Str> {
        let set = (self.env)(name).filter(|text| default.is_none() || !text.is_empty());
        match (set, default) {
            (Some(text), _) => Ok(Str::from(text)),
            (None, Some(default)) => Ok(Str::from(default)),
            (None, None) => Err(Error::new(Code::NotFound, format!("the variable `{name}` is not set"))
                .with_hint(format!("set it, or write `${{env:{name}:-default}}`"))),
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
        let hint = match hint.filter(|path| self.root.at(path).is_some()) {
            Some(path) => format!("did you mean `${{{path}}}`? a literal `${{` is written `$${{`"),
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

/// Takes a text apart.
fn parts(text: &str) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            parts.push(Part::Text(before));
            parts.push(Part::Text("${"));
            rest = after;
            continue;
        }
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let Some((inside, after)) = after.split_once('}') else {
            return Err(Error::new(Code::Syntax, "a reference has no closing `}`")
                .with_hint("close it; a literal `${` is written `$${`"));
        };
        rest = after;
        parts.push(match inside.strip_prefix("env:") {
            Some(variable) => {
                let (name, default) = match variable.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (variable, None),
                };
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err(Error::new(Code::Syntax, format!("`{name}` is no variable's name"))
                        .with_hint("write `${env:NAME}` or `${env:NAME:-default}`"));
                }
                Part::Variable { name, default }
            }
            None => match Path::parse(inside.trim()) {
                Ok(path) if !path.is_root() => Part::Value(path),
                Ok(_) => {
                    return Err(Error::new(Code::Syntax, "a reference is empty")
                        .with_hint("write `${path.to.key}`; a literal `${` is written `$${`"));
                }
                Err(error) => return Err(Error::new(Code::Syntax, error.message())),
            },
        });
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::format::{Format, parse};
    use proptest::prelude::*;

    fn json(text: &str) -> Value {
        parse(text, Format::Json).unwrap()
    }

    fn run(text: &str) -> (String, Vec<Error>) {
        let env = |name: &str| match name {
            "HOST" => Some("example.org".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("${a}".to_owned()),
            _ => None,
        };
        let (value, errors) = interpolate(&json(text), &env);
        (canonical(&value), errors)
    }

    fn fine(text: &str) -> String {
        let (value, errors) = run(text);
        assert!(errors.is_empty(), "{errors:?}");
        value
    }

    #[test]
    fn a_reference_alone_keeps_the_type_and_in_text_it_is_text() {
        assert_eq!(
            fine(
                r#"{"a":{"n":1,"t":true,"z":null,"l":[1]},"b":"${a.n}","c":"${a}","d":"x${a.n}-${a.t}-${a.z}","e":"${a.l.0}"}"#
            ),
            r#"{"a":{"l":[1],"n":1,"t":true,"z":null},"b":1,"c":{"l":[1],"n":1,"t":true,"z":null},"d":"x1-true-null","e":1}"#
        );
    }

    #[test]
    fn references_follow_references_in_any_order() {
        assert_eq!(
            fine(r#"{"a":"${b}","b":"<${c}>","c":"${d.e}","d":{"e":5},"f":["${a}"]}"#),
            r#"{"a":"<5>","b":"<5>","c":5,"d":{"e":5},"f":["<5>"]}"#
        );
    }

    #[test]
    fn variables_and_their_defaults_are_text_as_it_is() {
        assert_eq!(
            fine(
                r#"{"a":1,"b":"${env:HOST}","c":"${env:NONE:-7}","d":"${env:EMPTY:-x}","e":"[${env:EMPTY}]","f":"${env:TRICKY}","g":"${env:NONE:-}"}"#
            ),
            r#"{"a":1,"b":"example.org","c":"7","d":"x","e":"[]","f":"${a}","g":""}"#
        );
    }

    #[test]
    fn doubled_dollars_and_lone_ones_are_text() {
        assert_eq!(
            fine(r#"{"a":"$${b}","b":"$5 $$ $","c":"x$${b}${b}"}"#),
            r#"{"a":"${b}","b":"$5 $$ $","c":"x${b}$5 $$ $"}"#
        );
    }

    #[test]
    fn circles_are_reported_with_the_whole_chain() {
        let (value, errors) = run(r#"{"a":"${b}","b":"x${c}","c":"${a}","d":"${a}","m":{"x":"${m}"},"s":"${s}"}"#);
        assert_eq!(value, r#"{"a":"${b}","b":"x${c}","c":"${a}","d":"${a}","m":{"x":"${m}"},"s":"${s}"}"#);
        let shown: Vec<String> = errors.iter().map(Error::to_string).collect();
        assert_eq!(
            shown,
            [
                "the references form a circle: `a` -> `b` -> `c` -> `a` (at `c`)",
                "the references form a circle: `m.x` -> `m` (at `m.x`)",
                "the references form a circle: `s` -> `s` (at `s`)",
            ]
        );
    }

    #[test]
    fn unknown_references_are_reported_with_a_suggestion() {
        let (value, errors) =
            run(r#"{"db":{"host":"h"},"a":"${db.hsot}","b":"${nowhere}","c":"${env:NONE}","d":"${a}"}"#);
        assert!(value.contains("${db.hsot}"));
        let hints: Vec<(String, &str)> =
            errors.iter().map(|error| (error.to_string(), error.hint().unwrap())).collect();
        assert_eq!(hints.len(), 3, "{hints:?}");
        assert_eq!(hints[0].0, "nothing is at `db.hsot` (at `a`)");
        assert!(hints[0].1.starts_with("did you mean `${db.host}`?"));
        assert_eq!(hints[1].0, "nothing is at `nowhere` (at `b`)");
        assert_eq!(
            hints[2],
            ("the variable `NONE` is not set (at `c`)".to_owned(), "set it, or write `${env:NONE:-default}`")
        );
    }

    #[test]
    fn broken_references_are_syntax_errors() {
        for text in ["${", "${a", "${}", "${a..b}", "${env:}", "${env:a b}", "${a.*}"] {
            let (value, errors) = interpolate(&[("k", text)].into_iter().collect(), &|_| None);
            assert_eq!(errors[0].code(), Code::Syntax, "{text}");
            assert_eq!(value.child("k"), Some(&text.into()));
        }
        let (_, errors) = run(r#"{"a":{"b":1},"c":"x${a}"}"#);
        assert_eq!(errors[0].code(), Code::Type);
    }

    #[test]
    fn a_few_lines_cannot_make_a_billion_nodes_or_a_gigabyte_of_text() {
        let mut lists = vec![r#""a0":["x","x","x","x","x","x","x","x","x","x"]"#.to_owned()];
        let mut texts = vec![r#""a0":"xxxxxxxxxx""#.to_owned()];
        for level in 1..12 {
            let below = format!("${{a{}}}", level - 1);
            lists.push(format!("\"a{level}\":[{}]", vec![format!("\"{below}\""); 10].join(",")));
            texts.push(format!("\"a{level}\":\"{}\"", below.repeat(10)));
        }
        for lines in [lists, texts] {
            let (_, errors) = run(&format!("{{{}}}", lines.join(",")));
            assert!(errors.iter().any(|error| error.code() == Code::TooLarge), "{errors:?}");
        }
        let chain: Vec<String> = (0..200).map(|at| format!("\"k{at:03}\":\"${{k{:03}}}\"", at + 1)).collect();
        let (_, errors) = run(&format!("{{{},\"k200\":1}}", chain.join(",")));
        assert!(errors.iter().any(|error| error.code() == Code::TooLarge), "{errors:?}");
    }

    #[test]
    fn paths_go_on_below_a_reference() {
        assert_eq!(
            fine(r#"{"a":{"n":{"m":1}},"b":"${a.n}","c":"${b.m}","d":"${e.m}","e":"${b}"}"#),
            r#"{"a":{"n":{"m":1}},"b":{"m":1},"c":1,"d":1,"e":{"m":1}}"#
        );
        let (_, errors) = run(r#"{"a":"${b.x}","b":"${a.x}"}"#);
        assert!(!errors.is_empty());
    }

    #[test]
    fn deep_values_that_refer_to_deep_values_do_not_exhaust_the_stack() {
        let entry = |at: usize| {
            let (open, close) = ("[".repeat(100), "]".repeat(100));
            format!("\"k{at}\":{open}\"${{k{}}}\"{close}", at + 1)
        };
        let entries: Vec<String> = (0..60).map(entry).collect();
        let (_, errors) = run(&format!("{{{},\"k60\":1}}", entries.join(",")));
        assert!(errors.iter().any(|error| error.code() == Code::TooLarge), "{errors:?}");
    }

    #[test]
    fn what_holds_no_reference_keeps_its_storage() {
        let value = json(r#"{"a":{"b":[1,"$x"]},"c":"${a.b.0}"}"#);
        let (replaced, _) = interpolate(&value, &|_| None);
        assert!(replaced.child("a").unwrap().ptr_eq(value.child("a").unwrap()));
        let value = json(r#"{"a":{"b":[1]}}"#);
        assert!(interpolate(&value, &|_| None).0.ptr_eq(&value));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_hang(
            texts in prop::collection::vec("(\\$\\{[a-c](\\.[a-c])?\\}|\\$\\$\\{|\\$|\\{|\\}|env:|:-|[a-c]){0,6}", 3),
        ) {
            let value: Value = ["a", "b", "c"].into_iter().zip(texts).collect();
            let (replaced, errors) = interpolate(&value, &|_| None);
            // A lone `$` may come to stand before a brace.
            let lone = canonical(&value).replace("${", "").contains('$');
            if errors.is_empty() && !lone {
                let left = canonical(&replaced).contains("${");
                prop_assert!(!left);
            }
        }
    }
}
