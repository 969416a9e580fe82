//! Schemas as JSON Schema documents, for editors and other programs.

use super::Schema;
use super::field::{Bound, Field, Kind, Others};
use super::text_format::TextFormat;
use crate::value::{Str, Value};

impl Schema {
    /// The schema as a JSON Schema document of draft 2020-12. One that was read from such a document is that document.
    ///
    /// What the standard has no word for stands under `x-secret`, `x-env`, `x-category` and `x-deprecated`, which
    /// [`Schema::from_value`] reads. Checks of the program's own are no part of it.
    ///
    /// ```
    /// use confmesh::canonical::canonical;
    /// use confmesh::schema::{Field, Schema};
    /// let schema = Schema::new(Field::map().field("port", Field::integer().range(1, 9).required()));
    /// assert_eq!(
    ///     canonical(&schema.to_json_schema()),
    ///     r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","#.to_owned()
    ///         + r#""properties":{"port":{"maximum":9,"minimum":1,"type":"integer"}},"required":["port"],"type":"object"}"#
    /// );
    /// ```
    pub fn to_json_schema(&self) -> Value {
        if let Some(source) = &self.0.source {
            return source.clone();
        }
        let mut entries = vec![("$schema", Value::from("https://json-schema.org/draft/2020-12/schema"))];
        entries.extend(keywords(&self.0.root));
        entries.into_iter().collect()
    }
}

/// The document without the defaults of what it calls secret.
pub(super) fn without_secrets(document: &Value) -> Value {
    schema_without(document, false)
}

fn schema_without(schema: &Value, is_secret: bool) -> Value {
    let Value::Map(map) = schema else {
        return match schema.as_list() {
            Some(list) => list.iter().map(|item| schema_without(item, is_secret)).collect::<Vec<_>>().into(),
            None => schema.clone(),
        };
    };
    let says = |key: &str| map.get(key).and_then(Value::as_bool) == Some(true);
    let is_secret = is_secret || says("writeOnly") || says("x-secret");
    let kept = map.iter().filter(|(key, _)| !(is_secret && matches!(key.as_str(), "default" | "examples")));
    let entries = kept.map(|(key, value)| {
        let value = match (key.as_str(), value) {
            // Maps of schemas by names, which are no keywords.
            ("properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Map(named)) => {
                named.iter().map(|(name, schema)| (name.clone(), schema_without(schema, is_secret))).collect()
            }
            ("default" | "enum" | "const" | "examples", value) => value.clone(),
            (_, value) => schema_without(value, is_secret),
        };
        (key.clone(), value)
    });
    Value::Map(entries.collect())
}

fn field(of: &Field) -> Value {
    if of.never { false.into() } else { keywords(of).into_iter().collect() }
}

fn keywords(of: &Field) -> Vec<(&'static str, Value)> {
    let mut out: Vec<(&str, Value)> = Vec::new();
    let kinds: Vec<Value> = of.kinds.iter().map(|kind| name(*kind).into()).collect();
    match kinds.as_slice() {
        [] => {}
        [only] => out.push(("type", only.clone())),
        _ => out.push(("type", kinds.into())),
    }
    let text = |text: &Str| Value::from(text.as_str());
    let count = |count: usize| Value::from(u64::try_from(count).unwrap_or(u64::MAX));
    out.extend(of.description.as_ref().map(|about| ("description", text(about))));
    out.extend(of.default.clone().map(|value| ("default", value)));
    out.extend(of.choices.clone().map(|values| ("enum", values.into())));
    // What the field says itself stands behind, and so beats it.
    out.extend(of.format.into_iter().flat_map(format));
    for (bound, inclusive, exclusive) in
        [(of.minimum, "minimum", "exclusiveMinimum"), (of.maximum, "maximum", "exclusiveMaximum")]
    {
        out.extend(
            bound.map(|Bound { number, exclusive: is }| (if is { exclusive } else { inclusive }, number.into())),
        );
    }
    out.extend(of.min_length.map(|length| ("minLength", count(length))));
    out.extend(of.max_length.map(|length| ("maxLength", count(length))));
    out.extend(of.min_items.map(|length| ("minItems", count(length))));
    out.extend(of.max_items.map(|length| ("maxItems", count(length))));
    out.extend(of.unique.then(|| ("uniqueItems", true.into())));
    out.extend(of.pattern.as_ref().map(|(pattern, _)| ("pattern", text(pattern))));
    out.extend(of.items.as_deref().map(|items| ("items", field(items))));
    if !of.fields.is_empty() {
        let properties = of.fields.iter().map(|(key, child)| (key.as_str(), field(child)));
        out.push(("properties", properties.collect()));
        let required = of.fields.iter().filter(|(_, child)| child.required).map(|(key, _)| text(key));
        let required: Vec<Value> = required.collect();
        if !required.is_empty() {
            out.push(("required", required.into()));
        }
    }
    match &of.others {
        Others::Any => {}
        Others::Refused => out.push(("additionalProperties", false.into())),
        Others::Of(values) => out.push(("additionalProperties", field(values))),
    }
    if of.secret {
        out.extend([("writeOnly", true.into()), ("x-secret", true.into())]);
    }
    out.extend(of.env.as_ref().map(|name| ("x-env", text(name))));
    out.extend(of.category.as_ref().map(|name| ("x-category", text(name))));
    if let Some(advice) = &of.deprecated {
        out.push(("deprecated", true.into()));
        if !advice.is_empty() {
            out.push(("x-deprecated", text(advice)));
        }
    }
    out
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "boolean",
        Kind::Integer => "integer",
        Kind::Float => "number",
        Kind::String => "string",
        Kind::List => "array",
        Kind::Map => "object",
    }
}

/// A format that only this program knows is told in the words of the standard as well.
fn format(of: TextFormat) -> Vec<(&'static str, Value)> {
    let mut out = vec![("format", Value::from(of.as_str()))];
    match of {
        TextFormat::Port => out.extend([("minimum", 1.into()), ("maximum", 65_535.into())]),
        TextFormat::FilePath => out.push(("minLength", 1.into())),
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::format::{Format, parse};
    use crate::schema::{ReferenceOptions, ReferenceStyle};

    const COMPACT: &str = r#"{"strict": true, "fields": {
        "port": {"type": "port", "default": 8080, "env": "PORT", "description": "where it listens"},
        "mode": {"type": "string", "choices": ["a", "b"], "category": "run", "deprecated": "use `port`"},
        "tags": {"type": "list", "items": {"type": "string", "min": 1}, "max": 3, "unique": true},
        "limits": {"type": "map", "values": "integer"},
        "db": {"fields": {"token": {"type": "string", "secret": true, "default": "hunter2", "required": true}}},
        "any": "any", "either": {"type": ["string", "null"], "pattern": "^x"}}}"#;

    #[test]
    fn a_printed_schema_reads_back_as_the_same() {
        let compact = Schema::from_value(&parse(COMPACT, Format::Json).unwrap()).unwrap();
        let printed = compact.to_json_schema();
        let again = Schema::from_value(&printed).unwrap();
        assert!(again.notes().is_empty(), "{:?}", again.notes());
        for document in [
            r#"{}"#,
            r#"{"port": 0, "db": {}}"#,
            r#"{"port": 70000, "mode": "c", "tags": ["", "a", "a", "b"], "limits": {"x": "y"}, "z": 1}"#,
            r#"{"db": {"token": "t"}, "either": null, "any": [1]}"#,
            r#"{"db": {"token": 1}, "either": "y"}"#,
        ] {
            let document = parse(document, Format::Json).unwrap();
            let paths = |schema: &Schema| {
                let mut paths: Vec<String> =
                    schema.validate(&document, |_| None).iter().map(|e| e.path().unwrap().to_string()).collect();
                paths.sort();
                paths.dedup();
                paths
            };
            assert_eq!(paths(&again), paths(&compact), "{}", canonical(&document));
            assert_eq!(again.apply_defaults(&document), compact.apply_defaults(&document));
        }
        let rows = |schema: &Schema| {
            let options = ReferenceOptions { style: ReferenceStyle::Json, ..ReferenceOptions::default() };
            let rows = parse(&schema.reference(&options).unwrap(), Format::Json).unwrap();
            let mut rows: Vec<String> = rows
                .as_list()
                .unwrap()
                .iter()
                .map(|row| row.child("path").unwrap().as_str().unwrap().to_owned())
                .collect();
            rows.sort();
            rows
        };
        assert_eq!(rows(&again), rows(&compact));
        assert_eq!(again.policy_rules().len(), compact.policy_rules().len());
    }

    #[test]
    fn defaults_of_secrets_are_printed_only_when_asked_for() {
        let compact = Schema::from_value(&parse(COMPACT, Format::Json).unwrap()).unwrap();
        let read = Schema::from_value(&compact.to_json_schema()).unwrap();
        for schema in [compact, read] {
            let options = ReferenceOptions { style: ReferenceStyle::JsonSchema, ..ReferenceOptions::default() };
            assert!(!schema.reference(&options).unwrap().contains("hunter2"));
            let shown = ReferenceOptions { show_sensitive: true, ..options.clone() };
            assert!(schema.reference(&shown).unwrap().contains("hunter2"));
            let part = ReferenceOptions { env_only: true, ..options };
            assert!(schema.reference(&part).is_err());
        }
    }
}
