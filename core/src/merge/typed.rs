//! Layers and schemas: defaults as the lowest layer, variables as typed layers.

use std::collections::BTreeMap;

use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::origin::Origin;
use crate::path::Path;
use crate::schema::Schema;
use crate::value::{Map, Str, Value};

use super::{Layer, Variable, priority};

/// The id of the layer that holds a schema's defaults.
const DEFAULT: &str = "default";

impl Schema {
    /// The defaults as the layer `default`, below every other one.
    ///
    /// ```
    /// use confmesh::merge::merge;
    /// use confmesh::schema::{Field, Schema};
    /// let schema = Schema::new(Field::map().field("timeout_ms", Field::integer().default_to(5000)));
    /// let merged = merge(&[schema.defaults()], &confmesh::Policy::default());
    /// assert_eq!(merged.source_of(&confmesh::Path::parse("timeout_ms")?).as_deref(), Some("default"));
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn defaults(&self) -> Layer {
        self.defaults_for(&Value::empty_map())
    }

    /// The defaults of a document that holds `value`: also those of optional sections that it has begun, and of the maps below
    /// keys that it chose. See [`Schema::apply_defaults`].
    pub fn defaults_for(&self, value: &Value) -> Layer {
        Layer::new(DEFAULT, priority::DEFAULT, self.default_values(value))
    }

    /// The layer with its texts as the types that the schema declares, and its keys as the schema spells them.
    ///
    /// Only raw layers (of variables) change. Text that is nothing of its type is left out, with a warning that names the
    /// variable and the path, and shows the text only if it is no secret. Text that the schema says nothing about stays
    /// text, whose type the value that it overrides decides.
    pub fn coerce(&self, layer: &Layer) -> Layer {
        let mut typed = layer.clone();
        if !layer.raw {
            return typed;
        }
        if let Value::Map(map) = &layer.value {
            typed.value = Value::Map(self.coerce_map(map, &Path::root(), layer, &mut typed.warnings));
        }
        for variable in &mut typed.variables {
            if !layer.is_exact {
                variable.path = self.spelled(&variable.path);
            }
            variable.is_known = Some(self.knows(&variable.path));
        }
        // What Kubernetes sets must not stop anything.
        let links: Vec<&Path> = typed.variables.iter().filter(|found| found.is_link).map(|found| &found.path).collect();
        for warning in typed.warnings.iter_mut().skip(layer.warnings.len()) {
            if warning.path().is_some_and(|path| links.contains(&path)) {
                *warning = warning.clone().with_code(Code::Ambiguous);
            }
        }
        typed
    }

    fn coerce_map(&self, map: &Map, spelled: &Path, layer: &Layer, warnings: &mut Vec<Error>) -> Map {
        let typed = map.iter().filter_map(|(key, child)| {
            let at = spelled.child(key);
            let path = if layer.is_exact { at.clone() } else { self.spelled(&at) };
            let name = path.last().cloned().unwrap_or_else(|| key.clone());
            let value = match child {
                Value::Map(child) => Value::Map(self.coerce_map(child, &at, layer, warnings)),
                Value::String(raw) => self.typed(&path, raw, layer.origin(&at), warnings)?,
                other => other.clone(),
            };
            Some((name, value))
        });
        typed.collect()
    }

    /// The layer `env` of the variables that fields name for themselves ([`Field::env`](crate::schema::Field::env)), with the
    /// declared types. What is nothing of its type is left out with a warning.
    ///
    /// ```
    /// use confmesh::schema::{Field, Schema};
    /// let schema = Schema::new(Field::map().field("max_workers", Field::integer().default_to(4).env("MAX_WORKERS")));
    /// let layer = schema.env_layer([("MAX_WORKERS".to_owned(), "8".to_owned())]);
    /// assert_eq!(layer.value.child("max_workers"), Some(&8.into()));
    /// ```
    pub fn env_layer(&self, variables: impl IntoIterator<Item = (String, String)>) -> Layer {
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        let mut layer = Layer::new("env", priority::ENV, Value::empty_map());
        for (path, name) in self.named_variables() {
            let Some(raw) = variables.get(name.as_str()) else { continue };
            let origin = Origin::source("env").spelled(&name);
            let Some(value) = self.typed(&path, raw, origin, &mut layer.warnings) else { continue };
            layer.value = layer.value.with(&path, value);
            layer.variables.push(Variable { is_known: Some(true), ..Variable::new(path, name) });
        }
        layer
    }

    fn typed(&self, path: &Path, raw: &str, origin: Origin, warnings: &mut Vec<Error>) -> Option<Value> {
        match self.coerce_text(path, raw) {
            Ok(value) => Some(value),
            Err(error) => {
                let name = origin.key.clone().unwrap_or_else(|| Str::from(path.to_string()));
                let found =
                    if self.is_secret(path) { String::new() } else { format!(", found {}", canonical(&raw.into())) };
                let message = format!("`{name}` is of the wrong type: {}{found}", error.message());
                let warning = Error::new(Code::Type, message).with_origin(origin).with_path(path.clone());
                warnings.push(match error.hint() {
                    Some(hint) => warning.with_hint(hint),
                    None => warning,
                });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};
    use crate::merge::merge;
    use crate::policy::Policy;
    use crate::schema::Field;

    fn schema() -> Schema {
        Schema::new(
            Field::map()
                .field("api_url", Field::string().default_to("http://localhost:8080").env("API_URL"))
                .field("max_workers", Field::integer().default_to(4).env("MAX_WORKERS"))
                .field("debug_enabled", Field::bool().default_to(false).env("DEBUG_ENABLED"))
                .field("pin", Field::integer().secret().env("PIN"))
                .field("toggles", Field::map_of(Field::bool()).default_to(Value::empty_map()))
                .field("db", Field::map().field("maxConn", Field::integer())),
        )
    }

    fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn a_key_that_no_source_holds_has_its_default() {
        let file = Layer::new("file:a.json", priority::FILE, parse(r#"{"max_workers": 9}"#, Format::Json).unwrap());
        let merged = merge(&[schema().defaults(), file], &Policy::default());
        assert_eq!(
            canonical(&merged.value),
            r#"{"api_url":"http://localhost:8080","debug_enabled":false,"max_workers":9,"toggles":{}}"#
        );
        assert_eq!(merged.source_of(&path("api_url")).as_deref(), Some("default"));
        assert_eq!(merged.source_of(&path("max_workers")).as_deref(), Some("file:a.json"));
    }

    #[test]
    fn fields_name_their_variables() {
        let environment = [("MAX_WORKERS", "8"), ("DEBUG_ENABLED", "On"), ("HOME", "/")];
        let layer = schema().env_layer(variables(&environment));
        assert_eq!(canonical(&layer.value), r#"{"debug_enabled":true,"max_workers":8}"#);
        assert_eq!(layer.origin(&path("max_workers")).to_string(), "env (MAX_WORKERS)");
    }

    #[test]
    fn variables_below_a_prefix_take_type_and_spelling_from_the_schema() {
        let raw = Layer::from_env(
            "APP",
            variables(&[("APP_DB__MAXCONN", "7"), ("APP_TOGGLES", "a=on"), ("APP_OTHER", "1"), ("APP_API_URL", "5")]),
        );
        let layer = schema().coerce(&raw.unwrap());
        assert_eq!(canonical(&layer.value), r#"{"api_url":"5","db":{"maxConn":7},"other":"1","toggles":{"a":true}}"#);
        assert_eq!(layer.origin(&path("db.maxConn")).to_string(), "env:APP (APP_DB__MAXCONN)");
        let merged = merge(std::slice::from_ref(&layer), &Policy::default());
        assert_eq!(canonical(&merged.value), r#"{"api_url":"5","db":{"maxConn":7},"toggles":{"a":true}}"#);
        assert_eq!(merged.warnings[0].code(), Code::UnknownVariable, "what the schema does not know is told");
    }

    #[test]
    fn text_of_the_wrong_type_is_left_out_and_named_but_no_secret_is_shown() {
        let raw = Layer::from_env("APP", variables(&[("APP_MAX_WORKERS", "many"), ("APP_PIN", "hunter2")])).unwrap();
        let layer = schema().coerce(&raw);
        assert_eq!(layer.value, Value::empty_map());
        let shown: Vec<String> = layer.warnings.iter().map(Error::to_string).collect();
        assert_eq!(
            shown,
            [
                "env:APP (APP_MAX_WORKERS): `APP_MAX_WORKERS` is of the wrong type: expected integer, found \"many\" (at `max_workers`)",
                "env:APP (APP_PIN): `APP_PIN` is of the wrong type: expected integer (at `pin`)",
            ]
        );
        let named = schema().env_layer(variables(&[("PIN", "hunter2")]));
        assert!(named.warnings.len() == 1 && !format!("{:?}", named.warnings).contains("hunter2"));
    }

    #[test]
    fn layers_that_have_types_stay_as_they_are() {
        let value = parse(r#"{"max_workers": "many"}"#, Format::Json).unwrap();
        let layer = Layer::new("file:a.json", priority::FILE, value.clone());
        assert!(schema().coerce(&layer).value.ptr_eq(&value));
    }
}
