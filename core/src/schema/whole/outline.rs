//! The parts of a JSON Schema document that references lead to: by place, by name and by address.

use super::Target;
use crate::path::Path;
use crate::value::Value;

/// The parts of a document with an address (`$id`) of their own; the document itself comes first.
pub(in crate::schema) struct Outline<'v> {
    document: &'v Value,
    parts: Vec<(String, Path)>,
}

impl Outline<'_> {
    pub fn of(document: &Value) -> Outline<'_> {
        let mut outline = Outline { document, parts: Vec::new() };
        outline.parts.push((address_of(document).unwrap_or_default(), Path::root()));
        outline.collect(document, &Path::root(), 0);
        outline
    }

    fn collect(&mut self, value: &Value, path: &Path, base: usize) {
        let mut base = base;
        if !path.is_root()
            && let Some(own) = address_of(value)
        {
            let above = self.parts.get(base).map_or("", |(address, _)| address.as_str());
            self.parts.push((joined(above, &own), path.clone()));
            base = self.parts.len() - 1;
        }
        match value {
            Value::Map(map) => {
                let inside =
                    map.iter().filter(|(key, _)| !matches!(key.as_str(), "const" | "enum" | "default" | "examples"));
                inside.for_each(|(key, child)| self.collect(child, &path.child(key), base));
            }
            Value::List(list) => {
                list.iter().enumerate().for_each(|(at, item)| self.collect(item, &path.child(&at.to_string()), base));
            }
            _ => {}
        }
    }

    /// The first part below the document itself.
    pub fn first_part(&self) -> Option<Path> {
        self.parts.get(1).map(|(_, path)| path.clone())
    }

    /// Where a reference leads that stands at a path.
    pub fn target(&self, text: &str, at: &Path) -> Target {
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let within =
            self.parts.iter().rev().filter(|(_, part)| at.starts_with(part)).max_by_key(|(_, part)| part.len());
        let part = if address.is_empty() {
            within
        } else {
            let wanted = joined(within.map_or("", |(base, _)| base.as_str()), address);
            if ["http://json-schema.org/", "https://json-schema.org/draft/"]
                .iter()
                .any(|known| wanted.starts_with(known))
            {
                return Target::Standard;
            }
            self.parts.iter().find(|(known, _)| *known == wanted)
        };
        let Some((_, root)) = part else { return Target::Elsewhere };
        if fragment.is_empty() || fragment.starts_with('/') {
            return match Path::parse_pointer(&decoded(fragment)) {
                Ok(below) => Target::Place(root.join(&below)),
                Err(_) => Target::Elsewhere,
            };
        }
        let found = self.document.at(root).and_then(|value| anchor(value, fragment, root, true));
        found.map_or(Target::Elsewhere, Target::Place)
    }
}

/// The address that a part says it has, without its fragment.
fn address_of(value: &Value) -> Option<String> {
    let map = value.as_map()?;
    let address = map.get("$id").or_else(|| map.get("id")).and_then(Value::as_str)?;
    let address = address.split('#').next().unwrap_or("");
    (!address.is_empty()).then(|| address.to_owned())
}

/// The place that has a name (`$anchor`, or `$id: "#name"` in draft 7) in one part of the document.
fn anchor(value: &Value, name: &str, path: &Path, is_root: bool) -> Option<Path> {
    if !is_root && address_of(value).is_some() {
        return None;
    }
    let says = |key: &str, prefix: &str| {
        value.child(key).and_then(Value::as_str).and_then(|text| text.strip_prefix(prefix)) == Some(name)
    };
    if value.as_map().is_some() && (says("$anchor", "") || says("$dynamicAnchor", "") || says("$id", "#")) {
        return Some(path.clone());
    }
    match value {
        Value::Map(map) => map.iter().find_map(|(key, child)| anchor(child, name, &path.child(key), false)),
        Value::List(list) => {
            list.iter().enumerate().find_map(|(at, item)| anchor(item, name, &path.child(&at.to_string()), false))
        }
        _ => None,
    }
}

/// A reference relative to an address (RFC 3986, as far as schemas go).
fn joined(base: &str, text: &str) -> String {
    let has_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    let authority = base.find("://").map(|at| at + 3).and_then(|start| {
        let rest = base.get(start..)?;
        base.get(..start + rest.find('/').unwrap_or(rest.len()))
    });
    match authority {
        _ if has_scheme => text.to_owned(),
        Some(authority) if text.starts_with('/') => format!("{authority}{text}"),
        None if text.starts_with('/') => text.to_owned(),
        _ => match base.rfind('/').filter(|at| authority.is_none_or(|authority| *at >= authority.len())) {
            Some(at) => format!("{}/{}", base.get(..at).unwrap_or(""), text.trim_start_matches("./")),
            None => match authority {
                Some(authority) => format!("{authority}/{text}"),
                None => text.trim_start_matches("./").to_owned(),
            },
        },
    }
}

/// Percent signs as what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte =
            pair.and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or(&[]) } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    #[test]
    fn references_lead_to_places_names_and_addresses() {
        let text = r##"{"$id": "https://x.org/a/root.json", "$defs": {
            "in": {"$id": "nested.json", "$defs": {"y": {"$anchor": "name"}}},
            "old": {"$id": "#seven"}, "a/b c": {}}}"##;
        let document = parse(text, Format::Json).unwrap();
        let outline = Outline::of(&document);
        let nested = Path::parse_pointer("/$defs/in/items").unwrap();
        for (reference, at, want) in [
            ("#", Path::root(), Some("")),
            ("#", nested.clone(), Some("/$defs/in")),
            ("#/$defs/y", nested.clone(), Some("/$defs/in/$defs/y")),
            ("#/$defs/a~1b%20c", Path::root(), Some("/$defs/a~1b c")),
            ("nested.json#name", Path::root(), Some("/$defs/in/$defs/y")),
            ("/a/root.json", nested.clone(), Some("")),
            ("root.json#/$defs", nested, Some("/$defs")),
            ("#seven", Path::root(), Some("/$defs/old")),
            ("#nobody", Path::root(), None),
            ("other.json", Path::root(), None),
            ("https://elsewhere.org/x", Path::root(), None),
        ] {
            let found = match outline.target(reference, &at) {
                Target::Place(path) => Some(path.to_pointer()),
                _ => None,
            };
            assert_eq!(found.as_deref(), want, "{reference}");
        }
        assert!(matches!(outline.target("http://json-schema.org/draft-07/schema#", &Path::root()), Target::Standard));
    }
}
