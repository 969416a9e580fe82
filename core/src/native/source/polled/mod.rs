//! Sources that are asked again and again: HTTP, commands, and a program's own.
mod body;
mod custom;
mod exec;
mod follow;
mod http;
mod kept;

pub use custom::Source;
pub use follow::{Followed, News, Said, Taken, follow, load_once};
pub use kept::{Kept, KeptLayers};

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::source::{Place, SourceSpec};
use crate::value::Value;

/// What a source answered.
enum Answer {
    /// What it answered last, as far as that was taken.
    Unchanged,
    /// A document as text.
    Text(String, Format),
    /// A document.
    Value(Value),
    /// That there is none.
    Missing,
}

/// No answer, or none that can be used.
struct Failure {
    error: Error,
    /// When the other side wants to be asked again.
    retry_after_ms: Option<u64>,
    /// Whether there was an answer in time, and only what it holds is of no use.
    is_content: bool,
    /// What the other side wrote for whoever runs it. It may hold anything, so it goes to this machine's log only.
    told: Option<String>,
}

impl Failure {
    fn of_content(error: Error) -> Failure {
        Failure { is_content: true, ..Failure::from(error) }
    }

    /// All of it, for whoever has just asked on this machine.
    fn whole(self) -> Error {
        self.told.map_or_else(|| self.error.clone(), |told| self.error.continued(&format!(": {told}")))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, retry_after_ms: None, is_content: false, told: None }
    }
}

/// Refuses what stays wrong with a source however often it is asked: the variables of a process do not change.
///
/// # Errors
/// [`Code::Usage`] where a variable that it names is not set, or is empty.
pub fn check(spec: &SourceSpec) -> Result<()> {
    match spec.place {
        Place::Http(_) => http::check_variables(spec),
        _ => Ok(()),
    }
}

/// What asks a source.
enum Loader {
    Http(Box<http::HttpLoader>),
    Exec(exec::ExecLoader),
    Custom(custom::CustomLoader),
}

impl Loader {
    /// # Errors
    /// What is wrong with the source before it is asked: a certificate file, a URL.
    fn new(spec: &SourceSpec, own: Option<&Arc<dyn Source>>) -> Result<Loader> {
        match (&spec.place, own) {
            (Place::Http(url), _) => Ok(Loader::Http(Box::new(http::HttpLoader::new(spec, url)?))),
            (Place::Exec(words), _) => Ok(Loader::Exec(exec::ExecLoader::new(spec, words))),
            (Place::Custom(_), Some(own)) => Ok(Loader::Custom(custom::CustomLoader::new(spec, Arc::clone(own)))),
            _ => Err(Error::new(Code::Internal, format!("`{}` is no source that is polled", spec.id()))),
        }
    }

    /// Asks; everything is fetched where `full` says so. Ends within the deadline of the source.
    async fn load(&mut self, full: bool) -> Result<Answer, Failure> {
        match self {
            Loader::Http(loader) => loader.load(full).await,
            Loader::Exec(loader) => loader.load().await,
            Loader::Custom(loader) => loader.load().await,
        }
    }

    /// What was answered last is in force: from now on only what differs is asked for.
    fn accepted(&mut self) {
        if let Loader::Http(loader) = self {
            loader.accepted();
        }
    }
}
