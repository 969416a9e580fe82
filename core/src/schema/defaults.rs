//! Defaults of a schema, and documents cut down to what it declares.

use super::Schema;
use super::field::{Field, Others};
use super::walk::MAX_VISITS;
use crate::limits::MAX_DEPTH;
use crate::value::{Map, Str, Value};

impl Schema {
    /// The document with every default filled in where it holds nothing; a default never replaces a value, not even null.
    ///
    /// Sections (maps with declared keys) that the document lacks are made where their fields have defaults; an optional
    /// section that has a required key without a default is left out until the document holds it. List items are left as
    /// they are.
    pub fn apply_defaults(&self, value: &Value) -> Value {
        let mut made = Made { open: Vec::new(), left: MAX_VISITS };
        self.filled(&self.0.root, Some(value), &mut made).unwrap_or_else(|| value.clone())
    }

    /// The defaults alone, for a document that holds `value`: what [`apply_defaults`](Schema::apply_defaults) would add.
    pub fn default_values(&self, value: &Value) -> Value {
        added(value, &self.apply_defaults(value))
            .filter(|added| added.as_map().is_some())
            .unwrap_or_else(Value::empty_map)
    }

    /// The document without the keys that the schema does not declare; maps that may hold any key keep theirs.
    pub fn without_unknown(&self, value: &Value) -> Value {
        self.known(&self.0.root, value, 0)
    }

    /// The value with its defaults; none where there is neither.
    fn filled<'s>(&'s self, field: &'s Field, value: Option<&Value>, made: &mut Made<'s>) -> Option<Value> {
        let aspects = self.0.aspects(field);
        let own = || aspects.iter().find_map(|aspect| aspect.default.as_ref());
        let base = value.or_else(own);
        let declared = self.0.declared(field);
        let empty = Map::default();
        let map = match base {
            Some(Value::Map(map)) => map,
            Some(other) => return Some(other.clone()),
            // A definition within itself would be made forever.
            None if declared.is_empty() || made.left == 0 || aspects.iter().any(|aspect| made.holds(aspect)) => {
                return None;
            }
            None => &empty,
        };
        let before = made.open.len();
        if base.is_none() {
            made.open.extend(aspects.iter().copied());
            made.left -= 1;
        }
        let filled = self.filled_map(field, map, &declared, base.is_none(), made);
        made.open.truncate(before);
        let filled = filled?;
        match base {
            None if filled.is_empty() => None,
            Some(base @ Value::Map(old)) if old.ptr_eq(&filled) => Some(base.clone()),
            _ => Some(Value::Map(filled)),
        }
    }

    fn filled_map<'s>(
        &'s self,
        field: &'s Field,
        map: &Map,
        declared: &[(&'s Str, &'s Field)],
        is_new: bool,
        made: &mut Made<'s>,
    ) -> Option<Map> {
        let mut filled = map.clone();
        for (key, child) in declared {
            let held = map.get(key);
            match self.filled(child, held, made) {
                Some(new) if held.is_none_or(|old| !old.ptr_eq(&new)) => filled = filled.with((*key).clone(), new),
                Some(_) => {}
                // Sections that are not there yet are not made half.
                None if is_new && child.required => return None,
                None => {}
            }
        }
        for (key, held) in map.iter().filter(|(key, _)| !declared.iter().any(|(name, _)| name == key)) {
            let Some(child) = self.0.child(field, key) else { continue };
            match self.filled(child, Some(held), made) {
                Some(new) if !new.ptr_eq(held) => filled = filled.with(key.clone(), new),
                _ => {}
            }
        }
        Some(filled)
    }

    fn known(&self, field: &Field, value: &Value, depth: usize) -> Value {
        match value {
            _ if depth > 4 * MAX_DEPTH => value.clone(),
            Value::Map(map) => {
                let declares = self.0.aspects(field).iter().any(|aspect| {
                    !aspect.fields.is_empty() || matches!(aspect.others, Others::Refused | Others::Of(_))
                });
                let kept = map.iter().filter_map(|(key, child)| match self.0.child(field, key) {
                    Some(field) => Some((key.clone(), self.known(field, child, depth + 1))),
                    None => (!declares).then(|| (key.clone(), child.clone())),
                });
                Value::Map(kept.collect::<Map>())
            }
            Value::List(list) => {
                let items = self.0.aspects(field).into_iter().find_map(|aspect| aspect.items.as_deref());
                let Some(items) = items else { return value.clone() };
                Value::List(list.iter().map(|item| self.known(items, item, depth + 1)).collect())
            }
            leaf => leaf.clone(),
        }
    }
}

/// The sections that are being made where the document has none.
struct Made<'s> {
    open: Vec<&'s Field>,
    left: usize,
}

impl Made<'_> {
    fn holds(&self, field: &Field) -> bool {
        self.open.iter().any(|open| std::ptr::eq(*open, field))
    }
}

/// What the new value holds and the old one does not.
fn added(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Map(old), Value::Map(new)) => {
            let entries = new.iter().filter_map(|(key, child)| match old.get(key) {
                None => Some((key.clone(), child.clone())),
                Some(held) if held.ptr_eq(child) => None,
                Some(held) => Some((key.clone(), added(held, child)?)),
            });
            let entries: Vec<(Str, Value)> = entries.collect();
            if entries.is_empty() { None } else { Some(Value::Map(entries.into_iter().collect())) }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::format::{Format, parse};

    fn json(text: &str) -> Value {
        parse(text, Format::Json).unwrap()
    }

    fn schema() -> Schema {
        let tls =
            Field::map().field("cert", Field::string().required()).field("port", Field::integer().default_to(443));
        Schema::new(
            Field::map()
                .field("rate_limit", Field::integer().default_to(100))
                .field("api_version", Field::string().default_to("v1"))
                .field("toggles", Field::map_of(Field::bool()).default_to(Value::empty_map()))
                .field("db", Field::map().field("pool", Field::map().field("size", Field::integer().default_to(4))))
                .field("hosts", Field::map_of(Field::map().field("weight", Field::integer().default_to(1))))
                .field("tls", tls),
        )
    }

    #[test]
    fn defaults_fill_what_is_missing_and_replace_nothing() {
        let filled = schema().apply_defaults(&json(r#"{"rate_limit":5,"api_version":null,"x":1}"#));
        assert_eq!(
            canonical(&filled),
            r#"{"api_version":null,"db":{"pool":{"size":4}},"rate_limit":5,"toggles":{},"x":1}"#
        );
        assert!(schema().apply_defaults(&filled).ptr_eq(&filled));
    }

    #[test]
    fn an_optional_section_that_lacks_a_required_key_waits_until_it_is_begun() {
        let value = json(r#"{"tls":{"cert":"x"},"hosts":{"a":{},"b":{"weight":7}}}"#);
        assert!(schema().apply_defaults(&Value::empty_map()).child("tls").is_none());
        assert_eq!(
            canonical(&schema().default_values(&value)),
            concat!(
                r#"{"api_version":"v1","db":{"pool":{"size":4}},"hosts":{"a":{"weight":1}},"#,
                r#""rate_limit":100,"tls":{"port":443},"toggles":{}}"#
            )
        );
    }

    #[test]
    fn a_definition_within_itself_is_made_once() {
        let text = r##"{"$defs": {"t": {"properties": {"v": {"default": 1}, "a": {"$ref": "#/$defs/t"}, "b": {"$ref": "#/$defs/t"}}}},
            "properties": {"t": {"$ref": "#/$defs/t"}}}"##;
        let schema = Schema::from_value(&json(text)).unwrap();
        assert_eq!(canonical(&schema.apply_defaults(&Value::empty_map())), r#"{"t":{"v":1}}"#);
        assert_eq!(
            canonical(&schema.apply_defaults(&json(r#"{"t":{"a":{}}}"#))),
            r#"{"t":{"a":{"a":{"v":1},"b":{"v":1},"v":1},"b":{"v":1},"v":1}}"#
        );
    }

    #[test]
    fn undeclared_keys_can_be_dropped() {
        let value = json(r#"{"x":1,"db":{"pool":{"size":1,"y":2}},"toggles":{"a":true}}"#);
        assert_eq!(canonical(&schema().without_unknown(&value)), r#"{"db":{"pool":{"size":1}},"toggles":{"a":true}}"#);
    }
}
