//! One field of a schema: its type, its bounds, and what people should know about it.

use std::fmt;
use std::sync::Arc;

use regex_lite::Regex;

use super::text_format::TextFormat;
use crate::error::{Code, Error, Result};
use crate::value::{Number, Str, Value};

/// The type that a value has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits; `1.0` is one.
    Integer,
    /// Any number, whole ones too.
    Float,
    /// Text.
    String,
    /// A list.
    List,
    /// A map.
    Map,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] =
        &[Kind::Null, Kind::Bool, Kind::Integer, Kind::Float, Kind::String, Kind::List, Kind::Map];

    /// The name as users read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Integer => "integer",
            Kind::Float => "float",
            Kind::String => "string",
            Kind::List => "list",
            Kind::Map => "map",
        }
    }

    /// The kind of that name; the names of JSON Schema are understood too.
    pub(super) fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "null" => Kind::Null,
            "bool" | "boolean" => Kind::Bool,
            "integer" | "int" => Kind::Integer,
            "float" | "number" => Kind::Float,
            "string" | "str" => Kind::String,
            "list" | "array" => Kind::List,
            "map" | "object" => Kind::Map,
            _ => return None,
        })
    }

    /// Whether a value is of this kind.
    pub fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Null, Value::Null)
            | (Kind::Bool, Value::Bool(_))
            | (Kind::Float, Value::Number(_))
            | (Kind::String, Value::String(_))
            | (Kind::List, Value::List(_))
            | (Kind::Map, Value::Map(_)) => true,
            (Kind::Integer, Value::Number(number)) => number.is_integer(),
            _ => false,
        }
    }
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub number: Number,
    pub exclusive: bool,
}

/// What a map may hold besides its declared fields.
#[derive(Clone, Default)]
pub(super) enum Others {
    /// Anything.
    #[default]
    Any,
    /// Nothing.
    Refused,
    /// Values of one field.
    Of(Box<Field>),
}

/// A check of the program's own: every problem with its path relative to the value it was given.
pub type Validator = Arc<dyn Fn(&Value) -> Result<(), Vec<Error>> + Send + Sync>;

/// A field of a [`Schema`](super::Schema): made by the constructor of its type and refined by the methods.
///
/// ```
/// use confmesh::schema::Field;
/// let port = Field::integer().range(1, 65_535).default_to(8080).env("PORT").describe("where the service listens");
/// let tags = Field::list_of(Field::string().min_length(1)).default_to(Vec::<confmesh::Value>::new());
/// # let _ = (port, tags);
/// ```
#[derive(Clone, Default)]
pub struct Field {
    /// Empty: any.
    pub(super) kinds: Vec<Kind>,
    pub(super) required: bool,
    pub(super) default: Option<Value>,
    pub(super) secret: bool,
    pub(super) env: Option<Str>,
    pub(super) description: Option<Str>,
    pub(super) category: Option<Str>,
    pub(super) deprecated: Option<Str>,
    pub(super) choices: Option<Vec<Value>>,
    pub(super) minimum: Option<Bound>,
    pub(super) maximum: Option<Bound>,
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<(Str, Arc<Regex>)>,
    pub(super) format: Option<TextFormat>,
    pub(super) min_items: Option<usize>,
    pub(super) max_items: Option<usize>,
    pub(super) unique: bool,
    pub(super) items: Option<Box<Field>>,
    /// In the order of their declaration.
    pub(super) fields: Vec<(Str, Field)>,
    pub(super) others: Others,
    /// The name of a definition that has to hold too.
    pub(super) reference: Option<Str>,
    pub(super) all_of: Vec<Field>,
    pub(super) any_of: Vec<Field>,
    pub(super) one_of: Vec<Field>,
    pub(super) not: Option<Box<Field>>,
    /// What may speak about the same value, or about what is in it, and is checked with the whole document: `then`,
    /// `patternProperties`. Here it tells what is secret.
    pub(super) elsewhere: Vec<Field>,
    pub(super) elsewhere_below: Vec<Field>,
    /// Nothing is valid: the schema `false`.
    pub(super) never: bool,
    pub(super) validators: Vec<Validator>,
}

impl Field {
    /// Any value.
    pub fn any() -> Field {
        Field::default()
    }

    /// Values of one kind.
    pub fn of(kind: Kind) -> Field {
        Field { kinds: vec![kind], ..Field::default() }
    }

    /// `true` or `false`.
    pub fn bool() -> Field {
        Field::of(Kind::Bool)
    }

    /// A whole number of 64 bits.
    pub fn integer() -> Field {
        Field::of(Kind::Integer)
    }

    /// Any number.
    pub fn float() -> Field {
        Field::of(Kind::Float)
    }

    /// Text.
    pub fn string() -> Field {
        Field::of(Kind::String)
    }

    /// A list whose items are all of one field.
    pub fn list_of(items: Field) -> Field {
        Field { items: Some(Box::new(items)), ..Field::of(Kind::List) }
    }

    /// A map with any keys whose values are all of one field.
    pub fn map_of(values: Field) -> Field {
        Field { others: Others::Of(Box::new(values)), ..Field::of(Kind::Map) }
    }

    /// A map with declared keys; see [`Field::field`].
    pub fn map() -> Field {
        Field::of(Kind::Map)
    }

    /// Declares a key of a map.
    #[must_use]
    pub fn field(mut self, key: impl AsRef<str>, field: Field) -> Field {
        let key = Str::from(key.as_ref());
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = field,
            None => self.fields.push((key, field)),
        }
        self
    }

    /// Refuses keys of the map that are not declared.
    #[must_use]
    pub fn strict(mut self) -> Field {
        self.others = Others::Refused;
        self
    }

    /// Lets the field be `null` too.
    #[must_use]
    pub fn or_null(mut self) -> Field {
        if !self.kinds.is_empty() && !self.kinds.contains(&Kind::Null) {
            self.kinds.push(Kind::Null);
        }
        self
    }

    /// The key must be there.
    #[must_use]
    pub fn required(mut self) -> Field {
        self.required = true;
        self
    }

    /// What holds where no source says anything.
    #[must_use]
    pub fn default_to(mut self, value: impl Into<Value>) -> Field {
        self.default = Some(value.into());
        self
    }

    /// The value, and everything below, is never shown.
    #[must_use]
    pub fn secret(mut self) -> Field {
        self.secret = true;
        self
    }

    /// The environment variable that sets the field, whatever prefix the program uses.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<str>) -> Field {
        self.env = Some(Str::from(name.as_ref()));
        self
    }

    /// What the field is for.
    #[must_use]
    pub fn describe(mut self, text: impl AsRef<str>) -> Field {
        self.description = Some(Str::from(text.as_ref()));
        self
    }

    /// Under which heading the reference lists the field; default: the first segment of its path.
    #[must_use]
    pub fn category(mut self, name: impl AsRef<str>) -> Field {
        self.category = Some(Str::from(name.as_ref()));
        self
    }

    /// The field should not be used any more; the text says what to use.
    #[must_use]
    pub fn deprecated(mut self, advice: impl AsRef<str>) -> Field {
        self.deprecated = Some(Str::from(advice.as_ref()));
        self
    }

    /// The only values that are allowed.
    #[must_use]
    pub fn choices<V: Into<Value>>(mut self, choices: impl IntoIterator<Item = V>) -> Field {
        self.choices = Some(choices.into_iter().map(Into::into).collect());
        self
    }

    /// The smallest number that is allowed.
    #[must_use]
    pub fn min(mut self, number: impl Into<Number>) -> Field {
        self.minimum = Some(Bound { number: number.into(), exclusive: false });
        self
    }

    /// The largest number that is allowed.
    #[must_use]
    pub fn max(mut self, number: impl Into<Number>) -> Field {
        self.maximum = Some(Bound { number: number.into(), exclusive: false });
        self
    }

    /// The smallest and the largest number that are allowed.
    #[must_use]
    pub fn range(self, min: i64, max: i64) -> Field {
        self.min(min).max(max)
    }

    /// The fewest characters (Unicode scalar values) of a text.
    #[must_use]
    pub fn min_length(mut self, length: usize) -> Field {
        self.min_length = Some(length);
        self
    }

    /// The most characters of a text.
    #[must_use]
    pub fn max_length(mut self, length: usize) -> Field {
        self.max_length = Some(length);
        self
    }

    /// The fewest and the most items of a list.
    #[must_use]
    pub fn length(mut self, min: usize, max: usize) -> Field {
        (self.min_items, self.max_items) = (Some(min), Some(max));
        self
    }

    /// Refuses equal items in the list.
    #[must_use]
    pub fn unique(mut self) -> Field {
        self.unique = true;
        self
    }

    /// A regular expression that the text has to match somewhere (anchor it with `^` and `$`). Matching takes linear time,
    /// so there is no lookaround and no backreference; classes such as `\d` are ASCII.
    ///
    /// # Errors
    /// [`Code::Invalid`] for what is no such expression.
    pub fn pattern(mut self, pattern: &str) -> Result<Field> {
        let regex = Regex::new(pattern).map_err(|error| {
            Error::new(Code::Invalid, format!("`{pattern}` is no regular expression: {error}"))
                .with_hint("lookaround, backreferences and `\\p{…}` are not available")
        })?;
        self.pattern = Some((Str::from(pattern), Arc::new(regex)));
        Ok(self)
    }

    /// What the text (or for [`TextFormat::Port`] the number) has to look like.
    #[must_use]
    pub fn format(mut self, format: TextFormat) -> Field {
        if self.kinds.is_empty() {
            self.kinds.push(if format == TextFormat::Port { Kind::Integer } else { Kind::String });
        }
        self.format = Some(format);
        self
    }

    /// Adds a check of the program's own. It runs after the other rules of the field hold.
    #[must_use]
    pub fn check(mut self, validator: impl Fn(&Value) -> Result<(), Vec<Error>> + Send + Sync + 'static) -> Field {
        self.validators.push(Arc::new(validator));
        self
    }

    /// The declared key.
    pub(super) fn child(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|(name, _)| *name == key).map(|(_, field)| field)
    }

    /// The type as users read it: `integer`, `string or null`, `list of integer`.
    pub(super) fn type_text(&self) -> String {
        let names = self.kinds.iter().map(|kind| match (kind, &self.items, &self.others) {
            (Kind::List, Some(items), _) if !items.kinds.is_empty() => format!("list of {}", items.type_text()),
            (Kind::Map, _, Others::Of(values)) if !values.kinds.is_empty() && self.fields.is_empty() => {
                format!("map of {}", values.type_text())
            }
            (kind, ..) => kind.as_str().to_owned(),
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() { "any".to_owned() } else { names.join(" or ") }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.type_text())
    }
}
