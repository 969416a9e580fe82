//! Documents as types of the program, by `serde`: errors tell the path and the place in the file.

use serde::de::DeserializeOwned;

use super::{Composed, Merged};
use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::Policy;
use crate::value::Value;

impl Merged {
    /// Reads the document as a type of the program.
    ///
    /// # Errors
    /// As [`Value::extract`], with the place of what does not fit; of a missing key the place of the map that lacks it.
    ///
    /// ```
    /// use confmesh::format::Format;
    /// use confmesh::merge::{Layer, merge, priority};
    ///
    /// #[derive(Debug, serde::Deserialize)]
    /// struct Settings {
    ///     server: Server,
    /// }
    /// #[derive(Debug, serde::Deserialize)]
    /// struct Server {
    ///     host: String,
    ///     port: u16,
    /// }
    ///
    /// let base = r#"{"server": {"host": "localhost", "port": 80}}"#;
    /// let base = Layer::from_text("base.json", priority::FILE + 1, base, Format::Json)?;
    /// let local = |text| Layer::from_text("local.json", priority::FILE, text, Format::Json);
    ///
    /// let layers = [base.clone(), local(r#"{"server": {"port": 8080}}"#)?];
    /// let settings: Settings = merge(&layers, &Default::default()).extract()?;
    /// assert_eq!((settings.server.host.as_str(), settings.server.port), ("localhost", 8080));
    ///
    /// let layers = [base, local("{\"server\":\n  {\"port\": \"http\"}}")?];
    /// let error = merge(&layers, &Default::default()).extract::<Settings>().unwrap_err();
    /// assert_eq!(error.to_string(), "local.json:2:4: expected u16, found string (at `server.port`)");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T> {
        extract(&self.value, &Path::root(), self, self.policy())
    }
}

impl Composed {
    /// Reads what stands at a path as a type of the program, see [`Merged::extract`].
    ///
    /// # Errors
    /// As [`Merged::extract`]. Nothing counts as null, which an `Option` takes.
    pub fn extract<T: DeserializeOwned>(&self, path: &Path) -> Result<T> {
        let found = self.value.at(path).unwrap_or(&Value::Null);
        extract(found, path, &self.merged, &self.policy)
    }
}

fn extract<T: DeserializeOwned>(value: &Value, at: &Path, merged: &Merged, policy: &Policy) -> Result<T> {
    value.extract().map_err(|error| {
        let path = at.join(error.path().unwrap_or(&Path::root()));
        let error = if policy.is_secret(&path) {
            // The type's own code may have put the value into its message.
            Error::new(error.code(), "the secret cannot be read as its type")
        } else {
            error
        };
        let error = error.with_path(path.clone());
        match place(merged, &path) {
            Some(origin) => error.with_origin(origin),
            None => error,
        }
    })
}

/// The place of a path, or of the nearest one above it that has one.
fn place(merged: &Merged, path: &Path) -> Option<Origin> {
    let above = std::iter::successors(Some(path.clone()), Path::parent);
    let mut origins = above.filter_map(|above| merged.explain(&above)?.winner.map(|winner| winner.origin));
    origins.find(|origin| origin.location.is_some() || origin.key.is_some()).or_else(|| {
        let found = merged.explain(path)?;
        found.winner.map(|winner| winner.origin)
    })
}
