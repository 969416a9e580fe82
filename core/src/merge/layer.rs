//! Layers: what one source contributes, and how much it counts.

use std::fmt;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::format::{FileArgument, Format, Noted, key_path, locate, parse_lines, parse_noting};
use crate::limits::RESERVED_KEY;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::MergeStrategy;
use crate::value::{Str, Value};

use super::removal::marked;
use super::{EnvMode, Variable};

/// The text that a layer was read from: lines and columns are looked up in it when somebody asks.
#[derive(Clone)]
pub struct SourceText {
    /// The text.
    pub text: Arc<str>,
    /// Its format.
    pub format: Format,
}

/// What is known of a layer that was fetched from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// When, in milliseconds since 1970.
    pub loaded_ms: u64,
    /// Whether all of it is secret.
    pub is_secret: bool,
}

/// One prioritized map.
#[derive(Clone)]
pub struct Layer {
    /// Which source it comes from: `file:config.yaml`, `env:MYAPP`, `shared`, `runtime`.
    pub id: Str,
    /// Lower numbers win.
    pub priority: i32,
    /// How keys merge that this layer is the highest to hold, where no rule says otherwise; `keyed_list`, whose
    /// key only a rule can name, leaves lists to override. Default: `deep_merge`.
    pub strategy: MergeStrategy,
    /// What it holds: a map.
    pub value: Value,
    /// The text that it was read from, if there is one.
    pub text: Option<SourceText>,
    /// Whether its strings are text without a type, which the value they override decides.
    pub raw: bool,
    /// Which of its variables count.
    pub env_mode: EnvMode,
    /// Whether its keys are spelled as they are meant, though its strings are raw.
    pub(super) is_exact: bool,
    /// Whether items of its lists take others out.
    pub(super) marks_items: bool,
    /// Where markers of removals stand that do not act of themselves; a rule may let them.
    pub(super) markers: Vec<Path>,
    /// Paths that this layer removes from every layer below it. Not the same as null, which is a value.
    pub unset: Vec<Path>,
    /// Which variables set which paths, where the layer comes from variables.
    pub variables: Vec<Variable>,
    /// What was wrong with the input but not wrong enough to refuse the layer.
    pub warnings: Vec<Error>,
    /// When it came, where it was fetched from elsewhere; no text of it reads variables of this instance.
    pub fetched: Option<Fetched>,
    /// Where its value stands in the text, for a part of a document.
    pub(super) prefix: Path,
    /// Whether it stands for a source that is not there.
    pub(crate) is_absent: bool,
}

impl Layer {
    /// The empty layer of a source that need not be there, and is not.
    #[cfg(all(feature = "native", not(target_family = "wasm")))]
    pub(crate) fn absent(id: impl AsRef<str>, priority: i32) -> Layer {
        Layer { is_absent: true, ..Layer::new(id, priority, Value::empty_map()) }
    }

    /// A layer without text.
    pub fn new(id: impl AsRef<str>, priority: i32, value: Value) -> Layer {
        Layer {
            id: Str::from(id.as_ref()),
            priority,
            strategy: MergeStrategy::DeepMerge,
            value,
            text: None,
            raw: false,
            env_mode: EnvMode::Auto,
            is_exact: false,
            marks_items: false,
            markers: Vec::new(),
            unset: Vec::new(),
            variables: Vec::new(),
            warnings: Vec::new(),
            fetched: None,
            prefix: Path::root(),
            is_absent: false,
        }
    }

    /// Reads a layer from text.
    ///
    /// # Errors
    /// What [`parse_from`] says of the text; [`Code::NotAMap`] where the document is no map, and
    /// [`Code::ReservedKey`] where it holds the key that confmesh keeps for itself.
    ///
    /// ```
    /// use confmesh::{format::Format, merge::{Layer, priority}};
    /// let layer = Layer::from_text("file:app.json", priority::FILE, r#"{"port": 80}"#, Format::Json)?;
    /// assert_eq!(layer.value.child("port"), Some(&80.into()));
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn from_text(id: impl AsRef<str>, priority: i32, text: impl Into<Arc<str>>, format: Format) -> Result<Layer> {
        let (id, text) = (id.as_ref(), text.into());
        let Noted { value, notes } = match format {
            Format::Dotenv => parse_lines(&text, id)?,
            _ => parse_noting(&text, format, id)?,
        };
        let Value::Map(map) = &value else {
            let message = format!("the document is a {}, not a map", value.type_name());
            return Err(Error::new(Code::NotAMap, message)
                .with_origin(Origin::source(id))
                .with_hint("put the value under a key"));
        };
        if map.contains_key(RESERVED_KEY) {
            let path = Path::root().child(RESERVED_KEY);
            return Err(Error::new(Code::ReservedKey, format!("the key `{RESERVED_KEY}` is reserved"))
                .with_origin(Origin::source(id).at(locate(&text, format, &path)))
                .with_path(path));
        }
        let layer = Layer { warnings: notes, ..Layer::new(id, priority, value).with_text(text, format) };
        // Text takes the type of what it overrides.
        Ok(match format {
            Format::Dotenv => layer.nested(),
            format if format.is_untyped() => Layer { raw: true, is_exact: true, ..layer },
            _ => layer,
        })
    }

    /// Reads a layer from the text of a file, as the argument says: of several documents the one that is
    /// meant, and with `;unset` markers take out what lies below.
    ///
    /// # Errors
    /// As [`Layer::from_text`] and [`FileArgument::part`].
    pub fn from_file(
        id: impl AsRef<str>,
        priority: i32,
        text: String,
        format: Format,
        file: &FileArgument,
    ) -> Result<Layer> {
        let id = id.as_ref();
        let format = file.format_of(&text, format);
        let part = file.part(text, format).map_err(|error| error.with_origin(Origin::source(id)))?;
        let mut layer = marked(Layer::from_text(id, priority, part, format)?, file.removes);
        layer.warnings.extend(file.note(id, format));
        Ok(layer)
    }

    /// Takes out the warnings from one on that make a document wrong: all but those about what Kubernetes sets.
    pub(crate) fn take_errors(&mut self, from: usize) -> Vec<Error> {
        let found = self.warnings.split_off(from.min(self.warnings.len()));
        let (harmless, errors) = found.into_iter().partition(|warning| warning.code() == Code::Ambiguous);
        self.warnings.extend::<Vec<Error>>(harmless);
        errors
    }

    /// Takes out what was said of variables and untyped texts that are nothing of their type, of this layer with the types that a
    /// schema declares; `before` is the layer without. What fields name for themselves has its types already.
    pub(crate) fn take_wrong_types(&mut self, before: &Layer) -> Vec<Error> {
        if before.raw {
            return self.take_errors(before.warnings.len());
        }
        let is_wrong = |warning: &Error| {
            warning.code() == Code::Type && warning.origin().is_some_and(|origin| origin.key.is_some())
        };
        let (wrong, others) = std::mem::take(&mut self.warnings).into_iter().partition(is_wrong);
        self.warnings = others;
        wrong
    }

    /// This layer with another strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: MergeStrategy) -> Layer {
        self.strategy = strategy;
        self
    }

    /// This layer with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Layer {
        self.priority = priority;
        self
    }

    /// This layer with the text that it was read from.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<Arc<str>>, format: Format) -> Layer {
        self.text = Some(SourceText { text: text.into(), format });
        self
    }

    /// This layer, removing a path from every layer below it.
    #[must_use]
    pub fn with_unset(mut self, path: Path) -> Layer {
        self.unset.push(path);
        self
    }

    /// A profile of this layer as a layer of its own.
    pub(super) fn profile(&self, name: &str, value: Value) -> Layer {
        let id = Str::from(format!("{}#{name}", self.id));
        let prefix = self.prefix.child(super::PROFILES).child(name);
        let inside = Path::root().child(super::PROFILES).child(name);
        let below = |paths: &[Path]| -> Vec<Path> {
            let below = paths.iter().filter(|path| path.starts_with(&inside));
            below.map(|path| path.segments().iter().skip(inside.len()).cloned().collect()).collect()
        };
        let (unset, markers) = (below(&self.unset), below(&self.markers));
        Layer { id, value, prefix, unset, markers, warnings: Vec::new(), ..self.clone() }
    }

    /// Where this layer holds a path: its id, the place in its text, the variable.
    pub fn origin(&self, path: &Path) -> Origin {
        let path = &self.prefix.join(path);
        let origin = Origin::source(&self.id);
        let variable = self.variables.iter().filter(|variable| path.starts_with(&variable.path));
        // An item of a list that a variable addresses makes the whole list.
        let is_item = |variable: &&Variable| {
            let next = variable.path.segments().get(path.len());
            variable.path.starts_with(path) && next.is_some_and(|key| crate::value::index(key).is_some())
        };
        let below = || self.variables.iter().find(is_item).filter(|_| !path.is_root());
        match (variable.max_by_key(|variable| variable.path.len()).or_else(below), &self.text) {
            (Some(Variable { name, .. }), text) => {
                let key = key_path(name);
                let place = text.as_ref().and_then(|source| locate(&source.text, source.format, &key));
                origin.at(place).spelled(name)
            }
            (None, Some(source)) if !path.is_root() => origin.at(locate(&source.text, source.format, path)),
            (None, _) => origin,
        }
    }
}

impl fmt::Debug for Layer {
    /// Names the layer without its values, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({} at {}, {})", self.id, self.priority, self.strategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::merge::priority;

    fn env(variables: &[(&str, &str)]) -> Layer {
        Layer::from_env("APP", variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).unwrap()
    }

    #[test]
    fn variables_map_to_lower_case_keys_and_double_underscores_nest() {
        let layer = env(&[
            ("APP_FEATURE_ENABLED", "true"),
            ("APP_DB__HOST", "h"),
            ("APP_DB__POOL__SIZE", "5"),
            ("APPLE", "x"),
            ("APP_", "x"),
            ("OTHER_X", "x"),
        ]);
        assert_eq!(canonical(&layer.value), r#"{"db":{"host":"h","pool":{"size":"5"}},"feature_enabled":"true"}"#);
        assert_eq!(layer.origin(&Path::parse("db.host").unwrap()).to_string(), "env:APP (APP_DB__HOST)");
        assert_eq!(layer.priority, priority::ENV);
        assert_eq!(layer.warnings.len(), 1);
    }

    #[test]
    fn a_variable_and_one_below_it_agree_only_on_a_map() {
        let layer = env(&[("APP_DB", r#"{"host":"a","port":1}"#), ("APP_DB__HOST", "b")]);
        assert_eq!(canonical(&layer.value), r#"{"db":{"host":"b","port":1}}"#);
        assert_eq!(layer.origin(&Path::parse("db.port").unwrap()).to_string(), "env:APP (APP_DB)");
        let layer = env(&[("APP_DB", "hunter2"), ("APP_DB__HOST", "b")]);
        assert_eq!(canonical(&layer.value), r#"{"db":{"host":"b"}}"#);
        assert_eq!(layer.warnings.len(), 1);
        assert!(!format!("{:?}", layer.warnings).contains("hunter2"));
    }

    #[test]
    fn variables_nest_no_document_deeper_than_files_can() {
        let name = format!("APP_{}", vec!["A"; 100].join("__"));
        let text = format!("{}1{}", r#"{"b":"#.repeat(60), "}".repeat(60));
        let layer = env(&[(&name, &text), (&format!("{name}__C"), "x")]);
        assert_eq!((layer.value.depth(), layer.warnings.len()), (101, 1));
        let at: Path = vec!["a"; 100].into_iter().map(Str::from).collect();
        let file = Layer::new("file", priority::FILE, Value::empty_map().with(&at, Value::empty_map()));
        let merged = crate::merge::merge(&[env(&[(&name, &text)]), file], &crate::Policy::default());
        assert_eq!((merged.value.depth(), merged.warnings.len()), (101, 1));
        let fits = format!("{}1{}", r#"{"b":"#.repeat(28), "}".repeat(28));
        assert_eq!(env(&[(&name, &fits), (&format!("{name}__C"), "x")]).value.depth(), 128);
    }

    #[test]
    fn an_empty_prefix_is_refused() {
        for prefix in ["", "_"] {
            assert_eq!(Layer::from_env(prefix, []).unwrap_err().code(), Code::Usage);
        }
    }

    #[test]
    fn a_document_that_is_no_map_is_refused_with_its_source() {
        let error = Layer::from_text("file:a.json", 30, "[1]", Format::Json).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (Code::NotAMap, "file:a.json: the document is a list, not a map")
        );
        let error = Layer::from_text("file:a.json", 30, r#"{"$confmesh":1}"#, Format::Json).unwrap_err();
        assert_eq!(error.code(), Code::ReservedKey);
    }
}
