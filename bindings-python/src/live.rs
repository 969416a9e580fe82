//! `Live`: a running configuration, of one process or of a mesh.

use std::path::PathBuf;

use confmesh::canonical::ContentTag;
use confmesh::diff::Patch;
use confmesh::engine::{Command, PathVersion, RUNTIME, Receipt, WriteTerms};
use confmesh::history::Budget;
use confmesh::id::DocumentName;
use confmesh::{Code, Error, Mesh, MeshOptions, NotifyOptions, Path, Value, Webhook, WebhookOptions};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::answer::Answer;
use crate::convert::{to_path, to_python, to_value};
use crate::ending::attached;
use crate::error::{exceptions, run};
use crate::explanation::Explanation;
use crate::feed::Feed;
use crate::fork::Process;
use crate::functions::to_policy;
use crate::schema::to_schema;
use crate::source::to_sources;
use crate::variables::environment;

/// A running configuration.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Live {
    mesh: Mesh,
    born: Process,
}

impl Live {
    fn of(mesh: Mesh) -> Live {
        Live { mesh, born: Process::this() }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.born.is_this() {
            // Its threads run in the parent: closing it would wait for them in vain. One handle more keeps it as it is.
            std::mem::forget(self.mesh.clone());
        }
    }
}

/// Opens files of one process.
#[pyfunction]
#[pyo3(signature = (files, *, sources, data_dir, encrypt_key_file, env_prefix, rules, watch, schema, check_within, invalid_variables, profiles, interpolate, env_names))]
#[allow(clippy::too_many_arguments, reason = "they are named on the Python side")]
pub fn open_files(
    py: Python<'_>,
    files: Vec<PathBuf>,
    sources: &Bound<'_, PyList>,
    data_dir: Option<PathBuf>,
    encrypt_key_file: Option<PathBuf>,
    env_prefix: Option<String>,
    rules: Option<&Bound<'_, PyAny>>,
    watch: bool,
    schema: Option<&Bound<'_, PyAny>>,
    check_within: u64,
    invalid_variables: &str,
    profiles: Vec<String>,
    interpolate: bool,
    env_names: Vec<String>,
) -> PyResult<Live> {
    let policy = to_policy(py, rules)?;
    let schema = to_schema(py, schema)?;
    let sources = to_sources(py, sources)?;
    run(py, || {
        let mut options = confmesh::open(files)
            .environment(environment())
            .policy(policy)
            .watch(watch)
            .interpolate(interpolate)
            .env_names(env_names)
            .check_within_ms(check_within)
            .invalid_variables(invalid_variables.parse()?);
        options = profiles.into_iter().fold(options, confmesh::OpenOptions::profile);
        options = schema.into_iter().fold(options, confmesh::OpenOptions::schema);
        options = sources.into_iter().fold(options, confmesh::OpenOptions::given_source);
        options = encrypt_key_file.into_iter().fold(options, confmesh::OpenOptions::encrypt_key_file);
        options = data_dir.into_iter().fold(options, confmesh::OpenOptions::data_dir);
        if let Some(prefix) = env_prefix {
            options = options.env_prefix(prefix);
        }
        options.start().map(Live::of)
    })
}

/// Keeps a damaged store aside; its instance takes the document from the others at its next start.
#[pyfunction]
#[pyo3(signature = (data_dir, *, force = false))]
pub fn rebuild(py: Python<'_>, data_dir: PathBuf, force: bool) -> PyResult<Option<PathBuf>> {
    run(py, || confmesh::rebuild(&data_dir, force))
}

/// Puts a backup into the data directory of an instance that is stopped, which comes back as another one.
#[pyfunction]
#[pyo3(signature = (data_dir, file, *, force = false))]
pub fn restore<'py>(py: Python<'py>, data_dir: PathBuf, file: PathBuf, force: bool) -> PyResult<Bound<'py, PyAny>> {
    let restored = run(py, || confmesh::restore(&data_dir, &file, force))?;
    to_python(py, &restored.to_value())
}

/// Who comes in, and who we are elsewhere.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Access {
    auth: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    tls_ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
    token: Option<String>,
    behind_proxy: bool,
}

/// Starts an instance.
#[pyfunction]
#[pyo3(signature = (*, bind, files, sources, listen, peers, buses, env_prefix, data_dir, document, rules, access, allow_origins, allow_hosts, schema, check_within, invalid_variables, profiles, interpolate, env_names, found_after, old_after, stale_after, settle, history, encrypt_key_file, webhook_secrets, webhook_secret_file, webhook_paths, notify))]
#[allow(clippy::too_many_arguments, reason = "they are named on the Python side")]
pub fn start_mesh(
    py: Python<'_>,
    bind: Option<PathBuf>,
    files: Vec<PathBuf>,
    sources: &Bound<'_, PyList>,
    listen: Vec<String>,
    peers: Vec<String>,
    buses: Vec<String>,
    env_prefix: Option<String>,
    data_dir: Option<PathBuf>,
    document: &str,
    rules: Option<&Bound<'_, PyAny>>,
    access: Access,
    allow_origins: Vec<String>,
    allow_hosts: Vec<String>,
    schema: Option<&Bound<'_, PyAny>>,
    check_within: u64,
    invalid_variables: &str,
    profiles: Vec<String>,
    interpolate: bool,
    env_names: Vec<String>,
    found_after: u64,
    old_after: u64,
    stale_after: Option<u64>,
    settle: bool,
    history: (usize, u64, usize),
    encrypt_key_file: Option<PathBuf>,
    webhook_secrets: Vec<String>,
    webhook_secret_file: Option<PathBuf>,
    webhook_paths: Option<Vec<String>>,
    notify: (Vec<String>, Option<PathBuf>, Option<String>),
) -> PyResult<Live> {
    let policy = to_policy(py, rules)?;
    let schema = to_schema(py, schema)?;
    let sources = to_sources(py, sources)?;
    run(py, || {
        let document = DocumentName::parse(document)?;
        let options = MeshOptions {
            bind,
            files,
            sources,
            listen,
            peers,
            buses,
            env_prefix,
            data_dir,
            document,
            policy,
            auth: access.auth,
            tls_cert: access.tls_cert,
            tls_key: access.tls_key,
            tls_client_ca: access.tls_client_ca,
            tls_ca: access.tls_ca,
            token_file: access.token_file,
            token: access.token,
            behind_proxy: access.behind_proxy,
            allow_origins,
            allow_hosts,
            schema,
            check_within_ms: check_within,
            invalid_variables: invalid_variables.parse()?,
            profiles,
            interpolate,
            env_names,
            found_after_ms: found_after,
            old_after_ms: old_after,
            stale_after_ms: stale_after,
            settle,
            history: Budget { versions: history.0, age_ms: history.1, bytes: history.2 },
            environment: environment(),
            encrypt_key_file,
            webhooks: WebhookOptions {
                secrets: webhook_secrets,
                secret_file: webhook_secret_file,
                paths: webhook_paths,
            },
            notify: NotifyOptions { urls: notify.0, secret_file: notify.1, command: notify.2 },
            ..MeshOptions::default()
        };
        options.start().map(Live::of)
    })
}

fn receipt(receipt: Receipt) -> Value {
    receipt.to_value()
}

fn terms(
    py: Python<'_>,
    if_version: Option<&str>,
    force: bool,
    fence: u64,
    user: Option<String>,
    message: Option<String>,
) -> PyResult<WriteTerms> {
    let if_version = if_version.map(|text| run(py, || PathVersion::parse(text))).transpose()?;
    Ok(WriteTerms {
        if_version,
        force,
        fence,
        user: user.map(Into::into),
        message: message.map(Into::into),
        ..WriteTerms::default()
    })
}

fn parsed_hash(py: Python<'_>, text: Option<String>) -> PyResult<Option<ContentTag>> {
    text.map(|text| run(py, || text.parse())).transpose()
}

#[pymethods]
impl Live {
    /// `(value,)` at a path, or `None` where nothing is.
    fn find<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        let path = to_path(py, path)?;
        self.mesh.snapshot().value.at(&path).map(|value| Ok((to_python(py, value)?,))).transpose()
    }

    /// The top keys, as paths.
    fn keys(&self) -> Vec<String> {
        let snapshot = self.mesh.snapshot();
        let keys = snapshot.value.as_map().into_iter().flat_map(|map| map.keys());
        keys.map(|key| Path::root().child(key).to_string()).collect()
    }

    /// The document and its revision, of one moment.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyAny>)> {
        let snapshot = self.mesh.snapshot();
        Ok((snapshot.revision, to_python(py, &snapshot.value)?))
    }

    #[getter]
    fn revision(&self) -> u64 {
        self.mesh.snapshot().revision
    }

    #[getter]
    fn hash(&self) -> String {
        self.mesh.snapshot().hash().to_string()
    }

    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(exceptions(py, self.mesh.snapshot().warnings())?.into_any())
    }

    #[getter]
    fn provenance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sources = self.mesh.snapshot().provenance().into_iter();
        to_python(py, &sources.map(|(path, source)| (path.to_string(), source)).collect())
    }

    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.mesh.addresses().iter().map(ToString::to_string).collect()
    }

    fn explain(&self, py: Python<'_>, path: &str) -> PyResult<Explanation> {
        let path = to_path(py, path)?;
        Explanation::found(py, &path, self.mesh.snapshot().explain(&path))
    }

    #[pyo3(signature = (path, value, *, if_version = None, force = false, fence = 0, user = None, message = None))]
    #[allow(clippy::too_many_arguments, reason = "they are named on the Python side")]
    fn set(
        &self,
        py: Python<'_>,
        path: &str,
        value: &Bound<'_, PyAny>,
        if_version: Option<&str>,
        force: bool,
        fence: u64,
        user: Option<String>,
        message: Option<String>,
    ) -> PyResult<Answer> {
        let command = Command::set(to_path(py, path)?, to_value(value)?);
        Answer::of(py, self.mesh.write(command, terms(py, if_version, force, fence, user, message)?), receipt)
    }

    #[pyo3(signature = (path, *, if_version = None, force = false, fence = 0, user = None, message = None))]
    #[allow(clippy::too_many_arguments, reason = "they are named on the Python side")]
    fn unset(
        &self,
        py: Python<'_>,
        path: &str,
        if_version: Option<&str>,
        force: bool,
        fence: u64,
        user: Option<String>,
        message: Option<String>,
    ) -> PyResult<Answer> {
        let command = Command::unset(to_path(py, path)?);
        Answer::of(py, self.mesh.write(command, terms(py, if_version, force, fence, user, message)?), receipt)
    }

    /// Calls a function with the name and the data of each webhook for a name, or `*`.
    fn on_webhook(&self, py: Python<'_>, name: &str, callback: Py<PyAny>) -> PyResult<()> {
        let handler = move |hook: &Webhook| {
            let called = attached(|py| {
                let data = to_python(py, &hook.data)?;
                callback.call1(py, (hook.name.as_str(), data)).map(drop)
            });
            match called {
                None => Err(Error::new(Code::Closed, "the interpreter is ending")),
                Some(Ok(())) => Ok(()),
                Some(Err(error)) => Err(Python::attach(|py| {
                    let kind = error.get_type(py).name().map_or_else(|_| String::new(), |name| name.to_string());
                    let failed = Error::new(Code::Internal, format!("it raised {kind}: {}", error.value(py)));
                    error.write_unraisable(py, Some(callback.bind(py)));
                    failed
                })),
            }
        };
        run(py, || self.mesh.on_webhook(name, handler))
    }

    /// Any operation of the list, by name.
    fn call(&self, py: Python<'_>, operation: &str, arguments: &Bound<'_, PyAny>) -> PyResult<Answer> {
        Answer::of(py, self.mesh.call(operation, &to_value(arguments)?), |reply| reply)
    }

    fn adopt(&self, py: Python<'_>, url: &str, yes: bool) -> PyResult<Answer> {
        Answer::of(py, self.mesh.adopt_from(url, yes), |adoption| adoption.to_value())
    }

    #[pyo3(signature = (patch, *, if_hash))]
    fn patch(&self, py: Python<'_>, patch: &Bound<'_, PyAny>, if_hash: Option<String>) -> PyResult<Answer> {
        let patch = to_value(patch)?;
        let patch = run(py, || Patch::from_value(&patch))?;
        Answer::of(py, self.mesh.patch(patch, parsed_hash(py, if_hash)?), receipt)
    }

    #[pyo3(signature = (patch, *, if_hash))]
    fn merge_patch(&self, py: Python<'_>, patch: &Bound<'_, PyAny>, if_hash: Option<String>) -> PyResult<Answer> {
        Answer::of(py, self.mesh.merge_patch(to_value(patch)?, parsed_hash(py, if_hash)?), receipt)
    }

    #[pyo3(signature = (value, *, if_hash))]
    fn replace(&self, py: Python<'_>, value: &Bound<'_, PyAny>, if_hash: Option<String>) -> PyResult<Answer> {
        Answer::of(py, self.mesh.replace(to_value(value)?, parsed_hash(py, if_hash)?), receipt)
    }

    fn status(&self, py: Python<'_>) -> PyResult<Answer> {
        Answer::of(py, self.mesh.status(), |status| status.to_value())
    }

    fn subscribe(&self, py: Python<'_>, pattern: &str) -> PyResult<Feed> {
        run(py, || self.mesh.subscribe(pattern)).map(|changes| Feed::changes(changes, &self.mesh))
    }

    fn reports(&self, keeps_alive: bool) -> Feed {
        Feed::reports(&self.mesh, keeps_alive)
    }

    /// What the program set in a configuration of one process, if anything.
    fn own<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.mesh.snapshot().layer(RUNTIME).map(|own| to_python(py, own)).transpose()
    }

    /// Sets what the program had set in the parent of this process.
    fn set_again(&self, py: Python<'_>, own: &Bound<'_, PyAny>) -> PyResult<()> {
        let own = to_value(own)?;
        run(py, || {
            let fields = own.as_map().into_iter().flat_map(|map| map.iter());
            fields
                .map(|(key, value)| Command::set(Path::root().child(key), value.clone()))
                .try_for_each(|command| self.mesh.write(command, WriteTerms::default()).wait().map(drop))
        })
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || {
            self.mesh.close();
            Ok(())
        })
    }
}
