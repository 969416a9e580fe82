//! Checks of the program's own, which a schema cannot express.

use super::validate::Report;
use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

/// What a check says of a value: what is wrong with it.
pub type Checked = Result<(), Vec<Error>>;

/// How many problems one check may tell.
const MAX_ISSUES: usize = 1_000;

/// A check of the values at the paths that a pattern matches, beside the rules of the schema.
///
/// It is borrowed for one validation, so it may hold what a [`Field::check`](super::Field::check), which lives as long as
/// its schema and is shared between threads, may not.
///
/// ```
/// use confmesh::schema::{CustomCheck, Schema};
/// use confmesh::{Code, Error, Path, Value};
/// let schema = Schema::from_value(&[("fields", Value::empty_map())].into_iter().collect())?;
/// let even = |_: &Path, value: &Value| match value.as_i64() {
///     Some(n) if n % 2 == 0 => Ok(()),
///     _ => Err(vec![Error::new(Code::Invalid, "workers come in pairs")]),
/// };
/// let checks = [CustomCheck::new("workers", &even)?];
/// assert!(schema.load(&[("workers", 4)].into_iter().collect(), &checks).is_ok());
/// let error = schema.load(&[("workers", 3)].into_iter().collect(), &checks).unwrap_err();
/// assert_eq!(error.to_string(), "workers come in pairs (at `workers`)");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub struct CustomCheck<'a> {
    /// Which paths it looks at; only those that the document holds.
    pub pattern: Pattern,
    /// Says what is wrong with a value, in lowercase and without a final period. It must not show a secret. An error without
    /// a path is about the value itself; one about something in it names the whole path.
    pub check: &'a dyn Fn(&Path, &Value) -> Checked,
}

impl<'a> CustomCheck<'a> {
    /// A check of the paths that a pattern matches; an empty one is the whole document.
    ///
    /// # Errors
    /// What [`Pattern::parse`] says.
    pub fn new(pattern: &str, check: &'a dyn Fn(&Path, &Value) -> Checked) -> Result<CustomCheck<'a>, Error> {
        let pattern = if pattern.is_empty() { Pattern::exactly(&Path::root()) } else { Pattern::parse(pattern)? };
        Ok(CustomCheck { pattern, check })
    }
}

/// The values that a check of this pattern is asked about; an empty one is the whole document. For checks that answer elsewhere.
///
/// ```
/// use confmesh::schema::values_at;
/// use confmesh::Value;
/// let document: Value = [("ports", vec![Value::from(1), 2.into()])].into_iter().collect();
/// let found = values_at(&document, "ports.*")?;
/// assert_eq!(found.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["ports.0", "ports.1"]);
/// # Ok::<(), confmesh::Error>(())
/// ```
///
/// # Errors
/// What [`Pattern::parse`] says.
pub fn values_at(document: &Value, pattern: &str) -> Result<Vec<(Path, Value)>, Error> {
    let custom = CustomCheck::new(pattern, &|_, _| Ok(()))?;
    let mut found = Vec::new();
    visit(&custom, document, &Path::root(), &mut |path, value| found.push((path.clone(), value.clone())));
    Ok(found)
}

/// What a check says that answers in a value: a text is about the value at `path`, a list of `{"message", "path"?}` about
/// what is below it, by a list of segments or a dotted text; null is nothing.
///
/// ```
/// use confmesh::schema::answered;
/// use confmesh::{Path, Value};
/// let issue: Value = [("path", Value::from(vec![Value::from("port")])), ("message", "too low".into())].into_iter().collect();
/// let errors = answered(&Path::parse("db")?, &vec![issue].into());
/// assert_eq!(errors[0].to_string(), "too low (at `db.port`)");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn answered(path: &Path, said: &Value) -> Vec<Error> {
    let wrong = |message: &str, path: Path| Error::new(Code::Invalid, message).with_path(path);
    let below = |issue: &Value| {
        let message = issue.child("message").and_then(Value::as_str).unwrap_or("the program refuses the value");
        let steps: Vec<String> = match issue.child("path") {
            Some(Value::List(steps)) => steps.iter().map(segment).collect(),
            Some(Value::String(dotted)) => Path::parse(dotted)
                .map(|path| path.segments().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        wrong(message, steps.iter().fold(path.clone(), |above, step| above.child(step)))
    };
    match said {
        Value::Null => Vec::new(),
        Value::List(issues) => issues.iter().take(MAX_ISSUES).map(below).collect(),
        Value::String(message) => vec![wrong(message, path.clone())],
        _ => vec![wrong("the program refuses the value", path.clone())],
    }
}

/// A key as it is, the number of an item as it is written.
fn segment(step: &Value) -> String {
    step.as_str().map_or_else(|| canonical(step), str::to_owned)
}

/// Asks every check about every path that it is for, where the value there breaks no rule of the schema.
pub(super) fn ask(checks: &[CustomCheck<'_>], document: &Value, limit: usize, report: &mut Report) {
    let mut found = Vec::new();
    for custom in checks {
        visit(custom, document, &Path::root(), &mut |path, value| {
            let is_broken =
                report.errors.iter().any(|error| error.path().is_some_and(|broken| broken.starts_with(path)));
            if is_broken || report.errors.len() + found.len() >= limit {
                return;
            }
            let said = (custom.check)(path, value).err().unwrap_or_default();
            found.extend(said.into_iter().map(|error| match error.path() {
                Some(_) => error,
                None => error.with_path(path.clone()),
            }));
        });
    }
    report.errors.append(&mut found);
}

fn visit(custom: &CustomCheck<'_>, value: &Value, path: &Path, each: &mut impl FnMut(&Path, &Value)) {
    if custom.pattern.matches(path) {
        each(path, value);
    }
    if !custom.pattern.may_match_below(path) {
        return;
    }
    match value {
        Value::Map(map) => map.iter().for_each(|(key, child)| visit(custom, child, &path.child(key), each)),
        Value::List(list) => {
            list.iter().enumerate().for_each(|(at, item)| visit(custom, item, &path.child(&at.to_string()), each));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Format, parse};
    use crate::policy::Policy;
    use crate::schema::{CustomCheck, Schema, answered};
    use crate::{Code, Error, Path, Value};

    fn wrong(message: &str) -> Result<(), Vec<Error>> {
        Err(vec![Error::new(Code::Invalid, message)])
    }

    fn json(text: &str) -> Value {
        parse(text, Format::Json).unwrap()
    }

    fn problems(document: &str, pattern: &str, check: &dyn Fn(&Path, &Value) -> super::Checked) -> Vec<String> {
        let schema = Schema::from_value(&json(
            r#"{"fields": {"ports": {"type": "list", "items": {"type": "integer", "min": 1}}, "name": "string"}}"#,
        ));
        let checks = [CustomCheck::new(pattern, check).unwrap()];
        let report = schema.unwrap().report_with(&json(document), &Policy::default(), &checks, |_| None);
        report.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_check_is_asked_about_every_path_that_its_pattern_matches() {
        let even = |_: &Path, value: &Value| match value.as_i64() {
            Some(n) if n % 2 == 0 => Ok(()),
            _ => wrong("ports are even here"),
        };
        assert_eq!(problems(r#"{"ports": [2, 3, 5]}"#, "ports.*", &even).len(), 2);
        assert_eq!(problems(r#"{"ports": [2, 3]}"#, "ports.*", &even), ["ports are even here (at `ports.1`)"]);
        assert!(problems(r#"{"name": "x"}"#, "ports.*", &even).is_empty(), "what is not there is not asked about");
        assert_eq!(problems("{}", "", &|_, _| wrong("too empty")), ["too empty"], "the root is a path");
    }

    #[test]
    fn what_breaks_the_schema_is_not_asked_about_again() {
        let never = |path: &Path, _: &Value| wrong(&format!("asked about {path}"));
        let found = problems(r#"{"ports": [0, 7], "name": "x"}"#, "ports.*", &never);
        assert_eq!(found, ["0 is below the minimum 1 (at `ports.0`)", "asked about ports.1 (at `ports.1`)"]);
        assert_eq!(problems(r#"{"ports": [0]}"#, "ports", &never).len(), 1, "nor is what holds it");
    }

    #[test]
    fn a_check_may_tell_several_problems_each_with_its_place() {
        let said = json(
            r#"[{"path": ["ports", 1], "message": "taken"}, {"path": "name", "message": "short"}, {"message": "odd"}, 5]"#,
        );
        let whole = |path: &Path, _: &Value| Err(answered(path, &said));
        let found = problems(r#"{"ports": [1, 2], "name": "x"}"#, "", &whole);
        assert_eq!(found, ["taken (at `ports.1`)", "short (at `name`)", "odd", "the program refuses the value"]);
        let below = answered(&Path::parse("db").unwrap(), &json(r#"[{"path": ["a.b"], "message": "no"}]"#));
        assert_eq!(below[0].to_string(), r"no (at `db.a\.b`)");
        assert!(answered(&Path::root(), &Value::Null).is_empty());
    }
}
