//! Files and other sources as they are given, with what each of them counts.
use std::path::PathBuf;
use std::sync::Arc;

use super::environment::Prefix;
use crate::error::{Code, Error, Result};
use crate::format::{FileArgument, Format};
use crate::native::source::files::{expand, expand_sources};
use crate::native::source::polled::{Source, check};
use crate::source::{Place, SourceSpec, check_distinct, placed};
use crate::value::Str;

/// A source as a program gives it: what it is, and its code where it is the program's own.
#[derive(Clone)]
pub struct GivenSource {
    pub(super) spec: SourceSpec,
    pub(super) own: Option<Arc<dyn Source>>,
}

impl GivenSource {
    /// A source of the program's own; of `spec` the name and the options count.
    pub fn custom(spec: SourceSpec, own: impl Source) -> GivenSource {
        GivenSource { spec, own: Some(Arc::new(own)) }
    }
}

impl From<SourceSpec> for GivenSource {
    fn from(spec: SourceSpec) -> GivenSource {
        GivenSource { spec, own: None }
    }
}

impl std::fmt::Debug for GivenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers may be secrets.
        write!(f, "GivenSource({})", self.spec.id())
    }
}

/// A file that is read only.
#[derive(Clone, Debug)]
pub(super) struct LayerFile {
    pub(super) path: PathBuf,
    pub(super) id: Str,
    pub(super) format: Format,
    pub(super) file: FileArgument,
    pub(super) priority: i32,
    /// Whether it must be there at the start.
    pub(super) required: bool,
}

/// A source that is polled.
#[derive(Clone, Debug)]
pub(super) struct RemoteSource {
    pub(super) given: GivenSource,
    pub(super) priority: i32,
    /// Whether it must have answered at the start.
    pub(super) required: bool,
}

/// All sources, by how they are looked at.
pub(super) struct Sources {
    /// What is watched.
    pub(super) layers: Vec<LayerFile>,
    /// Prefixes of variables.
    pub(super) environments: Vec<Prefix>,
    /// What is polled.
    pub(super) remotes: Vec<RemoteSource>,
}

impl Sources {
    /// Gives each its priority, see [`placed`]: `files` stand before the file sources. Directories and patterns stand for their
    /// files, see [`expand`].
    pub(super) fn of(files: Vec<PathBuf>, given: Vec<GivenSource>, required: bool) -> Result<Sources> {
        let mut named: Vec<(PathBuf, FileArgument)> = Vec::new();
        for given in files {
            let (path, file) = argument(given)?;
            if path.to_str().is_none() {
                named.push((path, file));
                continue;
            }
            named.extend(expand(&file)?.into_iter().map(|file| (PathBuf::from(&file.path), file)));
        }
        let mut sources: Vec<GivenSource> = Vec::new();
        for GivenSource { spec, own } in given {
            if matches!(spec.place, Place::Custom(_)) != own.is_some() {
                let message = format!("`{}` has no code that loads it", spec.id());
                return Err(Error::new(Code::Usage, message).with_hint("give it as a custom source"));
            }
            let of_spec = |spec| GivenSource { spec, own: own.clone() };
            sources.extend(expand_sources([spec])?.into_iter().map(of_spec));
        }
        let specs: Vec<SourceSpec> = sources.iter().map(|given| given.spec.clone()).collect();
        check_distinct(&specs)?;
        let (of_files, of_sources) = placed(&specs, named.len());
        let mut found = Sources { layers: Vec::new(), environments: Vec::new(), remotes: Vec::new() };
        for ((path, file), priority) in named.into_iter().zip(of_files) {
            found.add_file(path, file, priority, required)?;
        }
        for (given, priority) in sources.into_iter().zip(of_sources) {
            if let Some(file) = given.spec.file() {
                found.add_file(PathBuf::from(&file.path), file, priority, required)?;
            } else if let Place::Env(prefix) = &given.spec.place {
                let (prefix, every) = (prefix.clone(), given.spec.options.every);
                found.environments.push(Prefix { prefix, priority: Some(priority), every });
            } else {
                check(&given.spec)?;
                let required = required && !given.spec.options.is_optional;
                found.remotes.push(RemoteSource { given, priority, required });
            }
        }
        Ok(found)
    }

    fn add_file(&mut self, path: PathBuf, file: FileArgument, priority: i32, required: bool) -> Result<()> {
        let format = file.format()?;
        let id = Str::from(format!("file:{}", path.display()));
        if self.layers.iter().any(|layer| layer.id == id) {
            return Err(Error::new(Code::Usage, format!("the file `{}` is given twice", path.display()))
                .with_hint("leave one of them out: the one that counts more would win anyway"));
        }
        let required = required && !file.is_optional;
        self.layers.push(LayerFile { format, file, id, path, priority, required });
        Ok(())
    }
}

/// A file argument and the path in it, which may be no UTF-8.
pub(super) fn argument(path: PathBuf) -> Result<(PathBuf, FileArgument)> {
    match path.to_str() {
        Some(text) => FileArgument::parse(text).map(|file| (PathBuf::from(&file.path), file)),
        None => {
            let shown = path.to_string_lossy().into_owned();
            Ok((path, FileArgument { path: shown, ..FileArgument::default() }))
        }
    }
}

/// The bound file.
pub(super) struct BoundPath {
    pub(super) path: PathBuf,
    pub(super) id: Str,
    pub(super) format: Format,
    /// Whether its argument names the format.
    pub(super) is_named: bool,
}

impl BoundPath {
    pub(super) fn new(path: PathBuf) -> Result<BoundPath> {
        let (path, file) = argument(path)?;
        if file.document.is_some() || file.removes {
            return Err(Error::new(Code::Usage, "a bound file is one document, and what is removed in it is gone")
                .with_hint("leave `;document=…` and `;unset` out and move other documents to files of their own, or read the file without binding it: \
                     `--file 'FILE;document=2'`"));
        }
        let id = Str::from(path.display().to_string());
        Ok(BoundPath { format: file.format()?, is_named: file.named_format.is_some(), id, path })
    }
}
