//! One process, no network, no store: files, environment and a runtime layer.
use std::path::PathBuf;

use super::Config;
use super::actor::start;
use super::log::LogLevel;
use super::options::{Setup, layers};
use crate::error::Result;
use crate::id::DocumentName;
use crate::native::watch::WatchOptions;
use crate::policy::Policy;

/// A configuration before it is read; [`OpenOptions::start`] reads it.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    files: Vec<PathBuf>,
    env_prefix: Option<String>,
    policy: Policy,
    watch: Option<WatchOptions>,
    log: LogLevel,
}

/// Opens configuration files; a later one wins over an earlier one.
///
/// ```no_run
/// let config = confmesh::open(["base.yaml", "local.toml"]).env_prefix("MYAPP").start()?;
/// println!("{:?}", config.get("database.host")?);
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn open(files: impl IntoIterator<Item = impl Into<PathBuf>>) -> OpenOptions {
    OpenOptions {
        files: files.into_iter().map(Into::into).collect(),
        env_prefix: None,
        policy: Policy::default(),
        watch: Some(WatchOptions::default()),
        log: LogLevel::default(),
    }
}

impl OpenOptions {
    /// Reads environment variables of a prefix, which win over the files.
    #[must_use]
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> OpenOptions {
        self.env_prefix = Some(prefix.into());
        self
    }

    /// Sets merge and secrecy rules; there are none by default.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> OpenOptions {
        self.policy = policy;
        self
    }

    /// Sets whether the files are watched; they are by default.
    #[must_use]
    pub fn watch(mut self, watch: bool) -> OpenOptions {
        self.watch = watch.then(WatchOptions::default);
        self
    }

    /// Sets how much is told on standard error; nothing by default.
    #[must_use]
    pub fn log(mut self, level: LogLevel) -> OpenOptions {
        self.log = level;
        self
    }

    /// Reads everything once and follows it from then on. A file that breaks later keeps its last good content, which
    /// [`Mesh::status`](super::Mesh::status) tells.
    ///
    /// # Errors
    /// What is wrong with a file, with its path, line and column; a missing file is wrong too.
    pub fn start(self) -> Result<Config> {
        start(Setup {
            document: DocumentName::default_name(),
            shared: false,
            bind: None,
            layers: layers(self.files, true)?,
            listen: Vec::new(),
            insecure: false,
            peers: Vec::new(),
            env_prefix: self.env_prefix,
            data_dir: None,
            policy: self.policy,
            found_after_ms: 0,
            heartbeat_ms: u64::MAX,
            settle: false,
            watch: self.watch,
            log: self.log.or_environment()?,
        })
    }
}
