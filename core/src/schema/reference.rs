//! The reference of a schema: every field in a form that people or programs read.

use std::str::FromStr;

use super::Schema;
use super::field::Field;
use super::validate::range;
use crate::canonical::canonical;
use crate::error::{Code, Error, Result};
use crate::format::{Format, print};
use crate::path::Path;
use crate::policy::MASK;
use crate::value::{Str, Value};

/// How a reference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReferenceStyle {
    /// A table in plain text.
    #[default]
    Human,
    /// A JSON list of maps.
    Json,
    /// The same in YAML.
    Yaml,
    /// A Markdown table under a heading per category.
    Markdown,
    /// A JSON Schema document for editors; not in builds for browsers.
    JsonSchema,
}

impl FromStr for ReferenceStyle {
    type Err = Error;

    /// Reads `human`, `json`, `yaml`, `markdown` or `json-schema`; anything else is [`Code::Usage`].
    fn from_str(text: &str) -> Result<ReferenceStyle> {
        match text {
            "human" => Ok(ReferenceStyle::Human),
            "json" => Ok(ReferenceStyle::Json),
            "yaml" => Ok(ReferenceStyle::Yaml),
            "markdown" => Ok(ReferenceStyle::Markdown),
            "json-schema" => Ok(ReferenceStyle::JsonSchema),
            other => Err(Error::new(Code::Usage, format!("unknown style `{other}`"))
                .with_hint("use one of `human`, `json`, `yaml`, `markdown`, `json-schema`")),
        }
    }
}

/// What a reference shows.
#[derive(Clone, Debug, Default)]
pub struct ReferenceOptions {
    /// How it is written. Default: human.
    pub style: ReferenceStyle,
    /// Only the fields of one category. Default: all.
    pub category: Option<String>,
    /// Only the fields that an environment variable sets. Default: all.
    pub env_only: bool,
    /// Whether defaults of secrets are shown. Default: they are masked.
    pub show_sensitive: bool,
    /// The program's prefix, from which the variables of fields without their own are named. Default: those have none.
    pub prefix: Option<String>,
}

struct Row {
    path: String,
    category: String,
    kind: String,
    required: bool,
    default: Option<Value>,
    env: Option<String>,
    rules: Vec<String>,
    description: String,
    secret: bool,
    deprecated: Option<Str>,
}

impl Schema {
    /// Writes every field with its path, type, default, variable, rules and description, in the order of declaration.
    ///
    /// # Errors
    /// [`Code::NotFound`] for a category that no field has, with the categories in the hint; [`Code::UnknownFormat`] for
    /// YAML or JSON Schema in a build without it; [`Code::Usage`] for a part of the fields as JSON Schema.
    ///
    /// ```
    /// use confmesh::schema::{Field, ReferenceOptions, Schema};
    /// let schema = Schema::new(Field::map().field("port", Field::integer().default_to(80).describe("where it listens")));
    /// let text = schema.reference(&ReferenceOptions::default())?;
    /// assert!(text.contains("port") && text.contains("where it listens"));
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn reference(&self, options: &ReferenceOptions) -> Result<String> {
        if options.style == ReferenceStyle::JsonSchema {
            return self.printed_json_schema(options);
        }
        let mut rows = self.rows(options);
        if let Some(category) = &options.category {
            let mut known: Vec<String> = rows.iter().map(|row| format!("`{}`", row.category)).collect();
            known.sort();
            known.dedup();
            rows.retain(|row| row.category == *category);
            if rows.is_empty() {
                return Err(Error::new(Code::NotFound, format!("no field has the category `{category}`"))
                    .with_hint(format!("the categories are {}", known.join(", "))));
            }
        }
        rows.retain(|row| !options.env_only || row.env.is_some());
        match options.style {
            ReferenceStyle::Human => Ok(human(&rows)),
            ReferenceStyle::Markdown => Ok(markdown(&rows)),
            ReferenceStyle::Json | ReferenceStyle::JsonSchema => print(&values(&rows), Format::Json),
            ReferenceStyle::Yaml => print(&values(&rows), Format::Yaml),
        }
    }

    #[cfg(feature = "json-schema")]
    fn printed_json_schema(&self, options: &ReferenceOptions) -> Result<String> {
        if options.category.is_some() || options.env_only {
            return Err(Error::new(Code::Usage, "a JSON Schema document is printed whole")
                .with_hint("leave out the category and `env_only`, or choose another style"));
        }
        let document = self.to_json_schema();
        let document = if options.show_sensitive { document } else { super::json_print::without_secrets(&document) };
        print(&document, Format::Json)
    }

    #[cfg(not(feature = "json-schema"))]
    fn printed_json_schema(&self, _: &ReferenceOptions) -> Result<String> {
        Err(Error::new(Code::UnknownFormat, "this build prints no JSON Schema").with_hint("use a native build"))
    }

    fn rows(&self, options: &ReferenceOptions) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut categories: Vec<(Path, Str)> = Vec::new();
        self.each_field(&mut |path, field| {
            let aspects = self.0.aspects(field);
            let is_section = !self.0.declared(field).is_empty();
            if let Some(category) = aspects.iter().find_map(|aspect| aspect.category.clone()) {
                categories.push((path.clone(), category));
            }
            let own = aspects.iter().find_map(|aspect| aspect.env.as_ref());
            let secret = self.is_secret(path);
            let default = aspects.iter().find_map(|aspect| aspect.default.clone());
            // A section is told by its fields, unless there is something to say about itself.
            if is_section && own.is_none() && default.is_none() && aspects.iter().all(|a| a.description.is_none()) {
                return;
            }
            let prefix = options.prefix.as_deref().map(|prefix| prefix.trim_end_matches('_'));
            let derived = || prefix.filter(|_| !is_section).and_then(|prefix| self.derived_name(prefix, path));
            let above = categories.iter().filter(|(above, _)| path.starts_with(above));
            let inherited = above.max_by_key(|(above, _)| above.len()).map(|(_, name)| name.to_string());
            let first = path.segments().first().filter(|_| path.len() > 1 || is_section);
            let kind = aspects.iter().find(|aspect| !aspect.kinds.is_empty());
            rows.push(Row {
                path: path.to_string(),
                category: inherited.or_else(|| first.map(Str::to_string)).unwrap_or_else(|| "general".to_owned()),
                kind: kind.map_or_else(|| "any".to_owned(), |aspect| aspect.type_text()),
                required: field.required,
                default: default.map(|value| if secret && !options.show_sensitive { MASK.into() } else { value }),
                env: own.map(Str::to_string).or_else(derived),
                rules: aspects.iter().flat_map(|aspect| rules(aspect, secret && !options.show_sensitive)).collect(),
                description: aspects.iter().find_map(|a| a.description.as_deref()).unwrap_or_default().to_owned(),
                secret,
                deprecated: aspects.iter().find_map(|aspect| aspect.deprecated.clone()),
            });
        });
        rows
    }
}

/// The rules of a field as people read them.
pub(super) fn rules(field: &Field, hide: bool) -> Vec<String> {
    let between = |min: Option<usize>, max: Option<usize>, what: &str| match (min, max) {
        (Some(a), Some(b)) => Some(format!("{a} to {b} {what}")),
        (Some(a), None) => Some(format!("at least {a} {what}")),
        (None, Some(b)) => Some(format!("at most {b} {what}")),
        (None, None) => None,
    };
    let choices = field.choices.as_ref().filter(|_| !hide);
    let choices = choices.map(|list| format!("one of {}", list.iter().map(canonical).collect::<Vec<_>>().join(", ")));
    [
        choices,
        range(field.minimum, field.maximum),
        between(field.min_length, field.max_length, "characters"),
        between(field.min_items, field.max_items, "items"),
        field.unique.then(|| "every item once".to_owned()),
        field.pattern.as_ref().map(|(pattern, _)| format!("matches {pattern}")),
        field.format.map(|format| format.example().to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Row {
    fn notes(&self) -> String {
        let mut notes: Vec<String> = Vec::new();
        notes.extend(self.deprecated.as_ref().map(|advice| match advice.as_str() {
            "" => "deprecated".to_owned(),
            advice => format!("deprecated: {advice}"),
        }));
        notes.extend(Some(self.description.clone()).filter(|text| !text.is_empty()));
        notes.extend(self.rules.iter().cloned());
        notes.extend(self.secret.then(|| "secret".to_owned()));
        notes.join("; ")
    }

    fn default_text(&self) -> String {
        match &self.default {
            _ if self.required => "required".to_owned(),
            Some(value) if value.as_str() == Some(MASK) => MASK.to_owned(),
            Some(value) => canonical(value),
            None => "-".to_owned(),
        }
    }
}

fn human(rows: &[Row]) -> String {
    let head = ["FIELD", "TYPE", "DEFAULT", "VARIABLE", "ABOUT"].map(str::to_owned);
    let lines = rows.iter().map(|row| {
        let env = row.env.clone().unwrap_or_else(|| "-".to_owned());
        [row.path.clone(), row.kind.clone(), row.default_text(), env, one_line(&row.notes())]
    });
    let table: Vec<[String; 5]> = std::iter::once(head).chain(lines).collect();
    let width = |column: usize| {
        table.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut out = String::new();
    for line in &table {
        let mut text = String::new();
        for (at, cell) in line.iter().enumerate() {
            let pad = widths.get(at).map_or(0, |width| width.saturating_sub(cell.chars().count()) + 2);
            text.extend([cell.as_str(), &" ".repeat(pad)]);
        }
        out.extend([text.trim_end(), "\n"]);
    }
    out
}

fn markdown(rows: &[Row]) -> String {
    let mut categories: Vec<&str> = Vec::new();
    for row in rows {
        if !categories.contains(&row.category.as_str()) {
            categories.push(&row.category);
        }
    }
    let cell = |text: &str| one_line(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;");
    let code = |text: &str| format!("`{}`", one_line(text).replace('`', "'").replace('|', "\\|"));
    let mut out = String::new();
    for (at, category) in categories.iter().enumerate() {
        let lead = if at > 0 { "\n" } else { "" };
        out.extend([lead, "## ", &cell(category), "\n\n"]);
        out.push_str("| field | type | default | variable | about |\n|---|---|---|---|---|\n");
        for row in rows.iter().filter(|row| row.category == *category) {
            let default = match row.default_text().as_str() {
                "-" => String::new(),
                "required" => "**required**".to_owned(),
                text => code(text),
            };
            let env = row.env.as_deref().map(code).unwrap_or_default();
            let line = [code(&row.path), cell(&row.kind), default, env, cell(&row.notes())];
            out.extend(["| ", &line.join(" | "), " |\n"]);
        }
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn values(rows: &[Row]) -> Value {
    let items = rows.iter().map(|row| {
        let mut entries: Vec<(&str, Value)> = vec![
            ("path", row.path.as_str().into()),
            ("category", row.category.as_str().into()),
            ("type", row.kind.as_str().into()),
            ("required", row.required.into()),
            ("secret", row.secret.into()),
        ];
        entries.extend(row.default.clone().map(|value| ("default", value)));
        entries.extend(row.env.as_deref().map(|name| ("env", name.into())));
        if !row.rules.is_empty() {
            let rules: Vec<Value> = row.rules.iter().map(|rule| rule.as_str().into()).collect();
            entries.push(("rules", rules.into()));
        }
        if !row.description.is_empty() {
            entries.push(("description", row.description.as_str().into()));
        }
        entries.extend(row.deprecated.clone().map(|advice| ("deprecated", advice.into())));
        entries.into_iter().collect::<Value>()
    });
    items.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::parse;

    fn schema() -> Schema {
        Schema::new(
            Field::map()
                .field("url", Field::string().required().env("API_URL").describe("where the\nAPI is"))
                .field("token", Field::string().secret().default_to("hunter2"))
                .field(
                    "db",
                    Field::map().field("port", Field::integer().range(1, 9).default_to(5).deprecated("use `url`")),
                )
                .field("mode", Field::string().choices(["a", "b|c"]).category("run")),
        )
    }

    fn shown(style: ReferenceStyle) -> ReferenceOptions {
        ReferenceOptions { style, prefix: Some("APP".into()), ..ReferenceOptions::default() }
    }

    #[test]
    fn a_person_reads_a_table() {
        assert_eq!(
            schema().reference(&shown(ReferenceStyle::Human)).unwrap(),
            "FIELD    TYPE     DEFAULT   VARIABLE      ABOUT\n\
             url      string   required  API_URL       where the API is\n\
             token    string   ***       APP_TOKEN     secret\n\
             db.port  integer  5         APP_DB__PORT  deprecated: use `url`; from 1 to 9\n\
             mode     string   -         APP_MODE      one of \"a\", \"b|c\"\n"
        );
    }

    #[test]
    fn secrets_are_shown_only_when_asked_for() {
        for style in [ReferenceStyle::Human, ReferenceStyle::Json, ReferenceStyle::Markdown] {
            assert!(!schema().reference(&shown(style)).unwrap().contains("hunter2"));
            let options = ReferenceOptions { show_sensitive: true, ..shown(style) };
            assert!(schema().reference(&options).unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn programs_read_json_and_yaml() {
        let json = parse(&schema().reference(&shown(ReferenceStyle::Json)).unwrap(), Format::Json).unwrap();
        assert_eq!(json.at(&Path::parse("2.default").unwrap()), Some(&5.into()));
        assert_eq!(json.at(&Path::parse("2.category").unwrap()), Some(&"db".into()));
        #[cfg(feature = "yaml")]
        assert_eq!(parse(&schema().reference(&shown(ReferenceStyle::Yaml)).unwrap(), Format::Yaml).unwrap(), json);
    }

    #[test]
    fn markdown_has_a_table_per_category_and_escapes_bars() {
        let text = schema().reference(&shown(ReferenceStyle::Markdown)).unwrap();
        for part in ["## general\n", "## db\n", "## run\n", "| `url` | string | **required** | `API_URL` |", "b\\|c"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn categories_and_variables_filter_the_fields() {
        let options = ReferenceOptions { category: Some("db".into()), ..shown(ReferenceStyle::Human) };
        assert_eq!(schema().reference(&options).unwrap().lines().count(), 2);
        let options = ReferenceOptions { env_only: true, prefix: None, ..shown(ReferenceStyle::Human) };
        assert_eq!(schema().reference(&options).unwrap().lines().count(), 2);
        let options = ReferenceOptions { category: Some("dbx".into()), ..shown(ReferenceStyle::Human) };
        let error = schema().reference(&options).unwrap_err();
        assert_eq!((error.code(), error.hint()), (Code::NotFound, Some("the categories are `db`, `general`, `run`")));
    }
}
