//! Types of values: what a document has to look like, and how text from the environment becomes a typed value.
//!
//! A [`Schema`] is a tree of [`Field`]s. It is built in code ([`Schema::new`]) or read from a value
//! ([`Schema::from_value`]): either the compact form below or a JSON Schema document. It gives defaults, coerces text,
//! validates documents with every problem at its place, says what is secret and prints its own reference.
//!
//! # The compact form
//!
//! ```yaml
//! strict: true                  # keys that are not declared are refused (default: false)
//! fields:
//!   rate_limit: {type: integer, default: 100, min: 1, description: "requests per second"}
//!   api_version: {type: string, default: v1, choices: [v1, v2]}
//!   token: {type: string, required: true, secret: true, env: API_TOKEN}
//!   limits: {type: map, values: integer, default: {}}
//!   hosts: {type: list, items: {type: string, format: hostname}, unique: true}
//!   database: {fields: {port: {type: port, default: 5432}}}
//!   debug: bool                 # a name alone is a type
//! ```
//!
//! A field is a type's name or a map of `type` (`bool`, `integer`, `float`, `string`, `list`, `map`, `null`, `any`, the
//! name of a [`TextFormat`], or a list of types), `default`, `required`, `min`, `max`, `choices`, `pattern`,
//! `min_length`, `max_length`, `min_items`, `max_items`, `unique`, `items`, `values`, `fields`, `strict`, `secret`,
//! `env`, `description`, `category`, `deprecated` and `format`. Anything else is an error.
//!
//! # JSON Schema
//!
//! Native builds check every keyword of drafts 2020-12 and 7 (4, 6 and 2019-09 as well), which `$schema` names; 2020-12
//! without. Builds for browsers know `type` (also unions), `properties`, `required`, `additionalProperties`, `items`, `enum`,
//! `const`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `minLength`, `maxLength`, `pattern`, `minItems`,
//! `maxItems`, `uniqueItems`, `format`, `default`, `description`, `title`, `deprecated`, `$ref`, `allOf`, `anyOf`, `oneOf`,
//! `not`, and `true` and `false` as schemas, and **refuse every other one by name**: skipping it would accept what the author
//! meant to refuse.
//!
//! `writeOnly: true` and `x-secret: true` make a secret, `x-env` names a variable, `x-category` a heading, `x-deprecated`
//! gives advice. References lead to places of the same document; nothing is fetched. A keyword that is nearly one of the
//! standard (`minimun`) is refused; others that nobody knows, and unknown formats, are [noted](Schema::notes). Formats are
//! checked, which the standard leaves open. Defaults and types for text come from what holds for a value in any case, not from
//! `then` or `patternProperties`.

mod alternatives;
mod coerce;
mod custom;
mod defaults;
mod environment;
mod field;
mod initial;
#[cfg(feature = "json-schema")]
mod json_print;
mod json_schema;
mod nearest;
mod read;
mod reference;
#[cfg(test)]
mod tests;
mod text_format;
mod validate;
mod walk;
mod whole;
#[cfg(feature = "json-schema")]
#[cfg(test)]
mod whole_tests;

pub use coerce::{coerce_like, parse_bool};
pub use custom::{Checked, CustomCheck, answered, values_at};
pub use environment::secret_file;
pub use field::{Field, Kind, Validator};
pub(crate) use nearest::nearest;
pub use reference::{ReferenceOptions, ReferenceStyle};
pub use text_format::TextFormat;
pub use validate::Report;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::{Format, locate, parse_from};
use crate::origin::Origin;
use crate::path::Path;
use crate::value::{Str, Value};
use whole::Whole;

/// What a document has to look like; O(1) to clone.
///
/// ```
/// use confmesh::schema::{Field, Schema};
/// use confmesh::{Path, Value};
///
/// let schema = Schema::new(
///     Field::map()
///         .field("api_url", Field::string().required().pattern("^https?://")?)
///         .field("timeout_seconds", Field::integer().range(1, 300).default_to(30)),
/// );
/// let document: Value = [("timeout_seconds", Value::from("hi"))].into_iter().collect();
/// let errors = schema.validate(&document, |_: &Path| None);
/// assert_eq!(errors[0].to_string(), "required key is missing (at `api_url`)");
/// assert_eq!(errors[1].to_string(), "expected integer, found string \"hi\" (at `timeout_seconds`)");
/// assert_eq!(schema.apply_defaults(&Value::empty_map()).child("timeout_seconds"), Some(&30.into()));
/// # Ok::<(), confmesh::Error>(())
/// ```
#[derive(Clone)]
pub struct Schema(Arc<Parts>);

pub(crate) struct Parts {
    pub(super) root: Field,
    /// By the text of the references that lead to them.
    pub(super) definitions: BTreeMap<Str, Field>,
    /// What our own checks do not do, where a JSON Schema document asks for it; then its word counts.
    whole: Option<Arc<Whole>>,
    notes: Vec<Error>,
    /// The JSON Schema document that this was read from.
    source: Option<Value>,
    /// Whether checks of the program are left out.
    without_checks: bool,
}

impl Parts {
    fn again(&self) -> Parts {
        Parts {
            root: self.root.clone(),
            definitions: self.definitions.clone(),
            whole: self.whole.clone(),
            notes: self.notes.clone(),
            source: self.source.clone(),
            without_checks: self.without_checks,
        }
    }

    fn of(root: Field) -> Parts {
        Parts {
            root,
            definitions: BTreeMap::new(),
            whole: None,
            notes: Vec::new(),
            source: None,
            without_checks: false,
        }
    }
}

impl Schema {
    /// A schema of documents that are of this field, commonly a [`Field::map`].
    pub fn new(root: Field) -> Schema {
        Schema(Arc::new(Parts::of(root)))
    }

    /// What the schema says and nobody checks here, each with its path in it: formats and keywords that are unknown.
    ///
    /// ```
    /// use confmesh::format::{Format, parse};
    /// use confmesh::schema::Schema;
    /// let schema = Schema::from_value(&parse(r#"{"type": "string", "format": "iban"}"#, Format::Json)?)?;
    /// assert_eq!(schema.notes()[0].to_string(), "the format `iban` is not checked (at `format`)");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn notes(&self) -> &[Error] {
        &self.0.notes
    }

    /// Reads the compact form (a map with `fields`) or a JSON Schema document (any other); see the module's page.
    ///
    /// # Errors
    /// [`Code::Invalid`](crate::Code::Invalid) with the path in the schema: an unknown keyword, a keyword of the wrong type,
    /// a pattern that cannot be read, a reference that leads nowhere or back to itself. Every problem of a kind is
    /// among the [`related`](Error::related) errors of the first.
    ///
    /// ```
    /// use confmesh::format::{Format, parse};
    /// use confmesh::schema::Schema;
    ///
    /// let text = r#"{"type": "object", "properties": {"port": {"type": "integer", "minimum": 1}}}"#;
    /// let schema = Schema::from_value(&parse(text, Format::Json)?)?;
    /// let errors = schema.validate(&parse(r#"{"port": 0}"#, Format::Json)?, |_| None);
    /// assert_eq!(errors[0].to_string(), "0 is below the minimum 1 (at `port`)");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn from_value(value: &Value) -> Result<Schema> {
        let schema = match value {
            Value::Map(map) if map.contains_key("fields") => Schema::new(read::field(value, &Path::root())?),
            _ => json_schema::document(value)?,
        };
        walk::check_references(&schema)?;
        Ok(schema)
    }

    /// The same schema with a check of the whole document; it runs after the rules of the fields hold.
    #[must_use]
    pub fn check(&self, validator: impl Fn(&Value) -> Result<(), Vec<Error>> + Send + Sync + 'static) -> Schema {
        Schema(Arc::new(Parts { root: self.0.root.clone().check(validator), ..self.0.again() }))
    }

    /// The same schema without checks of the program: what they say is asked for elsewhere.
    pub(crate) fn without_checks(&self) -> Schema {
        Schema(Arc::new(Parts { without_checks: true, ..self.0.again() }))
    }

    /// Whether checks of the program belong to it.
    pub(crate) fn has_checks(&self) -> bool {
        !self.0.without_checks && walk::fields(&self.0).any(|field| !field.validators.is_empty())
    }

    /// Every problem of a document; none if it is valid. `locate` says where a path stands: its
    /// answer becomes the origin of the error.
    ///
    /// No message shows a value that the schema calls secret; see [`Schema::report`] for values that a policy does.
    pub fn validate(&self, value: &Value, locate: impl Fn(&Path) -> Option<Origin>) -> Vec<Error> {
        self.report(value, &crate::policy::Policy::default(), locate).errors
    }

    /// Every problem of the document in a text, each with its line and column.
    ///
    /// # Errors
    /// What [`parse_from`](crate::format::parse_from) says of a text that is no document.
    ///
    /// ```
    /// use confmesh::format::Format;
    /// use confmesh::schema::{Field, Schema};
    /// let schema = Schema::new(Field::map().field("port", Field::integer()));
    /// let errors = schema.validate_text("{\n  \"port\": \"x\"\n}", Format::Json, "app.json", &[])?;
    /// assert_eq!(errors[0].to_string(), "app.json:2:3: expected integer, found string \"x\" (at `port`)");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn validate_text(
        &self,
        text: &str,
        format: Format,
        source: &str,
        checks: &[CustomCheck<'_>],
    ) -> Result<Vec<Error>> {
        let value = parse_from(text, format, source)?;
        let place = |path: &Path| Some(Origin::source(source).at(locate(text, format, path)));
        Ok(self.report_with(&value, &crate::policy::Policy::default(), checks, place).errors)
    }

    /// The document with its defaults, if it is valid then: how a program gets typed values out of plain ones.
    ///
    /// # Errors
    /// The first problem; the others are among its [`related`](Error::related) errors.
    ///
    /// ```
    /// use confmesh::schema::{Field, Schema};
    /// use confmesh::Value;
    /// let schema = Schema::new(Field::map().field("port", Field::integer().range(1, 65_535).default_to(8080)));
    /// assert_eq!(schema.load(&Value::empty_map(), &[])?.child("port"), Some(&8080.into()));
    /// assert!(schema.load(&[("port", 0)].into_iter().collect(), &[]).is_err());
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn load(&self, value: &Value, checks: &[CustomCheck<'_>]) -> Result<Value> {
        let value = self.apply_defaults(value);
        match Error::all(self.report_with(&value, &crate::policy::Policy::default(), checks, |_| None).errors) {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.0.root.fields.iter().map(|(key, _)| key.as_str()).collect();
        write!(f, "Schema({})", keys.join(", "))
    }
}
