//! JSON Schema documents: what our own checks do, and what is left to the check of the whole document.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::{Bound, Field, Kind, Others};
use super::read::{count, flag, list, number, text, wrong};
use super::text_format::TextFormat;
use super::whole::{Draft, Outline, Target, Whole};
use super::{Parts, Schema, nearest};
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// What our own checks do.
const KNOWN: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "format",
    "default",
    "description",
    "title",
    "deprecated",
    "writeOnly",
    "$ref",
    "$defs",
    "definitions",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];
/// What the check of the whole document does: on one value, and on what is in it.
const BEYOND: &[&str] = &[
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$anchor",
    "$vocabulary",
];
/// What changes nothing that is valid.
const SKIPPED: &[&str] = &[
    "$schema",
    "$id",
    "id",
    "$comment",
    "examples",
    "readOnly",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "markdownDescription",
    "enumDescriptions",
    "markdownEnumDescriptions",
    "deprecationMessage",
    "errorMessage",
    "defaultSnippets",
];
/// Formats of the standard that the check of the whole document knows.
const BEYOND_FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Reads a document.
pub(super) fn document(value: &Value) -> Result<Schema> {
    let draft = Draft::of(value);
    if let Some(Draft::Other(name)) = draft {
        return Err(Error::new(Code::Invalid, format!("the draft `{name}` cannot be followed"))
            .with_path(Path::root().child("$schema"))
            .with_hint(
                "nothing is fetched: name `https://json-schema.org/draft/2020-12/schema` or \
                 `http://json-schema.org/draft-07/schema#`, or leave `$schema` out",
            ));
    }
    let mut reader = Reader {
        outline: Outline::of(value),
        draft,
        old_forms: false,
        beyond: Vec::new(),
        lost: None,
        secrets: false,
        notes: BTreeMap::new(),
        waiting: Vec::new(),
    };
    let root = reader.field(value, &Path::root())?;
    if let Some(part) = reader.outline.first_part() {
        // Whether such an address counts, and for what, is the standard's finest print.
        reader.beyond.push((part, "$id".into()));
    }
    let mut definitions = BTreeMap::new();
    for place in ["$defs", "definitions"] {
        let Some(found) = value.child(place) else { continue };
        let at = Path::root().child(place);
        let Value::Map(map) = found else { return Err(wrong(found, "map", &at)) };
        for (name, schema) in map.iter() {
            let at = at.child(name);
            definitions.insert(reference_to(&at), reader.field(schema, &at)?);
        }
    }
    while let Some(at) = reader.waiting.pop() {
        let name = reference_to(&at);
        if definitions.contains_key(&name) {
            continue;
        }
        if let Some(schema) = value.at(&at) {
            definitions.insert(name, reader.field(schema, &at)?);
        }
    }
    if let (Some((at, text)), true) = (&reader.lost, reader.secrets) {
        // What cannot be followed here could lead to a secret, which would be shown.
        return Err(Error::new(
            Code::Invalid,
            format!("the reference `{text}` cannot be followed to what it makes secret"),
        )
        .with_path(at.clone())
        .with_hint("a schema with `writeOnly` or `x-secret` refers by `$ref` to a place in itself"));
    }
    let whole = match reader.beyond.first() {
        None => None,
        Some(_) => {
            let draft = if draft.is_none() && reader.old_forms { Some(Draft::Seven) } else { draft };
            Some(Arc::new(Whole::compile(value, draft, &reader.beyond)?))
        }
    };
    let notes = reader.notes.into_values().collect();
    let parts = Parts { root, definitions, whole, notes, source: Some(value.clone()), without_checks: false };
    Ok(Schema(Arc::new(parts)))
}

/// The name of what stands at a path, as references in this crate spell it.
fn reference_to(path: &Path) -> Str {
    if path.is_root() { Str::from(super::walk::ROOT) } else { Str::from(format!("#{}", path.to_pointer())) }
}

struct Reader<'v> {
    outline: Outline<'v>,
    draft: Option<Draft<'v>>,
    /// A form that draft 7 has and 2020-12 has not.
    old_forms: bool,
    /// What our own checks do not do, with its place.
    beyond: Vec<(Path, Str)>,
    /// A reference that only the check of the whole document follows.
    lost: Option<(Path, Str)>,
    secrets: bool,
    notes: BTreeMap<String, Error>,
    /// Places that references lead to.
    waiting: Vec<Path>,
}

impl Reader<'_> {
    fn field(&mut self, value: &Value, path: &Path) -> Result<Field> {
        let map = match value {
            Value::Bool(true) => return Ok(Field::any()),
            Value::Bool(false) => return Ok(Field { never: true, ..Field::any() }),
            Value::Map(map) => map,
            other => {
                let message = format!("a schema is a map or a bool, not a {}", other.type_name());
                return Err(Error::new(Code::Invalid, message).with_path(path.clone()));
            }
        };
        self.look_at_unknown(map, path)?;
        // Before 2019 nothing beside a reference counts; what is said for people and of secrets does here.
        let alone = map.contains_key("$ref") && self.draft.is_some_and(Draft::reads_references_alone);
        let mut field = Field::any();
        for (key, value) in map.iter() {
            let at = path.child(key);
            if alone && KNOWN.contains(&key.as_str()) && !is_said_for_people(key) && key != "$ref" {
                continue;
            }
            match key.as_str() {
                "type" => field.kinds = kinds(value, &at)?,
                "properties" => {
                    let Value::Map(fields) = value else { return Err(wrong(value, "map", &at)) };
                    for (key, child) in fields.iter() {
                        field.fields.push((key.clone(), self.field(child, &at.child(key))?));
                    }
                }
                "additionalProperties" => {
                    field.others = match value {
                        Value::Bool(true) => Others::Any,
                        Value::Bool(false) => Others::Refused,
                        schema => Others::Of(Box::new(self.field(schema, &at)?)),
                    }
                }
                "items" if value.as_list().is_some() => {
                    self.old_forms = true;
                    self.beyond.push((at.clone(), "items".into()));
                    field.elsewhere_below.extend(self.schemas(value, &at)?);
                }
                "items" => field.items = Some(Box::new(self.field(value, &at)?)),
                "enum" => field.choices = Some(list(value, &at)?.to_vec()),
                "minimum" => narrow(&mut field.minimum, Bound { number: number(value, &at)?, exclusive: false }, true),
                "maximum" => narrow(&mut field.maximum, Bound { number: number(value, &at)?, exclusive: false }, false),
                "exclusiveMinimum" | "exclusiveMaximum" if value.as_bool().is_some() => {
                    self.beyond.push((at, key.clone()));
                }
                "exclusiveMinimum" => {
                    narrow(&mut field.minimum, Bound { number: number(value, &at)?, exclusive: true }, true);
                }
                "exclusiveMaximum" => {
                    narrow(&mut field.maximum, Bound { number: number(value, &at)?, exclusive: true }, false);
                }
                "minLength" => field.min_length = Some(count(value, &at)?),
                "maxLength" => field.max_length = Some(count(value, &at)?),
                "minItems" => field.min_items = Some(count(value, &at)?),
                "maxItems" => field.max_items = Some(count(value, &at)?),
                "uniqueItems" => field.unique = flag(value, &at)?,
                "pattern" => field = self.pattern(field, &text(value, &at)?, at)?,
                "format" => field.format = self.format(&text(value, &at)?, &at),
                "default" => field.default = Some(value.clone()),
                "description" => field.description = Some(text(value, &at)?),
                "title" => {
                    let title = text(value, &at)?;
                    field.description.get_or_insert(title);
                }
                "writeOnly" | "x-secret" => {
                    field.secret |= flag(value, &at)?;
                    self.secrets |= field.secret;
                }
                "x-env" => field.env = Some(text(value, &at)?),
                "x-category" => field.category = Some(text(value, &at)?),
                "deprecated" => {
                    let advice = flag(value, &at)?.then(Str::default);
                    field.deprecated = field.deprecated.take().or(advice);
                }
                "x-deprecated" => field.deprecated = Some(text(value, &at)?),
                "$ref" => field.reference = self.reference(&text(value, &at)?, &at)?,
                "allOf" => field.all_of.extend(self.alternatives(value, &at)?),
                "anyOf" => field.any_of = self.alternatives(value, &at)?,
                "oneOf" => field.one_of = self.alternatives(value, &at)?,
                "not" => field.not = Some(Box::new(self.field(value, &at)?)),
                // What is not listed here is read below, at the root, or skipped.
                other if Whole::IS_THERE && BEYOND.contains(&other) => self.beyond(&mut field, other, value, at)?,
                _ => {}
            }
        }
        if let Some(value) = map.get("const").filter(|_| !alone) {
            match &field.choices {
                Some(_) => field.all_of.push(Field::any().choices([value.clone()])),
                None => field.choices = Some(vec![value.clone()]),
            }
        }
        // Where other keywords speak for some of the keys or items too, "all others" is theirs to say.
        if map.contains_key("patternProperties")
            && let Others::Of(values) = std::mem::take(&mut field.others)
        {
            field.elsewhere_below.push(*values);
        }
        if map.contains_key("prefixItems")
            && let Some(items) = field.items.take()
        {
            field.elsewhere_below.push(*items);
        }
        if let Some(required) = map.get("required").filter(|_| !alone) {
            require(&mut field, required, &path.child("required"))?;
        }
        Ok(field)
    }

    /// Keywords of the whole document's check. What they hold is read all the same, for what it makes secret.
    fn beyond(&mut self, field: &mut Field, keyword: &str, value: &Value, at: Path) -> Result<()> {
        match keyword {
            "then" | "else" => field.elsewhere.push(self.field(value, &at)?),
            "dependentSchemas" | "dependencies" => {
                self.old_forms |= keyword == "dependencies";
                let Value::Map(map) = value else { return Err(wrong(value, "map", &at)) };
                for (key, schema) in map.iter().filter(|(_, schema)| schema.as_list().is_none()) {
                    field.elsewhere.push(self.field(schema, &at.child(key))?);
                }
            }
            "patternProperties" => {
                let Value::Map(map) = value else { return Err(wrong(value, "map", &at)) };
                for (pattern, schema) in map.iter() {
                    field.elsewhere_below.push(self.field(schema, &at.child(pattern))?);
                }
            }
            "prefixItems" => field.elsewhere_below.extend(self.schemas(value, &at)?),
            "contains" | "additionalItems" | "unevaluatedItems" | "unevaluatedProperties" => {
                self.old_forms |= keyword == "additionalItems";
                field.elsewhere_below.push(self.field(value, &at)?);
            }
            "$dynamicRef" | "$recursiveRef" => self.lost = Some((at.clone(), text(value, &at)?)),
            // `if` and `propertyNames` say nothing of the value themselves; what they hold has to be a schema.
            "if" | "propertyNames" => drop(self.field(value, &at)?),
            // Names, which say nothing themselves.
            "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" => return Ok(()),
            _ => {}
        }
        self.beyond.push((at, keyword.into()));
        Ok(())
    }

    /// Refuses what is probably a slip, and notes what nobody here knows. Builds without the check of whole documents refuse
    /// whatever they do not know: what is a keyword of the standard is known to that check alone.
    fn look_at_unknown(&mut self, map: &Map, path: &Path) -> Result<()> {
        let beyond: &[&str] = if Whole::IS_THERE { BEYOND } else { &[] };
        let lists = [KNOWN, beyond, SKIPPED];
        let unknown = |key: &&Str| !lists.iter().any(|list| list.contains(&key.as_str())) && !key.starts_with("x-");
        let mut refused = Vec::new();
        for key in map.keys().filter(unknown) {
            let close = nearest(key, lists.into_iter().flatten().copied());
            if close.is_none() && Whole::IS_THERE {
                let message = format!("the keyword `{key}` is unknown and checks nothing");
                self.note(message, path.child(key), "keys of your own are called `x-…`".into());
                continue;
            }
            let hint = match close {
                Some(close) => format!("did you mean `{close}`?"),
                None => {
                    "skipping it would accept what the schema refuses; the native builds check the standard's".into()
                }
            };
            let here = if Whole::IS_THERE { "" } else { " in this build" };
            let error = Error::new(Code::Invalid, format!("the keyword `{key}` is not supported{here}"));
            refused.push(error.with_path(path.child(key)).with_hint(hint));
        }
        Error::all(refused).map_or(Ok(()), Err)
    }

    /// Tells a thing once, where it was met first.
    fn note(&mut self, message: String, at: Path, hint: String) {
        let note = || Error::new(Code::Invalid, message.clone()).with_path(at).with_hint(hint);
        self.notes.entry(message.clone()).or_insert_with(note);
    }

    fn pattern(&mut self, field: Field, pattern: &Str, at: Path) -> Result<Field> {
        match field.clone().pattern(pattern) {
            Ok(field) => Ok(field),
            // Lookaround and `\p{…}` are the standard's, so the other check may know them.
            Err(error) if Whole::IS_THERE && Whole::is_pattern(pattern) => {
                drop(error);
                self.beyond.push((at, "pattern".into()));
                Ok(field)
            }
            Err(error) => Err(error.with_path(at)),
        }
    }

    fn format(&mut self, name: &str, at: &Path) -> Option<TextFormat> {
        let known = TextFormat::ALL.iter().find(|format| format.as_str() == name).copied();
        if known.is_none() && BEYOND_FORMATS.contains(&name) && Whole::IS_THERE {
            self.beyond.push((at.clone(), "format".into()));
        } else if known.is_none() && name != "password" {
            let names = TextFormat::ALL.iter().map(|format| format.as_str());
            let names = if Whole::IS_THERE {
                names.chain(BEYOND_FORMATS.iter().copied()).collect()
            } else {
                names.collect::<Vec<_>>()
            };
            let hint = match nearest(name, names.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("the formats are {}", names.join(", ")),
            };
            self.note(format!("the format `{name}` is not checked"), at.clone(), hint);
        }
        known
    }

    fn reference(&mut self, text: &Str, at: &Path) -> Result<Option<Str>> {
        match self.outline.target(text, at) {
            Target::Place(place) => {
                let name = reference_to(&place);
                self.waiting.push(place);
                Ok(Some(name))
            }
            Target::Standard => {
                self.beyond.push((at.clone(), "$ref".into()));
                Ok(None)
            }
            Target::Elsewhere => Err(Error::new(Code::Invalid, format!("the reference `{text}` cannot be followed"))
                .with_path(at.clone())
                .with_hint(
                    "nothing is fetched: references lead to places of the same document, such as `#/$defs/<name>`",
                )),
        }
    }

    fn alternatives(&mut self, value: &Value, path: &Path) -> Result<Vec<Field>> {
        let fields = self.schemas(value, path)?;
        if fields.is_empty() {
            return Err(Error::new(Code::Invalid, "the list of schemas is empty").with_path(path.clone()));
        }
        Ok(fields)
    }

    fn schemas(&mut self, value: &Value, path: &Path) -> Result<Vec<Field>> {
        let items = list(value, path)?;
        items.iter().enumerate().map(|(at, item)| self.field(item, &path.child(&at.to_string()))).collect()
    }
}

fn is_said_for_people(keyword: &str) -> bool {
    matches!(keyword, "default" | "description" | "title" | "deprecated" | "writeOnly")
}

fn kinds(value: &Value, path: &Path) -> Result<Vec<Kind>> {
    let names = match value {
        Value::List(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    let kinds = names.iter().map(|name| {
        let name = text(name, path)?;
        let of_standard = ["null", "boolean", "integer", "number", "string", "array", "object"];
        Kind::from_name(&name).filter(|_| of_standard.contains(&name.as_str())).ok_or_else(|| {
            let short = Kind::from_name(&name)
                .and_then(|kind| of_standard.into_iter().find(|name| Kind::from_name(name) == Some(kind)));
            let hint = match short.or_else(|| nearest(&name, of_standard)) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("the types are {}", of_standard.join(", ")),
            };
            Error::new(Code::Invalid, format!("unknown type `{name}`")).with_path(path.clone()).with_hint(hint)
        })
    });
    kinds.collect()
}

fn narrow(slot: &mut Option<Bound>, new: Bound, is_least: bool) {
    let keeps = slot.is_some_and(|old| {
        let (a, b) = (old.number.as_f64(), new.number.as_f64());
        if a == b { old.exclusive } else { (a > b) == is_least }
    });
    if !keeps {
        *slot = Some(new);
    }
}

/// Marks the keys that must be there. One that is not declared follows the rule for undeclared keys.
fn require(field: &mut Field, value: &Value, path: &Path) -> Result<()> {
    for name in list(value, path)? {
        let name = text(name, path)?;
        if let Some((_, child)) = field.fields.iter_mut().find(|(key, _)| *key == name) {
            child.required = true;
            continue;
        }
        let child = match &field.others {
            Others::Any => Field::any(),
            Others::Of(values) => (**values).clone(),
            Others::Refused => Field { never: true, ..Field::any() },
        };
        field.fields.push((name, child.required()));
    }
    Ok(())
}
