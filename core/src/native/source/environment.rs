//! The environment of the process as a source.
use std::ffi::OsString;
use std::path::Path as FilePath;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::merge::{EnvMode, Layer};
use crate::native::file;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::Policy;
use crate::schema::{Schema, secret_file};

/// The variables of one prefix at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Full names and values, ordered by name.
    pub variables: Vec<(String, String)>,
    /// One error per variable of the prefix that was left out because it is not UTF-8.
    pub warnings: Vec<Error>,
}

/// Reads the variables of the process whose names start with `prefix` and `_`; all of them where `prefix` is empty.
///
/// `DEMO` finds `DEMO_PORT` and `DEMO_DB__HOST`, but neither `DEMO` nor `DEMOCRACY`.
pub fn variables(prefix: &str) -> Variables {
    select(prefix, std::env::vars_os())
}

/// The variables that `${env:NAME}` may read: those of the process with one of these names; a `*` at the end of a name
/// stands for any rest.
pub fn referable(names: &[String]) -> Vec<(String, String)> {
    let is_named = |variable: &str| {
        names.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => variable.starts_with(start),
            None => variable == name,
        })
    };
    variables("").variables.into_iter().filter(|(name, _)| is_named(name)).collect()
}

/// Variables as the system has them: names and values.
pub type Listed = Vec<(OsString, OsString)>;

/// Where variables come from: the process, or what a program says of its own. It is read again and again, so what the program
/// changes in its own environment comes into force; that of another process cannot be seen by anybody.
#[derive(Clone)]
pub struct Environment(Arc<dyn Fn() -> Option<Listed> + Send + Sync>);

impl Environment {
    /// Variables that a program lists itself; none where it cannot say just now. It is called on any thread, never twice at once,
    /// and may block.
    pub fn of(read: impl Fn() -> Option<Listed> + Send + Sync + 'static) -> Environment {
        Environment(Arc::new(read))
    }

    /// The variables now.
    pub fn read(&self) -> Option<Listed> {
        (self.0)()
    }
}

impl Default for Environment {
    fn default() -> Environment {
        Environment::of(|| Some(std::env::vars_os().collect()))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment") // what it holds may be secret
    }
}

/// The layer of the variables that fields of the schema name for themselves; none where none of them is set. Where the variable
/// of a secret, by the schema or by a rule, is `file://` and a path, the file holds the secret.
///
/// # Errors
/// [`Code::File`] where such a file is missing, empty, or cannot be read.
pub fn named(listed: &Listed, schema: Option<&Schema>, policy: &Policy) -> Result<Option<Layer>> {
    let Some(schema) = schema else { return Ok(None) };
    let mut variables = select("", listed.iter().cloned()).variables;
    let secrets = schema.named_variables().into_iter();
    for (path, name) in secrets.filter(|(path, _)| schema.is_secret(path) || policy.is_secret(path)) {
        for (_, text) in variables.iter_mut().filter(|(other, _)| other.as_str() == name.as_str()) {
            if let Some(secret) = read_secret(text, &name, "env", &path)? {
                *text = secret;
            }
        }
    }
    let named = schema.env_layer(variables);
    // Warnings of the layer are those of the document.
    Ok((!named.variables.is_empty() || !named.warnings.is_empty()).then_some(named))
}

/// The layer of a prefix, behind which stands which variables count, see [`EnvMode`]; secrets of files as [`named`] has them. The
/// errors beside it tell of variables that were left out because they are not UTF-8.
///
/// # Errors
/// As [`named`]; [`Code::Usage`] for an empty prefix, or an option that is none.
pub fn prefixed(
    listed: &Listed,
    prefix: &str,
    schema: Option<&Schema>,
    policy: &Policy,
) -> Result<(Layer, Vec<Error>)> {
    let found = select(EnvMode::of_prefix(prefix)?.0.trim_end_matches('_'), listed.iter().cloned());
    let mut layer = Layer::from_env(prefix, found.variables)?;
    for at in 0..layer.variables.len() {
        let Some(variable) = layer.variables.get(at) else { continue };
        let path = &variable.path;
        let spelled = schema.map_or_else(|| path.clone(), |schema| schema.spelled(path));
        let is_secret = policy.is_secret(&spelled) || schema.is_some_and(|schema| schema.is_secret(&spelled));
        let text = layer.value.at(path).filter(|_| is_secret).and_then(|value| value.as_str());
        if let Some(secret) = text.map_or(Ok(None), |text| read_secret(text, &variable.name, &layer.id, &spelled))? {
            layer.value = layer.value.with(path, secret.into());
        }
    }
    Ok((layer, found.warnings))
}

/// The layers of the environment of this process, the lower one first: [`named`], then those of the prefix.
///
/// # Errors
/// As [`named`] and [`prefixed`].
pub fn layers(prefix: Option<&str>, schema: Option<&Schema>, policy: &Policy) -> Result<(Vec<Layer>, Vec<Error>)> {
    let listed = Environment::default().read().unwrap_or_default();
    let mut layers = Vec::from_iter(named(&listed, schema, policy)?);
    let Some(prefix) = prefix else { return Ok((layers, Vec::new())) };
    let (layer, warnings) = prefixed(&listed, prefix, schema, policy)?;
    layers.push(layer);
    Ok((layers, warnings))
}

/// The layer of one prefix with a priority of its own, and what was left out of it.
///
/// # Errors
/// As [`prefixed`].
pub fn layer(prefix: &str, priority: i32, schema: Option<&Schema>, policy: &Policy) -> Result<(Layer, Vec<Error>)> {
    let listed = Environment::default().read().unwrap_or_default();
    let (layer, warnings) = prefixed(&listed, prefix, schema, policy)?;
    Ok((layer.with_priority(priority), warnings))
}

/// The content of the file that a text names, without the line break at its end; none where it names none.
fn read_secret(text: &str, variable: &str, source: &str, path: &Path) -> Result<Option<String>> {
    let Some(name) = secret_file(text) else { return Ok(None) };
    let at = |error: Error| error.with_origin(Origin::source(source).spelled(variable)).with_path(path.clone());
    let wrong = |what: &str, hint: &str| Err(at(Error::new(Code::File, what).with_hint(hint)));
    let Some(content) = file::read(FilePath::new(name)).map_err(at)? else {
        return wrong(
            &format!("cannot read the secret's file `{name}`: no such file or directory"),
            "create the file, or correct the path: `file:///run/secrets/name` is absolute",
        );
    };
    let secret = content.strip_suffix('\n').map_or(&*content, |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() {
        return wrong(&format!("the secret's file `{name}` is empty"), "write the secret into it");
    }
    Ok(Some(secret.to_owned()))
}

fn select(prefix: &str, variables: impl Iterator<Item = (OsString, OsString)>) -> Variables {
    let wanted =
        |name: &str| prefix.is_empty() || name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).is_some();
    let mut found = Variables::default();
    for (name, value) in variables {
        // What stands before a byte that is no UTF-8 decides whether the name was meant for us.
        let shown = name.to_string_lossy().into_owned();
        if !wanted(&shown) {
            continue;
        }
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => found.variables.push((name, value)),
            _ => found.warnings.push(
                Error::new(Code::Syntax, format!("the environment variable `{shown}` is not UTF-8 and was left out"))
                    .with_hint("set it to UTF-8 text"),
            ),
        }
    }
    found.variables.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, names: &[&str]) -> Vec<String> {
        let found = select(prefix, names.iter().map(|name| (name.into(), "value".into())));
        assert_eq!(found.warnings, []);
        found.variables.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_the_variables_of_the_prefix_are_taken_in_order() {
        let all = ["DEMO_PORT", "DEMO", "DEMOCRACY", "demo_x", "DEMO_DB__HOST", "PATH"];
        assert_eq!(names("DEMO", &all), ["DEMO_DB__HOST", "DEMO_PORT"]);
        assert_eq!(names("", &all).len(), all.len());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf8_is_left_out_with_a_warning() {
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(b"\xff".to_vec());
        let bad_name = OsString::from_vec(b"DEMO_\xff".to_vec());
        let all =
            [("DEMO_A".into(), "1".into()), ("DEMO_B".into(), bad()), (bad_name, "1".into()), ("X".into(), bad())];
        let found = select("DEMO", all.into_iter());
        assert_eq!(found.variables, [("DEMO_A".to_owned(), "1".to_owned())]);
        let warnings: Vec<_> = found.warnings.iter().map(Error::message).collect();
        assert!(warnings[0].contains("`DEMO_B` is not UTF-8"), "{warnings:?}");
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn the_environment_of_the_process_is_read() {
        let expected = std::env::vars_os().filter(|(name, value)| name.to_str().is_some() && value.to_str().is_some());
        assert_eq!(variables("").variables.len(), expected.count());
    }
}
