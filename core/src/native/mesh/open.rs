//! One process, no network, no store: files, environment and a runtime layer.
use std::path::PathBuf;

use super::Config;
use super::access::keys_of;
use super::actor::start;
use super::listing::Listing;
use super::log::LogLevel;
use super::options::Setup;
use super::sources::{GivenSource, Sources};
use crate::error::Result;
use crate::id::DocumentName;
use crate::merge::InvalidVariables;
use crate::native::http::Allowed;
use crate::native::source::environment::Environment;
use crate::native::source::polled::Source;
use crate::native::watch::WatchOptions;
use crate::policy::Policy;
use crate::schema::Schema;
use crate::source::SourceSpec;

/// A configuration before it is read; [`OpenOptions::start`] reads it.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    files: Vec<PathBuf>,
    sources: Vec<GivenSource>,
    data_dir: Option<PathBuf>,
    encrypt_key_file: Option<PathBuf>,
    env_prefix: Option<String>,
    environment: Environment,
    policy: Policy,
    schema: Option<Schema>,
    check_within_ms: u64,
    invalid_variables: InvalidVariables,
    profiles: Vec<String>,
    interpolate: bool,
    env_names: Vec<String>,
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
        sources: Vec::new(),
        data_dir: None,
        encrypt_key_file: None,
        env_prefix: None,
        environment: Environment::default(),
        policy: Policy::default(),
        schema: None,
        check_within_ms: crate::engine::CHECK_WITHIN_MS,
        invalid_variables: InvalidVariables::default(),
        profiles: Vec::new(),
        interpolate: false,
        env_names: Vec::new(),
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

    /// Sets where variables come from, see [`MeshOptions::environment`](super::MeshOptions::environment).
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> OpenOptions {
        self.environment = environment;
        self
    }

    /// Adds a source: a file, variables, a URL or a command, see [`MeshOptions::source`](super::MeshOptions::source). One that
    /// gives no document at the start, and is not optional, is an error.
    #[must_use]
    pub fn source(mut self, spec: SourceSpec) -> OpenOptions {
        self.sources.push(spec.into());
        self
    }

    /// Adds a source of the program's own.
    #[must_use]
    pub fn custom_source(self, spec: SourceSpec, own: impl Source) -> OpenOptions {
        self.given_source(GivenSource::custom(spec, own))
    }

    /// Adds a source that was described elsewhere.
    #[must_use]
    pub fn given_source(mut self, source: GivenSource) -> OpenOptions {
        self.sources.push(source);
        self
    }

    /// Keeps the last good document of each polled source in a directory, so that a start while nobody answers has them.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> OpenOptions {
        self.data_dir = Some(path.into());
        self
    }

    /// Names the file of keys that seal what is kept and holds secrets, see
    /// [`MeshOptions::encrypt_key_file`](super::MeshOptions::encrypt_key_file); without it such documents are not kept.
    #[must_use]
    pub fn encrypt_key_file(mut self, path: impl Into<PathBuf>) -> OpenOptions {
        self.encrypt_key_file = Some(path.into());
        self
    }

    /// Sets merge and secrecy rules; there are none by default.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> OpenOptions {
        self.policy = policy;
        self
    }

    /// Holds the document to a schema: defaults, types of variables, secrets, and validation. A file that makes the document
    /// invalid keeps its last good content.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> OpenOptions {
        self.schema = Some(schema);
        self
    }

    /// Sets how long checks of the program that belong to the schema may take to answer, see
    /// [`MeshOptions::check_within_ms`](super::MeshOptions::check_within_ms).
    #[must_use]
    pub fn check_within_ms(mut self, milliseconds: u64) -> OpenOptions {
        self.check_within_ms = milliseconds;
        self
    }

    /// Sets what becomes of variables that are nothing of the type that the schema declares, see
    /// [`MeshOptions::invalid_variables`](super::MeshOptions::invalid_variables).
    #[must_use]
    pub fn invalid_variables(mut self, invalid: InvalidVariables) -> OpenOptions {
        self.invalid_variables = invalid;
        self
    }

    /// Activates a profile: in every file, what stands below `profiles.<name>` lies over the rest of that file. Of several
    /// the one that is added last wins.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> OpenOptions {
        self.profiles.push(name.into());
        self
    }

    /// Sets whether references in texts are replaced, `${path}` and `${env:NAME}`; they are not by default.
    #[must_use]
    pub fn interpolate(mut self, interpolate: bool) -> OpenOptions {
        self.interpolate = interpolate;
        self
    }

    /// Sets which variables `${env:NAME}` may read; none by default. A `*` at the end of a name stands for any rest. What takes
    /// such a text is masked as a secret is.
    #[must_use]
    pub fn env_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> OpenOptions {
        self.env_names = names.into_iter().map(Into::into).collect();
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
    /// What is wrong with a file, with its path, line and column; a missing file is wrong too. What is wrong with the
    /// document, if there is a schema: the first problem, with the others related to it.
    pub fn start(self) -> Result<Config> {
        let listing = Listing::of(&self.files, &self.sources);
        let Sources { layers, environments, remotes } = Sources::of(self.files, self.sources, true)?;
        start(Setup {
            document: DocumentName::default_name(),
            shared: false,
            bind: None,
            layers,
            environments,
            environment: self.environment,
            remotes,
            listing,
            listen: Vec::new(),
            access: super::access::Access::default(),
            allowed: Allowed::default(),
            peers: Vec::new(),
            buses: Vec::new(),
            env_prefix: self.env_prefix,
            data_dir: None,
            kept_dir: self.data_dir,
            policy: self.policy,
            schema: self.schema,
            check_within_ms: self.check_within_ms,
            invalid_variables: self.invalid_variables,
            profiles: self.profiles,
            interpolate: self.interpolate,
            env_names: self.env_names,
            found_after_ms: 0,
            old_after_ms: 600_000,
            heartbeat_ms: u64::MAX,
            stale_after_ms: None,
            settle: false,
            history: crate::history::Budget::default(),
            watch: self.watch,
            webhooks: None,
            receivers: Vec::new(),
            keys: keys_of(self.encrypt_key_file.as_deref())?,
            log: self.log.or_environment()?,
        })
    }
}
