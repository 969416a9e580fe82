//! A file to start from, written from a schema.

use super::Schema;
use super::field::Field;
use super::reference::rules;
use crate::error::{Code, Error, Result};
use crate::format::{Format, print};
use crate::path::Path;
use crate::value::Value;

impl Schema {
    /// A file to start from: every declared key with its default, and in YAML, TOML and JSONC with its description, type and
    /// rules as comments.
    ///
    /// Required keys without a default are `null` and marked (in TOML, which has no null, commented out): a document is
    /// valid only once somebody has filled them in. Optional ones are commented out; in JSON, which has no comments,
    /// they are left out. Defaults of secrets are never written.
    ///
    /// # Errors
    /// [`Code::UnknownFormat`] for other formats; [`Code::Unrepresentable`] for a default that the format cannot hold.
    ///
    /// ```
    /// use confmesh::{format::Format, schema::{Field, Schema}};
    /// let schema = Schema::new(Field::map().field("port", Field::integer().default_to(80).describe("where it listens")));
    /// assert_eq!(schema.initial(Format::Yaml)?, "# where it listens (integer)\nport: 80\n");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn initial(&self, format: Format) -> Result<String> {
        let style = match format {
            Format::Json => return print(&self.plain(&self.0.root, &Path::root()), format),
            Format::Jsonc => Style { format, comment: "//", unit: "  " },
            Format::Yaml => Style { format, comment: "#", unit: "  " },
            Format::Toml => Style { format, comment: "#", unit: "" },
            other => {
                return Err(Error::new(Code::UnknownFormat, format!("a starting file cannot be {}", other.name()))
                    .with_hint("use json, jsonc, yaml or toml"));
            }
        };
        let mut lines = Vec::new();
        if format == Format::Jsonc {
            lines.push("{".to_owned());
            self.section(&style, &Path::root(), &self.0.root, 1, &mut lines)?;
            lines.push("}".to_owned());
        } else {
            self.section(&style, &Path::root(), &self.0.root, 0, &mut lines)?;
        }
        while lines.first().is_some_and(String::is_empty) {
            lines.remove(0);
        }
        Ok(lines.into_iter().fold(String::new(), |out, line| out + &line + "\n"))
    }

    /// Defaults, and null where something is required.
    fn plain(&self, field: &Field, path: &Path) -> Value {
        let entries = self.0.declared(field).into_iter().filter_map(|(key, child)| {
            let path = path.child(key);
            let value = match self.default_of(child, &path) {
                Some(value) => value,
                None if self.is_section(child, &path) => self.plain(child, &path),
                None if child.required => Value::Null,
                None => return None,
            };
            Some((key.clone(), value))
        });
        entries.collect()
    }

    fn default_of(&self, field: &Field, path: &Path) -> Option<Value> {
        let default = self.0.aspects(field).into_iter().find_map(|aspect| aspect.default.clone());
        default.filter(|_| !self.is_secret(path))
    }

    /// Whether the field is written as its declared keys. A definition within itself is not.
    fn is_section(&self, field: &Field, path: &Path) -> bool {
        let above = std::iter::successors(path.parent(), Path::parent).filter_map(|above| self.field_at(&above));
        let repeats = |above: &Field| {
            self.0.aspects(above).iter().any(|one| self.0.aspects(field).iter().any(|two| std::ptr::eq(*one, *two)))
        };
        !self.0.declared(field).is_empty() && !above.into_iter().any(repeats)
    }

    fn section(&self, style: &Style, path: &Path, field: &Field, depth: usize, lines: &mut Vec<String>) -> Result<()> {
        let declared = self.0.declared(field);
        let sections = |wanted: bool| {
            declared.iter().filter(move |(key, child)| {
                let path = path.child(key);
                (self.is_section(child, &path) && self.default_of(child, &path).is_none()) == wanted
            })
        };
        let indent = style.unit.repeat(depth);
        for (key, child) in sections(false) {
            let at = path.child(key);
            self.comments(style, child, &indent, lines);
            let default = self.default_of(child, &at);
            let is_open = default.is_none() && !child.required;
            let placeholder = match default {
                Some(Value::Null) if style.format == Format::Toml => None,
                Some(value) => Some(value),
                None if style.format == Format::Toml => None,
                None => Some(Value::Null),
            };
            let text = style.entry(&at, placeholder.as_ref())?;
            let hidden = is_open || placeholder.is_none();
            for line in text {
                // Blanks at the end of a line may belong to a text; a line without any has none to show.
                lines.push(match (hidden, line.is_empty()) {
                    (false, true) => line,
                    (false, false) => format!("{indent}{line}"),
                    (true, true) => format!("{indent}{}", style.comment),
                    (true, false) => format!("{indent}{} {line}", style.comment),
                });
            }
        }
        for (key, child) in sections(true) {
            let at = path.child(key);
            if style.format == Format::Toml || depth == 0 {
                lines.push(String::new());
            }
            self.comments(style, child, &indent, lines);
            match style.format {
                Format::Toml => lines.push(format!("[{}]", style.header(&at)?)),
                Format::Jsonc => lines.push(format!("{indent}{}: {{", json_key(key))),
                _ => lines.push(format!("{indent}{}", style.yaml_key(key)?)),
            }
            let before = lines.len();
            self.section(style, &at, child, depth + 1, lines)?;
            let holds = lines.iter().skip(before).any(|line| !line.trim_start().starts_with(style.comment));
            match style.format {
                Format::Jsonc => lines.push(format!("{indent}}},")),
                // A key with nothing but comments below it would be null.
                Format::Yaml if !holds => {
                    if let Some(line) = before.checked_sub(1).and_then(|at| lines.get_mut(at)) {
                        line.push_str(" {}");
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn comments(&self, style: &Style, field: &Field, indent: &str, lines: &mut Vec<String>) {
        let aspects = self.0.aspects(field);
        let secret = self.0.is_secret(field);
        let kind = aspects.iter().find(|aspect| !aspect.kinds.is_empty());
        let mut notes: Vec<String> =
            kind.map(|aspect| aspect.type_text()).filter(|kind| kind != "map").into_iter().collect();
        notes.extend(aspects.iter().flat_map(|aspect| rules(aspect, secret)));
        if field.required {
            notes.insert(0, "required".to_owned());
        }
        if secret {
            notes.push("secret".to_owned());
        }
        notes.extend(aspects.iter().find_map(|aspect| aspect.env.as_ref()).map(|name| format!("variable {name}")));
        notes.extend(aspects.iter().find_map(|aspect| aspect.deprecated.as_ref()).map(
            |advice| match advice.as_str() {
                "" => "deprecated".to_owned(),
                advice => format!("deprecated: {advice}"),
            },
        ));
        let about = aspects.iter().find_map(|aspect| aspect.description.as_deref()).unwrap_or("");
        let notes = if notes.is_empty() { String::new() } else { format!("({})", notes.join(", ")) };
        let text = format!("{about} {notes}");
        // A comment is one line however its text breaks; control characters would break some formats.
        for line in text.trim().lines().filter(|line| !line.is_empty()) {
            let breaks = |c: char| c.is_control() || "\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}".contains(c);
            let line: String = line.chars().filter(|c| !breaks(*c)).collect();
            lines.push(format!("{indent}{} {}", style.comment, line.trim()));
        }
    }
}

struct Style {
    format: Format,
    comment: &'static str,
    unit: &'static str,
}

impl Style {
    /// The lines of one entry; none as a value is a key without one.
    fn entry(&self, path: &Path, value: Option<&Value>) -> Result<Vec<String>> {
        let key = path.last().cloned().unwrap_or_default();
        let Some(value) = value else {
            return Ok(vec![format!("{} =", self.toml_key(&key)?)]);
        };
        let text = match self.format {
            // A table with a header of its own would take in the keys behind it.
            Format::Toml if value.as_map().is_some() => {
                format!("{} = {}", self.toml_key(&key)?, inline_toml(value)?)
            }
            Format::Jsonc => {
                let text = print(value, Format::Json)?;
                format!("{}: {},", json_key(&key), text.trim_end())
            }
            format => print(&[(key, value.clone())].into_iter().collect(), format)?,
        };
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn toml_key(&self, key: &str) -> Result<String> {
        let text = print(&[(key, Value::from(0))].into_iter().collect(), Format::Toml)?;
        Ok(text.rsplit_once('=').map_or(String::new(), |(key, _)| key.trim().to_owned()))
    }

    fn header(&self, path: &Path) -> Result<String> {
        let keys: Result<Vec<String>> = path.segments().iter().map(|key| self.toml_key(key)).collect();
        Ok(keys?.join("."))
    }

    /// The key with its colon.
    fn yaml_key(&self, key: &str) -> Result<String> {
        let text = print(&[(key, Value::from(0))].into_iter().collect(), Format::Yaml)?;
        Ok(text.trim_end().strip_suffix(" 0").unwrap_or(&text).to_owned())
    }
}

fn json_key(key: &str) -> String {
    crate::canonical::canonical(&key.into())
}

/// A table in one line.
fn inline_toml(value: &Value) -> Result<String> {
    let Value::Map(map) = value else {
        let text = print(&[("v", value.clone())].into_iter().collect(), Format::Toml)?;
        return Ok(text.split_once('=').map_or(String::new(), |(_, text)| text.trim().to_owned()));
    };
    if map.is_empty() {
        return Ok("{}".to_owned());
    }
    let style = Style { format: Format::Toml, comment: "#", unit: "" };
    let entries: Result<Vec<String>> =
        map.iter().map(|(key, child)| Ok(format!("{} = {}", style.toml_key(key)?, inline_toml(child)?))).collect();
    Ok(format!("{{ {} }}", entries?.join(", ")))
}

#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml"))]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::format::parse;

    fn schema() -> Schema {
        let database = Field::map()
            .field("url", Field::string().required().env("DB_URL").describe("where the database is"))
            .field("pool", Field::map().field("size", Field::integer().default_to(4)))
            .field("name", Field::string());
        Schema::new(
            Field::map()
                .field("rate", Field::integer().range(1, 300).default_to(100).describe("requests per second"))
                .field("token", Field::string().secret().default_to("hunter2"))
                .field("database", database)
                .field("tags", Field::list_of(Field::string()).default_to(vec!["a".into(), "b".into()]))
                .field(
                    "limits",
                    Field::map_of(Field::integer()).default_to([("a b", 1)].into_iter().collect::<Value>()),
                )
                .field("extra", Field::map().field("x", Field::bool()))
                .field("name", Field::string().required()),
        )
    }

    #[test]
    fn defaults_stand_in_the_first_file_as_they_are() {
        let odd = Field::string().default_to("trail \n  \nlast ").describe("a\u{feff}b\u{2028}c");
        let empty = Field::map_of(Field::bool()).default_to(Value::empty_map());
        let fields = Field::map().field("a", empty.clone()).field("b", odd.clone()).field("in", odd);
        let schema =
            Schema::new(fields.field("zz", Field::map().field("x", empty).field("y", Field::integer().default_to(1))));
        let plain = parse(&schema.initial(Format::Json).unwrap(), Format::Json).unwrap();
        for format in [Format::Jsonc, Format::Yaml, Format::Toml] {
            let text = schema.initial(format).unwrap();
            assert_eq!(parse(&text, format).as_ref(), Ok(&plain), "{text}");
        }
    }

    #[test]
    fn yaml_holds_defaults_descriptions_and_marks() {
        assert_eq!(
            schema().initial(Format::Yaml).unwrap(),
            "# requests per second (integer, from 1 to 300)\nrate: 100\n\
             # (string, secret)\n# token: null\n\
             # (list of string)\ntags:\n  - a\n  - b\n\
             # (map of integer)\nlimits:\n  a b: 1\n\
             # (required, string)\nname: null\n\
             \ndatabase:\n  # where the database is (required, string, variable DB_URL)\n  url: null\n  \
             # (string)\n  # name: null\n  pool:\n    # (integer)\n    size: 4\n\
             \nextra: {}\n  # (bool)\n  # x: null\n"
        );
    }

    #[test]
    fn every_format_reads_back_and_is_invalid_until_somebody_fills_it_in() {
        for format in [Format::Json, Format::Jsonc, Format::Yaml, Format::Toml] {
            let text = schema().initial(format).unwrap();
            let value = parse(&text, format).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            assert_eq!(value.at(&Path::parse("database.pool.size").unwrap()), Some(&4.into()), "{text}");
            assert_eq!(canonical(value.child("limits").unwrap()), r#"{"a b":1}"#);
            assert!(!text.contains("hunter2"));
            let wrong: Vec<String> =
                schema().validate(&value, |_| None).iter().map(|error| error.path().unwrap().to_string()).collect();
            assert_eq!(
                wrong,
                if format == Format::Toml { ["name", "database.url"] } else { ["database.url", "name"] },
                "{format:?}: {text}"
            );
        }
        assert_eq!(schema().initial(Format::Dotenv).unwrap_err().code(), Code::UnknownFormat);
    }
}
