//! Fields and environment variables: text takes the declared type, values become text again.

use super::coerce::{self, parse_bool};
use super::field::{Field, Kind, Others};
use super::walk::MAX_VISITS;
use super::{Schema, coerce_like};
use crate::canonical::canonical;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::path::Path;
use crate::value::{List, Map, Str, Value};

/// The path of the file that holds a secret, where its text is `file://` and a path; whoever may read files resolves it.
///
/// ```
/// use confmesh::schema::secret_file;
/// assert_eq!((secret_file("file:///run/secrets/token"), secret_file("hunter2")), (Some("/run/secrets/token"), None));
/// ```
pub fn secret_file(text: &str) -> Option<&str> {
    text.strip_prefix("file://")
}

impl Schema {
    /// The path as the schema spells it: variables cannot carry case or dashes. Segments that it does not know stay.
    pub(crate) fn spelled(&self, path: &Path) -> Path {
        let mut field = Some(&self.0.root);
        let mut spelled = Vec::with_capacity(path.len());
        for segment in path.segments() {
            let name = field.map_or_else(|| segment.clone(), |field| self.spelling(field, segment));
            field = field.and_then(|field| self.0.child(field, &name));
            spelled.push(name);
        }
        spelled.into_iter().collect()
    }

    fn spelling(&self, field: &Field, key: &Str) -> Str {
        let declared = self.0.declared(field);
        let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
        if declared.iter().any(|(name, _)| *name == key) {
            return key.clone();
        }
        let alike = |name: &Str| name.chars().map(fold).eq(key.chars().map(fold));
        let letters = |name: &Str| name.chars().map(fold).filter(|c| *c != '_').collect::<Vec<char>>();
        let found = declared.iter().find(|(name, _)| alike(name));
        // `CAMEL_CASE` is `camelCase`.
        let found = found.or_else(|| declared.iter().find(|(name, _)| letters(name) == letters(key)));
        found.map_or_else(|| key.clone(), |(name, _)| (*name).clone())
    }

    pub(crate) fn field_at(&self, path: &Path) -> Option<&Field> {
        path.segments().iter().try_fold(&self.0.root, |field, segment| {
            self.0.child(field, segment).or_else(|| {
                crate::value::index(segment)?;
                self.0.aspects(field).into_iter().find_map(|aspect| aspect.items.as_deref())
            })
        })
    }

    /// Whether the schema has a place for a path: a field, or a map below the root that takes any key.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        let mut field = &self.0.root;
        for (depth, segment) in path.segments().iter().enumerate() {
            let aspects = self.0.aspects(field);
            let items = || {
                aspects
                    .iter()
                    .find_map(|aspect| aspect.items.as_deref())
                    .filter(|_| crate::value::index(segment).is_some())
            };
            let Some(child) = self.0.child(field, segment).or_else(items) else {
                let is_open = depth > 0 || self.0.declared(field).is_empty();
                return is_open && !aspects.iter().any(|aspect| matches!(aspect.others, Others::Refused));
            };
            field = child;
        }
        true
    }

    /// Whether the schema calls the value at a path, or one above it, secret.
    pub(crate) fn is_secret(&self, path: &Path) -> bool {
        std::iter::successors(Some(path.clone()), Path::parent)
            .any(|above| self.field_at(&above).is_some_and(|field| self.0.is_secret(field)))
    }

    /// The paths that variables of their own set, with the names of those.
    pub(crate) fn named_variables(&self) -> Vec<(Path, Str)> {
        let mut found = Vec::new();
        self.each_field(&mut |path, field| {
            let name = self.0.aspects(field).into_iter().find_map(|aspect| aspect.env.clone());
            found.extend(name.map(|name| (path.clone(), name)));
        });
        found
    }

    /// Every declared key with its path, in the order of declaration; definitions that hold themselves are shown once.
    pub(super) fn each_field<'s>(&'s self, visit: &mut dyn FnMut(&Path, &'s Field)) {
        fn walk<'s>(
            schema: &'s Schema,
            path: &Path,
            field: &'s Field,
            open: &mut Vec<&'s Field>,
            left: &mut usize,
            visit: &mut dyn FnMut(&Path, &'s Field),
        ) {
            let aspects = schema.0.aspects(field);
            let before = open.len();
            if aspects.iter().any(|aspect| open.iter().any(|above| std::ptr::eq(*above, *aspect))) {
                return;
            }
            open.extend(aspects);
            for (key, child) in schema.0.declared(field) {
                let Some(rest) = left.checked_sub(1) else { break };
                *left = rest;
                let path = path.child(key);
                visit(&path, child);
                walk(schema, &path, child, open, left, visit);
            }
            open.truncate(before);
        }
        let mut left = MAX_VISITS;
        walk(self, &Path::root(), &self.0.root, &mut Vec::new(), &mut left, visit);
    }

    /// Reads text as the type that the schema declares at a path; text stays text where it declares none.
    ///
    /// Bools follow [`parse_bool`]; lists are JSON or items between commas; maps are JSON objects or `key=value` pairs between
    /// commas. Text of a secret that starts with `file://` stays as it is.
    ///
    /// # Errors
    /// [`Code::Type`] with the path. The message never holds the text: it may be secret.
    ///
    /// ```
    /// use confmesh::schema::{Field, Schema};
    /// let limits = Field::map_of(Field::integer());
    /// let schema = Schema::new(Field::map().field("limits", limits));
    /// let limits = schema.coerce_text(&confmesh::Path::parse("limits")?, "free=10, paid=100")?;
    /// assert_eq!(confmesh::canonical::canonical(&limits), r#"{"free":10,"paid":100}"#);
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn coerce_text(&self, path: &Path, raw: &str) -> Result<Value> {
        let Some(field) = self.field_at(path) else { return Ok(raw.into()) };
        if secret_file(raw).is_some() && self.is_secret(path) {
            return Ok(raw.into());
        }
        self.coerce_field(field, raw).map_err(|error| error.with_path(path.clone()))
    }

    /// The type that the schema declares at a path, as users read it.
    fn coerce_field(&self, field: &Field, raw: &str) -> Result<Value> {
        let aspects = self.0.aspects(field);
        let kinds: Vec<Kind> = aspects.iter().flat_map(|aspect| aspect.kinds.iter().copied()).collect();
        let choices = || aspects.iter().filter_map(|aspect| aspect.choices.as_ref()).flatten();
        if kinds.is_empty() {
            // An enumeration tells the type by its members.
            let same = |choice: &&Value| choice.as_str().is_none() && canonical(choice) == raw.trim();
            return Ok(choices().find(same).cloned().unwrap_or_else(|| raw.into()));
        }
        let has = |kind: Kind| kinds.contains(&kind);
        let trimmed = raw.trim();
        if has(Kind::Integer) || has(Kind::Float) {
            let number = coerce::number(trimmed).filter(|number| has(Kind::Float) || number.is_integer());
            if let Some(number) = number {
                return Ok(number.into());
            }
        }
        if has(Kind::Bool)
            && let Some(bool) = parse_bool(raw)
        {
            return Ok(bool.into());
        }
        if has(Kind::Null) && (trimmed == "null" || (trimmed.is_empty() && !has(Kind::String))) {
            return Ok(Value::Null);
        }
        if has(Kind::List) && (!has(Kind::String) || trimmed.starts_with('[')) {
            return self.list(field, raw);
        }
        if has(Kind::Map) && (!has(Kind::String) || trimmed.starts_with('{')) {
            return self.map(field, raw);
        }
        if has(Kind::String) {
            return Ok(raw.into());
        }
        let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let error = Error::new(Code::Type, format!("expected {}", names.join(" or ")));
        let like: Option<Value> = match kinds.first() {
            Some(Kind::Bool) => Some(false.into()),
            Some(Kind::Integer | Kind::Float) => Some(0.into()),
            _ => None,
        };
        let hint = like.and_then(|like| coerce_like("", &like).err()).and_then(|error| error.hint().map(str::to_owned));
        Err(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }

    fn list(&self, field: &Field, raw: &str) -> Result<Value> {
        if raw.trim_start().starts_with('[') {
            return match parse(raw, Format::Json) {
                Ok(list @ Value::List(_)) => Ok(list),
                _ => {
                    Err(Error::new(Code::Type, "expected list")
                        .with_hint("write a JSON array, or items between commas"))
                }
            };
        }
        if raw.trim().is_empty() {
            return Ok(List::default().into());
        }
        let any = Field::any();
        let items = self.0.aspects(field).into_iter().find_map(|aspect| aspect.items.as_deref()).unwrap_or(&any);
        let items: Result<List> = raw.split(',').map(|item| self.coerce_field(items, item.trim())).collect();
        items.map(Value::from).map_err(|error| {
            Error::new(Code::Type, format!("{} in every item of the list", error.message()))
                .with_hint("write a JSON array, or items between commas")
        })
    }

    fn map(&self, field: &Field, raw: &str) -> Result<Value> {
        let bad = |what: String| {
            Error::new(Code::Type, what).with_hint("write a JSON object, or `key=value` pairs between commas")
        };
        if raw.trim_start().starts_with('{') {
            return match parse(raw, Format::Json) {
                Ok(map @ Value::Map(_)) => Ok(map),
                _ => Err(bad("expected map".to_owned())),
            };
        }
        let mut map = Map::default();
        for pair in raw.split(',').filter(|_| !raw.trim().is_empty()) {
            let Some((key, text)) = pair.split_once('=') else { return Err(bad("expected map".to_owned())) };
            let key = key.trim();
            if key.is_empty() || map.contains_key(key) {
                return Err(bad("expected map, with every key once".to_owned()));
            }
            let any = Field::any();
            let child = self.0.child(field, key).unwrap_or(&any);
            let value = self
                .coerce_field(child, text.trim())
                .map_err(|error| bad(format!("{} in every value of the map", error.message())))?;
            map = map.with(Str::from(key), value);
        }
        Ok(map.into())
    }

    /// The variables that set what the document holds: each field by its own variable, else by `PREFIX_` and its path in
    /// upper case with `__` between the segments. Reading them with the same schema gives the same values.
    ///
    /// Bools are `true` and `false`, lists are items between commas, maps with any keys are `key=value` pairs; both are JSON where
    /// that would not read back. Secrets are written in full.
    ///
    /// # Errors
    /// [`Code::Unrepresentable`] with the path, where no variable would read back as the value: keys that no variable's name
    /// can carry, types other than the declared one, and numbers, bools, lists and nulls that are not declared.
    pub fn to_env(&self, prefix: &str, value: &Value) -> Result<Vec<(String, String)>> {
        let mut out = Vec::new();
        self.write_env(prefix.trim_end_matches('_'), &Path::root(), value, &mut out)?;
        Ok(out)
    }

    fn write_env(&self, prefix: &str, path: &Path, value: &Value, out: &mut Vec<(String, String)>) -> Result<()> {
        let field = self.field_at(path);
        let aspects = field.map(|field| self.0.aspects(field)).unwrap_or_default();
        if let Value::Map(map) = value {
            let own = aspects.iter().any(|aspect| aspect.env.is_some());
            let is_open = map.is_empty() || aspects.iter().any(|aspect| matches!(aspect.others, Others::Of(_)));
            if path.is_root() || !(own || is_open) {
                return map.iter().try_for_each(|(key, child)| self.write_env(prefix, &path.child(key), child, out));
            }
        }
        let refuse =
            |what: String, hint: &str| Error::new(Code::Unrepresentable, what).with_path(path.clone()).with_hint(hint);
        let reads_back = |text: &String| self.coerce_text(path, text).is_ok_and(|read| read == *value);
        let text = spellings(value).into_iter().find(reads_back).ok_or_else(|| {
            refuse(format!("no variable reads back as this {}", value.type_name()), "declare the type of the field")
        })?;
        let name = match aspects.iter().find_map(|aspect| aspect.env.as_ref()) {
            Some(name) => name.to_string(),
            None => self.derived_name(prefix, path).ok_or_else(|| {
                refuse(
                    "no variable's name can carry the path".into(),
                    "give the field a variable of its own with `env`",
                )
            })?,
        };
        out.push((name, text));
        Ok(())
    }

    /// The name of the variable below a prefix that sets the path; none if no name would lead back to it.
    pub(super) fn derived_name(&self, prefix: &str, path: &Path) -> Option<String> {
        let fits = |segment: &Str| {
            !segment.is_empty()
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                && !segment.replace('-', "_").contains("__")
                && !segment.starts_with(['_', '-'])
                && !segment.ends_with(['_', '-'])
        };
        if path.is_root() || prefix.is_empty() || !path.segments().iter().all(fits) {
            return None;
        }
        let names: Vec<String> =
            path.segments().iter().map(|segment| segment.replace('-', "_").to_ascii_uppercase()).collect();
        let lower: Path = names.iter().map(|name| Str::from(name.to_lowercase())).collect();
        (self.spelled(&lower) == *path).then(|| format!("{prefix}_{}", names.join("__")))
    }
}

/// The ways to write a value as text, the plainest first.
fn spellings(value: &Value) -> Vec<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        other => canonical(other),
    };
    let joined = match value {
        Value::List(list) => Some(list.iter().map(plain).collect::<Vec<_>>().join(",")),
        Value::Map(map) => {
            Some(map.iter().map(|(key, child)| format!("{key}={}", plain(child))).collect::<Vec<_>>().join(","))
        }
        _ => None,
    };
    joined.into_iter().chain([plain(value)]).collect()
}
