//! Layers as data: what the bindings and the corpus of vectors hand over.

use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::path::Path;
use crate::policy::MergeStrategy;
use crate::value::{Map, Value};

use super::{Layer, priority};

const FIELDS: &str =
    "the fields are `id`, `priority`, `strategy`, `unset`, `removals`, and one of `value`, `text` and `env`";

impl Layer {
    /// Reads `{"id", "priority"?, "strategy"?, "unset"?: [path…], "removals"?: bool}` with `"value": map`, or `"text"` and `"format"?`
    /// (`json` where none is given), or `"env": {"prefix", "variables": {name: text}}`, where the id may be missing.
    /// The priority defaults to [`priority::FILE`], for `env` to [`priority::ENV`].
    ///
    /// # Errors
    /// [`Code::Usage`] for a missing, unknown or doubled field, [`Code::Type`] for one of the wrong type, with the
    /// field's path; [`Code::NotAMap`] where `value` is no map; and what the text, strategy or prefix brings.
    ///
    /// ```
    /// use confmesh::{format::{Format, parse}, merge::Layer};
    /// let layer = Layer::from_value(&parse(r#"{"id": "base", "value": {"port": 80}}"#, Format::Json)?)?;
    /// assert_eq!((layer.id.as_str(), layer.priority), ("base", 30));
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn from_value(spec: &Value) -> Result<Layer> {
        let Value::Map(spec) = spec else {
            return Err(
                Error::new(Code::Type, format!("a layer is a map, not a {}", spec.type_name())).with_hint(FIELDS)
            );
        };
        let mut layer = content(spec)?;
        for (key, field) in spec.iter() {
            match key.as_str() {
                "id" => layer.id = text(spec, "id")?.into(),
                "value" | "text" | "format" | "env" => {}
                "priority" => {
                    let number = field.as_i64().and_then(|number| i32::try_from(number).ok());
                    layer.priority = number.ok_or_else(|| wrong_type("priority", "a 32-bit integer", field))?;
                }
                "strategy" => {
                    layer.strategy = text(spec, "strategy")?.parse().map_err(|error| at(error, "strategy"))?;
                    if layer.strategy == MergeStrategy::KeyedList {
                        let error = Error::new(Code::Policy, "`keyed_list` needs a key, which only a rule can name");
                        return Err(at(error, "strategy").with_hint("give a rule with `merge` and `key`"));
                    }
                }
                "removals" => {
                    let acts = field.as_bool().ok_or_else(|| wrong_type("removals", "a bool", field))?;
                    layer = super::removal::marked(layer, acts);
                }
                "unset" => {
                    let paths = field.as_list().ok_or_else(|| wrong_type("unset", "a list of paths", field))?;
                    for path in paths {
                        let path = path.as_str().ok_or_else(|| wrong_type("unset", "a list of paths", path))?;
                        layer.unset.push(Path::parse(path)?);
                    }
                }
                other => {
                    return Err(
                        at(Error::new(Code::Usage, format!("a layer has no field `{other}`")), other).with_hint(FIELDS)
                    );
                }
            }
        }
        if spec.contains_key("text") && !spec.contains_key("removals") {
            layer = super::removal::marked(layer, false);
        }
        Ok(layer)
    }
}

/// The layer that the one field with its content makes.
fn content(spec: &Map) -> Result<Layer> {
    let given: Vec<&str> = ["value", "text", "env"].into_iter().filter(|field| spec.contains_key(field)).collect();
    match (given.as_slice(), spec.get("value"), spec.get("env")) {
        (["value"], Some(value), _) => {
            let id = text(spec, "id")?;
            if value.as_map().is_none() {
                let message = format!("the document is a {}, not a map", value.type_name());
                return Err(at(Error::new(Code::NotAMap, message), "value").with_hint("put the value under a key"));
            }
            Ok(Layer::new(id, priority::FILE, value.clone()))
        }
        (["text"], ..) => {
            let format = if spec.contains_key("format") { text(spec, "format")? } else { "json" };
            Layer::from_text(text(spec, "id")?, priority::FILE, text(spec, "text")?, Format::from_name(format)?)
        }
        (["env"], _, Some(env)) => {
            let fields = env.as_map().ok_or_else(|| wrong_type("env", "a map", env))?;
            let variables = fields.get("variables").unwrap_or(&Value::Null);
            let variables = variables.as_map().ok_or_else(|| wrong_type("variables", "a map of texts", variables))?;
            let pairs = variables.iter().map(|(name, value)| match value.as_str() {
                Some(value) => Ok((name.to_string(), value.to_owned())),
                None => Err(wrong_type(name, "text", value)),
            });
            Layer::from_env(text(fields, "prefix")?, pairs.collect::<Result<Vec<_>>>()?)
        }
        _ => Err(Error::new(Code::Usage, "a layer has exactly one of `value`, `text` and `env`").with_hint(FIELDS)),
    }
}

fn text<'a>(spec: &'a Map, name: &str) -> Result<&'a str> {
    match spec.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong_type(name, "text", other)),
        None => Err(Error::new(Code::Usage, format!("a layer needs `{name}`")).with_hint(FIELDS)),
    }
}

fn wrong_type(field: &str, wanted: &str, found: &Value) -> Error {
    at(Error::new(Code::Type, format!("`{field}` of a layer is {wanted}, not a {}", found.type_name())), field)
}

fn at(error: Error, field: &str) -> Error {
    error.with_path(Path::root().child(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::format::parse;

    fn layer(text: &str) -> Result<Layer> {
        Layer::from_value(&parse(text, Format::Json).unwrap())
    }

    #[test]
    fn a_layer_reads_its_value_text_or_variables() {
        let plain = layer(r#"{"id": "a", "priority": 5, "strategy": "override", "unset": ["x.y"], "value": {"k": 1}}"#);
        let plain = plain.unwrap();
        assert_eq!((plain.priority, plain.strategy, plain.unset.len()), (5, MergeStrategy::Override, 1));
        let text = layer(r#"{"id": "f", "text": "{\"k\": 2}"}"#).unwrap();
        assert!(text.text.is_some() && text.priority == priority::FILE);
        let env = layer(r#"{"env": {"prefix": "APP", "variables": {"APP_K": "3", "HOME": "/"}}}"#).unwrap();
        assert_eq!((env.id.as_str(), env.priority, env.raw), ("env:APP", priority::ENV, true));
        assert_eq!(canonical(&env.value), r#"{"k":"3"}"#);
    }

    #[test]
    fn malformed_layers_are_refused_with_the_field() {
        for (text, code, path) in [
            (r#"[]"#, Code::Type, None),
            (r#"{"id": "a"}"#, Code::Usage, None),
            (r#"{"id": "a", "value": {}, "text": "{}"}"#, Code::Usage, None),
            (r#"{"value": {}}"#, Code::Usage, None),
            (r#"{"id": "a", "value": 1}"#, Code::NotAMap, Some("value")),
            (r#"{"id": 1, "value": {}}"#, Code::Type, Some("id")),
            (r#"{"id": "a", "value": {}, "priority": 1.5}"#, Code::Type, Some("priority")),
            (r#"{"id": "a", "value": {}, "prioritty": 1}"#, Code::Usage, Some("prioritty")),
            (r#"{"id": "a", "value": {}, "strategy": "deep"}"#, Code::Policy, Some("strategy")),
            (r#"{"id": "a", "value": {}, "strategy": "keyed_list"}"#, Code::Policy, Some("strategy")),
            (r#"{"env": {"prefix": "A", "variables": {"A_B": 1}}}"#, Code::Type, Some("A_B")),
            (r#"{"env": {"prefix": "", "variables": {}}}"#, Code::Usage, None),
        ] {
            let error = layer(text).unwrap_err();
            let found = error.path().map(ToString::to_string);
            assert_eq!((error.code(), found.as_deref()), (code, path), "{text}");
        }
    }
}
