//! How a mesh is described before it runs.
use std::path::PathBuf;

use super::Mesh;
use super::access::{Access, keys_of};
use super::actor::start;
use super::environment::Prefix;
use super::listing::Listing;
use super::log::LogLevel;
use super::notices::NotifyOptions;
use super::sources::{BoundPath, GivenSource, LayerFile, RemoteSource, Sources};
use super::webhooks::{WebhookOptions, Webhooks};
use crate::engine::CHECK_WITHIN_MS;
use crate::error::Result;
use crate::guard::RateLimit;
use crate::history::Budget;
use crate::id::DocumentName;
use crate::merge::InvalidVariables;
use crate::native::http::Allowed;
use crate::native::source::environment::Environment;
use crate::native::source::polled::Source;
use crate::native::transport::bus::BusAddress;
use crate::native::transport::websocket::Address;
use crate::native::watch::WatchOptions;
use crate::policy::Policy;
use crate::schema::Schema;
use crate::secret::Keys;
use crate::source::SourceSpec;

/// A mesh before it runs; [`MeshOptions::start`] starts it.
///
/// ```no_run
/// use confmesh::MeshOptions;
/// let mesh = MeshOptions::default().bind("app.yaml").listen("127.0.0.1:8765").peer("wss://10.0.0.2:8765").start()?;
/// mesh.set("rate_limit", 100).wait()?;
/// # Ok::<(), confmesh::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MeshOptions {
    /// The document's name; `default`.
    pub document: DocumentName,
    /// The file that mirrors the shared layer, both ways; none. `PATH;format=NAME` says its format where the name does not.
    pub bind: Option<PathBuf>,
    /// Files that are read only and lie below the shared layer; a later one wins over an earlier one. `PATH;format=NAME` as
    /// above.
    pub files: Vec<PathBuf>,
    /// Sources of every kind, see [`crate::source::SourceSpec`]; those that are polled lie below the files.
    pub sources: Vec<GivenSource>,
    /// Addresses to listen on, as `host:port`; port 0 takes a free one. Empty: nobody can connect.
    pub listen: Vec<String>,
    /// Who may do what: an authentication file, see [`crate::guard::Table`]. Changes are taken while it runs, and whoever is
    /// revoked is disconnected. None: everybody who can connect may do everything, so only this machine can.
    pub auth: Option<PathBuf>,
    /// The certificate that is shown to others, in PEM form, with `tls_key`: the listeners speak TLS then.
    pub tls_cert: Option<PathBuf>,
    /// The private key of `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// Whose certificates may stand for a token: the principal is the one with that `san`.
    pub tls_client_ca: Option<PathBuf>,
    /// Whose certificates are trusted where `wss://` is dialed; those of the system.
    pub tls_ca: Option<PathBuf>,
    /// The file with the token that is shown to other instances; none.
    pub token_file: Option<PathBuf>,
    /// That token itself; the file counts more.
    pub token: Option<String>,
    /// Whether a proxy in front speaks TLS: addresses that other machines can reach need no certificate here then.
    pub behind_proxy: bool,
    /// Proxies whose `X-Forwarded-For` says where a request comes from, as addresses or networks; none.
    pub trusted_proxies: Vec<String>,
    /// How many requests a caller may make in a minute; any number.
    pub rate_limit: Option<RateLimit>,
    /// Origins of pages that may follow and change the document from a browser, as `https://app.example` or
    /// `http://localhost:*`; besides the page that the instance serves none.
    pub allow_origins: Vec<String>,
    /// Names with a domain that the instance is called by, as `config.example` or `*.example`; addresses, `localhost` and,
    /// where other machines can reach it, names without a domain always are.
    pub allow_hosts: Vec<String>,
    /// Other instances, as `wss://host:port`, or `ws://` on this machine.
    pub peers: Vec<String>,
    /// Buses, on which instances meet without being connected: `redis://host:port`, see [`MeshOptions::bus`].
    pub buses: Vec<String>,
    /// The prefix of environment variables that win over the shared layer, for example `MYAPP`; none.
    pub env_prefix: Option<String>,
    /// Where variables come from, looked at again and again; the process.
    pub environment: Environment,
    /// The directory that keeps the shared layer over restarts; without one it lives as long as the mesh.
    pub data_dir: Option<PathBuf>,
    /// Merge, conflict and secrecy rules; none.
    pub policy: Policy,
    /// What the document has to look like; anything.
    pub schema: Option<Schema>,
    /// How long the checks of the program that belong to the schema may take to answer, in milliseconds; 5,000.
    pub check_within_ms: u64,
    /// What becomes of variables, and texts of untyped files, that are nothing of the type that the schema declares.
    pub invalid_variables: InvalidVariables,
    /// The active profiles, the most important last; none, and `profiles` is a key like others.
    pub profiles: Vec<String>,
    /// Whether `${path}` and `${env:NAME}` in texts are replaced; no.
    pub interpolate: bool,
    /// The variables that `${env:NAME}` may read, see [`MeshOptions::env_names`]; none.
    pub env_names: Vec<String>,
    /// How long a new instance waits for its peers before it goes on alone, in milliseconds; 3,000.
    pub found_after_ms: u64,
    /// How long a document has to be in use until it counts as old and never gives way to another one by itself, in
    /// milliseconds; ten minutes.
    pub old_after_ms: u64,
    /// How often instances compare what they have, in milliseconds; 5,000.
    pub heartbeat_ms: u64,
    /// After how long without being in step with another instance, or with a source that is broken, an instance is not ready,
    /// in milliseconds; never.
    pub stale_after_ms: Option<u64>,
    /// Whether a document that begins here drops its history as soon as all instances have it; no. Instances that take
    /// the document over do as it says.
    pub settle: bool,
    /// How much of the past of what is shared is kept: 10,000 versions, 90 days, 16 MiB; no versions where none are wanted.
    pub history: Budget,
    /// How patient the file watcher is.
    pub watch: WatchOptions,
    /// The file of keys (`confmesh key new`) that seal what must not lie on the disk as it is; none, and it is not kept there.
    pub encrypt_key_file: Option<PathBuf>,
    /// What webhooks are taken; none.
    pub webhooks: WebhookOptions,
    /// Who is told of what is wrong, besides those who ask; nobody.
    pub notify: NotifyOptions,
    /// How much is told on standard error; nothing. The variable `CONFMESH_LOG` decides over this.
    pub log: LogLevel,
}

impl Default for MeshOptions {
    fn default() -> MeshOptions {
        MeshOptions {
            document: DocumentName::default_name(),
            bind: None,
            files: Vec::new(),
            sources: Vec::new(),
            listen: Vec::new(),
            auth: None,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            tls_ca: None,
            token_file: None,
            token: None,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            rate_limit: None,
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            peers: Vec::new(),
            buses: Vec::new(),
            env_prefix: None,
            environment: Environment::default(),
            data_dir: None,
            policy: Policy::default(),
            schema: None,
            check_within_ms: CHECK_WITHIN_MS,
            invalid_variables: InvalidVariables::default(),
            profiles: Vec::new(),
            interpolate: false,
            env_names: Vec::new(),
            found_after_ms: 3_000,
            old_after_ms: 600_000,
            heartbeat_ms: 5_000,
            stale_after_ms: None,
            settle: false,
            history: Budget::default(),
            watch: WatchOptions::default(),
            encrypt_key_file: None,
            webhooks: WebhookOptions::default(),
            notify: NotifyOptions::default(),
            log: LogLevel::default(),
        }
    }
}

impl MeshOptions {
    /// Names the document.
    #[must_use]
    pub fn document(mut self, name: DocumentName) -> MeshOptions {
        self.document = name;
        self
    }

    /// Binds a file.
    #[must_use]
    pub fn bind(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.bind = Some(path.into());
        self
    }

    /// Adds a file that is read only; it wins over those before it.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.files.push(path.into());
        self
    }

    /// Adds a source: a file, variables, a URL or a command.
    ///
    /// ```no_run
    /// # fn main() -> confmesh::Result<()> {
    /// use confmesh::MeshOptions;
    /// use confmesh::source::SourceSpec;
    /// let spec = SourceSpec::parse("https://config.example/app.json;interval=10s;token-env=TOKEN")?;
    /// let mesh = MeshOptions::default().data_dir("/var/lib/app").source(spec).start()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn source(mut self, spec: SourceSpec) -> MeshOptions {
        self.sources.push(spec.into());
        self
    }

    /// Adds a source of the program's own.
    #[must_use]
    pub fn custom_source(mut self, spec: SourceSpec, own: impl Source) -> MeshOptions {
        self.sources.push(GivenSource::custom(spec, own));
        self
    }

    /// Adds an address to listen on.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> MeshOptions {
        self.listen.push(address.into());
        self
    }

    /// Lets in who shows a token or certificate of an authentication file, and each do what the file says: see
    /// [`MeshOptions::auth`](struct@MeshOptions).
    ///
    /// ```no_run
    /// use confmesh::MeshOptions;
    /// let mesh = MeshOptions::default()
    ///     .auth("auth.toml")
    ///     .tls("cert.pem", "key.pem")
    ///     .listen("0.0.0.0:8765")
    ///     .peer("wss://hub.example:8765")
    ///     .token_file("peer.token")
    ///     .start()?;
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    #[must_use]
    pub fn auth(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.auth = Some(path.into());
        self
    }

    /// Speaks TLS, with a certificate and its key as files in PEM form.
    #[must_use]
    pub fn tls(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> MeshOptions {
        (self.tls_cert, self.tls_key) = (Some(cert.into()), Some(key.into()));
        self
    }

    /// Shows other instances the token in a file.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.token_file = Some(path.into());
        self
    }

    /// Lets pages of an origin follow and change the document from a browser: `https://app.example`, or
    /// `http://localhost:*` for any port.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> MeshOptions {
        self.allow_origins.push(origin.into());
        self
    }

    /// Lets the instance be called by a name with a domain: `config.example`, or `*.example`.
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> MeshOptions {
        self.allow_hosts.push(name.into());
        self
    }

    /// Adds another instance.
    #[must_use]
    pub fn peer(mut self, url: impl Into<String>) -> MeshOptions {
        self.peers.push(url.into());
        self
    }

    /// Adds a bus: a broker at which instances meet that need no connection to each other. `redis://[user@]host[:port][/db]`,
    /// `mqtt://`, `kafka://host:port,host:port`, with TLS `rediss://`, `mqtts://` and `kafka+tls://`; after a `?` come options:
    /// `password-file`, `password-env`, `key-file` (seals what is said there, so that only who has the key reads and writes),
    /// `ca`, `prefix`, `plain=yes`.
    ///
    /// ```no_run
    /// use confmesh::MeshOptions;
    /// let mesh = MeshOptions::default().data_dir("/var/lib/app").bus("redis://127.0.0.1:6379?key-file=bus.key").start()?;
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    #[must_use]
    pub fn bus(mut self, url: impl Into<String>) -> MeshOptions {
        self.buses.push(url.into());
        self
    }

    /// Reads environment variables of a prefix.
    #[must_use]
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> MeshOptions {
        self.env_prefix = Some(prefix.into());
        self
    }

    /// Sets where variables come from. By default they are those of the process, which a program changes with
    /// `std::env::set_var`; those of another process cannot be seen.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> MeshOptions {
        self.environment = environment;
        self
    }

    /// Keeps the shared layer in a directory.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.data_dir = Some(path.into());
        self
    }

    /// Sets the rules.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> MeshOptions {
        self.policy = policy;
        self
    }

    /// Holds the document to a schema: defaults, types of variables, secrets, and validation. What is invalid never comes
    /// into force: a write is refused, a file keeps its last good content, and what others wrote is held back until it is
    /// mended.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> MeshOptions {
        self.schema = Some(schema);
        self
    }

    /// Sets how long the checks of the program that belong to the schema may take to answer, in milliseconds. They run on a thread
    /// of their own. What would come into force waits for them, and nothing else does; without an answer in time a write is
    /// refused, and what came from elsewhere is held back until there is one.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// use confmesh::schema::{Field, Schema};
    /// use confmesh::{Code, Error, MeshOptions};
    ///
    /// let schema = Schema::new(Field::map()).check(|document| match document.child("port") {
    ///     Some(port) if *port == 0.into() => Err(vec![Error::new(Code::Invalid, "no port is 0")]),
    ///     _ => Ok(()),
    /// });
    /// let mesh = MeshOptions::default().schema(schema).check_within_ms(500).start()?;
    /// assert_eq!(mesh.set("port", 0).wait().expect_err("it is refused").message(), "no port is 0");
    /// mesh.set("port", 1).wait()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn check_within_ms(mut self, milliseconds: u64) -> MeshOptions {
        self.check_within_ms = milliseconds;
        self
    }

    /// Sets what becomes of variables, and texts of untyped files, that are nothing of the type that the schema declares: such a
    /// document is invalid, or they are left out with a warning, which `status`, `health` and the log have.
    #[must_use]
    pub fn invalid_variables(mut self, invalid: InvalidVariables) -> MeshOptions {
        self.invalid_variables = invalid;
        self
    }

    /// Activates a profile: in every file, what stands below `profiles.<name>` lies over the rest of that file. Of several
    /// the one that is added last wins.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> MeshOptions {
        self.profiles.push(name.into());
        self
    }

    /// Sets whether references in texts are replaced: `${path}` and `${env:NAME}`, see
    /// [`interpolate`](crate::merge::interpolate()).
    #[must_use]
    pub fn interpolate(mut self, interpolate: bool) -> MeshOptions {
        self.interpolate = interpolate;
        self
    }

    /// Sets which variables `${env:NAME}` may read; a `*` at the end of a name stands for any rest. Only files of this instance
    /// may, what instances share never does, and what takes such a text is as secret as a secret.
    #[must_use]
    pub fn env_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> MeshOptions {
        self.env_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a new instance waits for its peers, in milliseconds.
    #[must_use]
    pub fn found_after_ms(mut self, milliseconds: u64) -> MeshOptions {
        self.found_after_ms = milliseconds;
        self
    }

    /// Sets how long a document has to be in use until it counts as old, in milliseconds.
    #[must_use]
    pub fn old_after_ms(mut self, milliseconds: u64) -> MeshOptions {
        self.old_after_ms = milliseconds;
        self
    }

    /// Sets how often instances compare what they have, in milliseconds.
    #[must_use]
    pub fn heartbeat_ms(mut self, milliseconds: u64) -> MeshOptions {
        self.heartbeat_ms = milliseconds;
        self
    }

    /// Sets after how long an instance is not ready that is in step with none of the others, or one of whose sources stays
    /// broken, in milliseconds. It counts while there are others: since the start where some are dialed.
    #[must_use]
    pub fn stale_after_ms(mut self, milliseconds: u64) -> MeshOptions {
        self.stale_after_ms = Some(milliseconds);
        self
    }

    /// Sets whether a document that begins here drops its history as soon as all instances have it. For instances that
    /// all reach each other, or one in their midst, from time to time: one that never comes back holds it up.
    #[must_use]
    pub fn settle(mut self, settle: bool) -> MeshOptions {
        self.settle = settle;
        self
    }

    /// Sets how much of the past of what is shared is kept.
    #[must_use]
    pub fn history(mut self, budget: Budget) -> MeshOptions {
        self.history = budget;
        self
    }

    /// Sets how patient the file watcher is.
    #[must_use]
    pub fn watch(mut self, watch: WatchOptions) -> MeshOptions {
        self.watch = watch;
        self
    }

    /// Names the file of keys that seal, on the disk, secrets in versions and the last good documents of sources that hold some. `confmesh key new` prints a
    /// line for it; the first one seals, every one opens.
    #[must_use]
    pub fn encrypt_key_file(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.encrypt_key_file = Some(path.into());
        self
    }

    /// Takes webhooks that are signed with a secret, `NAME=SECRET`, at `POST /webhook/config`: see [`Secrets::parse`](crate::hook::Secrets::parse).
    #[must_use]
    pub fn webhook_secret(mut self, secret: impl Into<String>) -> MeshOptions {
        self.webhooks.secrets.push(secret.into());
        self
    }

    /// Takes webhooks that are signed with one of the secrets in a file, one a line; it is read for every request.
    #[must_use]
    pub fn webhook_secret_file(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.webhooks.secret_file = Some(path.into());
        self
    }

    /// Sets what webhooks may write, as patterns; everything by default. None at all: they only call the program's handlers.
    #[must_use]
    pub fn webhook_paths(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> MeshOptions {
        self.webhooks.paths = Some(patterns.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how much is told on standard error.
    #[must_use]
    pub fn log(mut self, level: LogLevel) -> MeshOptions {
        self.log = level;
        self
    }

    /// Starts the mesh on a thread of its own. Blocks until the store is open, the files are looked at and the listener
    /// is bound.
    ///
    /// # Errors
    /// [`Code::Listen`] for an address that cannot be listened on, [`Code::Store`] for the data directory,
    /// [`Code::Usage`] for a peer, origin, host or prefix that is none, and what is wrong with a file: one that is broken from the
    /// start has no last good content that could stay in force. So with a document that the schema refuses, unless there
    /// are peers, who may mend it.
    pub fn start(self) -> Result<Mesh> {
        let log = self.log.or_environment()?;
        let peers = self.peers.iter().map(|url| Address::parse(url)).collect::<Result<Vec<_>>>()?;
        let buses = super::buses::read(&self.buses, &self.policy, self.settle)?;
        super::values::check(&buses, self.auth.is_some())?;
        let receivers = self.notify.receivers(self.tls_ca.as_deref())?;
        let access = super::access::Given {
            auth: self.auth,
            cert: self.tls_cert,
            key: self.tls_key,
            client_ca: self.tls_client_ca,
            ca: self.tls_ca,
            token_file: self.token_file,
            token: self.token,
            behind_proxy: self.behind_proxy,
            trusted_proxies: self.trusted_proxies,
            rate_limit: self.rate_limit,
        }
        .read(&peers)?;
        let bind = self.bind.map(BoundPath::new).transpose()?;
        let listing = Listing::of(&self.files, &self.sources);
        let Sources { layers, environments, remotes } = Sources::of(self.files, self.sources, false)?;
        start(Setup {
            document: self.document,
            shared: true,
            bind,
            layers,
            environments,
            environment: self.environment,
            remotes,
            listing,
            listen: self.listen,
            access,
            allowed: Allowed::parse(&self.allow_origins, &self.allow_hosts)?,
            peers,
            buses,
            env_prefix: self.env_prefix,
            kept_dir: self.data_dir.clone(),
            data_dir: self.data_dir,
            policy: self.policy,
            schema: self.schema,
            check_within_ms: self.check_within_ms,
            invalid_variables: self.invalid_variables,
            profiles: self.profiles,
            interpolate: self.interpolate,
            env_names: self.env_names,
            found_after_ms: self.found_after_ms,
            old_after_ms: self.old_after_ms,
            heartbeat_ms: self.heartbeat_ms,
            stale_after_ms: self.stale_after_ms,
            settle: self.settle,
            history: self.history,
            watch: Some(self.watch),
            webhooks: self.webhooks.webhooks(log)?,
            receivers,
            keys: keys_of(self.encrypt_key_file.as_deref())?,
            log,
        })
    }
}

/// What the actor is started with: checked as far as that is possible without touching the world.
pub(super) struct Setup {
    pub(super) document: DocumentName,
    pub(super) shared: bool,
    pub(super) bind: Option<BoundPath>,
    pub(super) layers: Vec<LayerFile>,
    /// Prefixes of variables, beside `env_prefix`.
    pub(super) environments: Vec<Prefix>,
    pub(super) environment: Environment,
    pub(super) remotes: Vec<RemoteSource>,
    pub(super) listing: Option<Listing>,
    pub(super) listen: Vec<String>,
    pub(super) access: Access,
    pub(super) allowed: Allowed,
    pub(super) peers: Vec<Address>,
    pub(super) buses: Vec<BusAddress>,
    pub(super) env_prefix: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
    /// Where the last good documents of sources are kept.
    pub(super) kept_dir: Option<PathBuf>,
    pub(super) policy: Policy,
    pub(super) schema: Option<Schema>,
    pub(super) check_within_ms: u64,
    pub(super) invalid_variables: InvalidVariables,
    pub(super) profiles: Vec<String>,
    pub(super) interpolate: bool,
    pub(super) env_names: Vec<String>,
    pub(super) found_after_ms: u64,
    pub(super) old_after_ms: u64,
    pub(super) heartbeat_ms: u64,
    pub(super) stale_after_ms: Option<u64>,
    pub(super) settle: bool,
    pub(super) history: Budget,
    pub(super) watch: Option<WatchOptions>,
    pub(super) webhooks: Option<Webhooks>,
    pub(super) receivers: Vec<crate::native::notify::Receiver>,
    pub(super) keys: Option<Keys>,
    pub(super) log: LogLevel,
}
