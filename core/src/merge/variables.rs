//! Layers of variables, and of `.env` files: names to paths.

use std::collections::BTreeMap;

use crate::error::{Code, Error, Result};
use crate::format::{Format, key_path, parse};
use crate::limits::MAX_DEPTH;
use crate::origin::Origin;
use crate::path::Path;
use crate::value::{Str, Value};

use super::{Layer, priority};

/// Which variable set a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The path that it sets.
    pub path: Path,
    /// Its name, for example `MYAPP_DB__HOST`.
    pub name: Str,
    /// Whether it looks like one that Kubernetes sets for a service.
    pub(super) is_link: bool,
    /// Whether the schema has the path; none where there is no schema.
    pub(super) is_known: Option<bool>,
}

impl Variable {
    pub(super) fn new(path: Path, name: impl Into<Str>) -> Variable {
        Variable { path, name: name.into(), is_link: false, is_known: None }
    }
}

/// Which variables of a prefix count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvMode {
    /// [`EnvMode::Known`] where there is a schema, else [`EnvMode::All`].
    #[default]
    Auto,
    /// Those whose path the schema or a lower layer has; any other one is an error.
    Strict,
    /// Those whose path the schema or a lower layer has; others are ignored with a warning.
    Known,
    /// All of them.
    All,
}

impl EnvMode {
    /// Takes `;mode=strict`, `;mode=known` or `;mode=all` from the end of a prefix.
    ///
    /// # Errors
    /// [`Code::Usage`] for any other option.
    pub fn of_prefix(prefix: &str) -> Result<(&str, EnvMode)> {
        let Some((prefix, option)) = prefix.split_once(';') else { return Ok((prefix, EnvMode::Auto)) };
        let mode = match option {
            "mode=strict" => EnvMode::Strict,
            "mode=known" => EnvMode::Known,
            "mode=all" => EnvMode::All,
            _ => {
                return Err(Error::new(Code::Usage, format!("`{option}` is no option of a prefix"))
                    .with_hint("write `;mode=strict`, `;mode=known` or `;mode=all` behind the prefix"));
            }
        };
        Ok((prefix, mode))
    }

    /// Whether a variable counts only where a lower layer has its path.
    pub(super) fn needs_below(self, variable: &Variable) -> bool {
        match (variable.is_known, self) {
            (Some(true), _) => false,
            _ if variable.is_link => true,
            (_, EnvMode::All) | (None, EnvMode::Auto) => false,
            _ => true,
        }
    }
}

impl Layer {
    /// Reads a layer `env:<prefix>` with priority [`priority::ENV`] from the environment, see
    /// [`Layer::from_variables`]. The prefix may say which variables count: `MYAPP;mode=strict`, see [`EnvMode`].
    ///
    /// # Errors
    /// [`Code::Usage`] for an empty prefix: the whole environment is no configuration; as [`EnvMode::of_prefix`].
    ///
    /// ```
    /// use confmesh::merge::Layer;
    /// let layer = Layer::from_env("MYAPP", [("MYAPP_DB__HOST".into(), "h".into()), ("HOME".into(), "/".into())])?;
    /// assert_eq!(confmesh::canonical::canonical(&layer.value), r#"{"db":{"host":"h"}}"#);
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn from_env(prefix: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Layer> {
        let (prefix, env_mode) = EnvMode::of_prefix(prefix)?;
        let layer = Layer::from_variables(format!("env:{prefix}"), priority::ENV, prefix, variables)?;
        Ok(Layer { env_mode, ..layer })
    }

    /// Reads a raw layer from variables: of those that start with the prefix and `_`, the rest of the name in lower
    /// case is the key, and `__` nests (`MYAPP_DB__HOST` sets `db.host`, `MYAPP_TAGS__0` an item of a list). When layers
    /// merge, a key takes the spelling that a lower layer uses, if only case, `-` and `_` differ (`MYAPP_MAX_CONN` finds
    /// `maxConn`). Of `MYAPP_DB` and `MYAPP_DB__HOST` the first has to be a JSON object, in which the second sets a key; else
    /// it is left out with a warning. Names shaped like those that Kubernetes sets for services count only where a schema or
    /// a lower layer has their path.
    ///
    /// # Errors
    /// [`Code::Usage`] for an empty prefix.
    pub fn from_variables(
        id: impl AsRef<str>,
        priority: i32,
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Layer> {
        let prefix = prefix.trim_end_matches('_');
        if prefix.is_empty() {
            return Err(Error::new(Code::Usage, "the prefix of the variables is empty")
                .with_hint("give a prefix such as `MYAPP`: then `MYAPP_RATE_LIMIT` sets `rate_limit`"));
        }
        let mut layer = Layer::new(id, priority, Value::empty_map());
        let mut found: BTreeMap<Path, (String, String)> = BTreeMap::new();
        // Sorted, so that of two names for one path the same one wins on every machine.
        for (name, text) in variables.into_iter().collect::<BTreeMap<_, _>>() {
            let Some(rest) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else { continue };
            let path: Path = rest.split("__").map(|segment| Str::from(segment.to_lowercase())).collect();
            if path.len() > MAX_DEPTH || path.segments().iter().any(|segment| segment.is_empty()) {
                layer.warn(&name, Code::PathSyntax, "names no path and is ignored");
            } else if let Some((before, _)) = found.insert(path, (name.clone(), text)) {
                layer.warn(&before, Code::DuplicateKey, &format!("is ignored: `{name}` sets the same key"));
            }
        }
        layer.fill(found);
        let texts: Vec<bool> = layer
            .variables
            .iter()
            .map(|variable| is_link(variable.name.strip_prefix(prefix).unwrap_or(""), layer.value.at(&variable.path)))
            .collect();
        for (variable, is_link) in layer.variables.iter_mut().zip(texts) {
            variable.is_link = is_link;
        }
        Ok(layer)
    }

    /// The flat layer of a `.env` file with its keys nested at `__`.
    pub(super) fn nested(mut self) -> Layer {
        let Value::Map(map) = std::mem::replace(&mut self.value, Value::empty_map()) else { return self };
        let mut found: BTreeMap<Path, (String, String)> = BTreeMap::new();
        for (key, text) in map.iter() {
            let path = key_path(key);
            found.insert(path, (key.to_string(), text.as_str().unwrap_or("").to_owned()));
        }
        self.env_mode = EnvMode::All;
        self.fill(found);
        self
    }

    /// Takes texts by path, each with the name of its variable.
    fn fill(&mut self, found: BTreeMap<Path, (String, String)>) {
        self.raw = true;
        let mut entries = found.into_iter().peekable();
        while let Some((path, (name, text))) = entries.next() {
            // Children follow their parent in path order.
            let nested = entries.peek().filter(|(next, _)| next.starts_with(&path)).map(|(_, (name, _))| name.clone());
            let value = match nested {
                None => Value::from(text),
                Some(child) => match parse(&text, Format::Json) {
                    Ok(map @ Value::Map(_)) if path.len() + map.depth() <= MAX_DEPTH => map,
                    Ok(Value::Map(_)) => {
                        self.warn(&name, Code::TooLarge, "nests too deep below its path; it is ignored");
                        continue;
                    }
                    _ => {
                        let what = format!("is no JSON object but `{child}` sets a key in it; it is ignored");
                        self.warn(&name, Code::Type, &what);
                        continue;
                    }
                },
            };
            self.value = self.value.with(&path, value);
            self.variables.push(Variable::new(path, name));
        }
    }

    pub(super) fn warn(&mut self, name: &str, code: Code, what: &str) {
        let origin = Origin::source(&self.id).spelled(name);
        self.warnings.push(Error::new(code, format!("the variable `{name}` {what}")).with_origin(origin));
    }
}

/// Whether what follows the prefix of a name is shaped as Kubernetes shapes it for a service: `…_SERVICE_HOST`,
/// `…_SERVICE_PORT[_NAME]`, `…_PORT_80_TCP[_…]`, and `…_PORT` with an address, which nobody else writes there.
fn is_link(rest: &str, value: Option<&Value>) -> bool {
    if rest.contains("__") {
        return false;
    }
    let is_port = |after: &str| {
        let (number, rest) = after.split_once('_').unwrap_or((after, ""));
        let kind = rest.split('_').next().unwrap_or("");
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && matches!(kind, "TCP" | "UDP" | "SCTP")
    };
    let is_address = value
        .and_then(Value::as_str)
        .is_some_and(|text| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme)));
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest.match_indices("_PORT_").any(|(at, port)| rest.get(at + port.len()..).is_some_and(is_port))
        || (rest.ends_with("_PORT") && is_address)
}
