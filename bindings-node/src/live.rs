//! `Live`: a running configuration, of one process or of a mesh.

use std::path::PathBuf;
use std::sync::Arc;

use confmesh::canonical::ContentTag;
use confmesh::diff::Patch;
use confmesh::engine::{Command, PathVersion, Receipt, WriteTerms};
use confmesh::history::Budget;
use confmesh::id::DocumentName;
use confmesh::schema::Schema;
use confmesh::{
    Answer, Code, Error, Mesh, MeshOptions, NotifyOptions, OpenOptions, Path, Result, Value, WebhookOptions,
};
use napi::Env;
use napi::bindgen_prelude::{Function, PromiseRaw};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::algebra::nothing_at;
use crate::check::{Asking, Checks};
use crate::convert::{policy, read, shown};
use crate::error::{run, thrown};
use crate::feed::Feed;
use crate::source::{Given, Hearer, Sources, told};

/// A function of JavaScript that may be called from any thread, and does not keep the process alive.
type Teller = ThreadsafeFunction<String, (), String, napi::Status, false, true>;

/// A running configuration, and the checks of its schema.
#[napi]
pub struct Live(Mesh, Option<Arc<Asking>>);

/// Opens files of one process. `ask` is asked about `[[number, value], …]` while that is waited for.
#[napi]
pub fn open_files(
    files: Vec<String>,
    env_prefix: Option<String>,
    rules: String,
    watch: bool,
    mut layering: Layering,
    sources: Sources,
    ask: Function<'_, String, String>,
) -> napi::Result<Live> {
    let Some(asking) = Asking::of(layering.checks.take()) else {
        return run(|| opened(files, env_prefix, &rules, watch, layering, None, sources.given()?));
    };
    let known = Some(Arc::clone(&asking));
    let start = move || opened(files, env_prefix, &rules, watch, layering, known, sources.given()?);
    run(|| asking.while_waiting(&ask, start))
}

/// Opens files of one process on another thread, where sources and checks of the program are waited for.
#[napi]
pub async fn open_files_later(
    files: Vec<String>,
    env_prefix: Option<String>,
    rules: String,
    watch: bool,
    mut layering: Layering,
    sources: Sources,
) -> napi::Result<Live> {
    let asking = Asking::of(layering.checks.take());
    run(|| opened(files, env_prefix, &rules, watch, layering, asking, sources.given()?))
}

fn opened(
    files: Vec<String>,
    env_prefix: Option<String>,
    rules: &str,
    watch: bool,
    layering: Layering,
    asking: Option<Arc<Asking>>,
    Given { sources, data_dir, encrypt_key_file, environment }: Given,
) -> Result<Live> {
    let mut options = confmesh::open(files).policy(policy(rules)?).watch(watch).interpolate(layering.interpolate);
    options = options.environment(environment);
    options = options.env_names(layering.env_names.clone());
    options = options.check_within_ms(milliseconds("checkWithin", layering.check_within)?);
    options = options.invalid_variables(layering.invalid_variables.parse()?);
    options = layering.schema(asking.as_ref())?.into_iter().fold(options, OpenOptions::schema);
    options = layering.profiles.into_iter().fold(options, OpenOptions::profile);
    if let Some(prefix) = env_prefix {
        options = options.env_prefix(prefix);
    }
    options = sources.into_iter().fold(options, OpenOptions::given_source);
    options = encrypt_key_file.into_iter().fold(options, OpenOptions::encrypt_key_file);
    options = data_dir.into_iter().fold(options, OpenOptions::data_dir);
    options.start().map(|mesh| Live(mesh, asking))
}

/// How layers become the document.
#[napi(object, object_to_js = false)]
pub struct Layering {
    /// The definition of a schema as JSON.
    pub schema: Option<String>,
    /// Its checks.
    pub checks: Option<Checks>,
    /// How long those may take to answer, in milliseconds.
    pub check_within: f64,
    /// What becomes of variables that are nothing of their type.
    pub invalid_variables: String,
    /// The active profiles.
    pub profiles: Vec<String>,
    /// Whether references in texts are replaced.
    pub interpolate: bool,
    /// The variables that references may read.
    pub env_names: Vec<String>,
}

impl Layering {
    fn schema(&self, asking: Option<&Arc<Asking>>) -> Result<Option<Schema>> {
        let schema = self.schema.as_deref().map(|text| Schema::from_value(&read(text)?)).transpose()?;
        Ok(schema.map(|schema| match asking {
            Some(asking) => Arc::clone(asking).on(&schema),
            None => schema,
        }))
    }
}

/// How a mesh is started.
#[napi(object, object_to_js = false)]
pub struct StartOptions {
    /// The file that mirrors the shared document.
    pub bind: Option<String>,
    /// Files that lie below it.
    pub files: Vec<String>,
    /// Addresses to listen on.
    pub listen: Vec<String>,
    /// Other instances.
    pub peers: Vec<String>,
    /// Brokers at which instances meet.
    pub buses: Vec<String>,
    /// The prefix of environment variables.
    pub env_prefix: Option<String>,
    /// The directory that keeps the document.
    pub data_dir: Option<String>,
    /// The document's name.
    pub document: String,
    /// A JSON list of rules, or `null`.
    pub rules: String,
    /// Who comes in, and who we are elsewhere.
    pub access: AccessOptions,
    /// Origins of pages that may follow and change the document.
    pub allow_origins: Vec<String>,
    /// Names with a domain that the instance is called by.
    pub allow_hosts: Vec<String>,
    /// How layers become the document.
    pub layering: Layering,
    /// Sources beside the files.
    pub sources: Sources,
    /// How long a new instance waits for its peers, in milliseconds.
    pub found_after: f64,
    /// How long a document has to be in use until it counts as old, in milliseconds.
    pub old_after: f64,
    /// How long nothing may be in step, in milliseconds.
    pub stale_after: Option<f64>,
    /// Whether history is dropped.
    pub settle: bool,
    /// How many versions are kept.
    pub history_versions: f64,
    /// How old they may get, in milliseconds.
    pub history_age: f64,
    /// How many bytes they may take.
    pub history_bytes: f64,
    /// Secrets of webhooks.
    pub webhook_secrets: Vec<String>,
    /// A file of them.
    pub webhook_secret_file: Option<String>,
    /// What webhooks may write; none: everything.
    pub webhook_paths: Option<Vec<String>>,
    /// URLs that are told of what is wrong.
    pub notify_urls: Vec<String>,
    /// The file with the secret of these requests.
    pub notify_secret_file: Option<String>,
    /// What is run for each.
    pub notify_command: Option<String>,
}

/// Who comes in, and who we are elsewhere.
#[napi(object)]
pub struct AccessOptions {
    /// The authentication file.
    pub auth: Option<String>,
    /// The certificate that is shown.
    pub tls_cert: Option<String>,
    /// Its key.
    pub tls_key: Option<String>,
    /// Whose certificates stand for a token.
    pub tls_client_ca: Option<String>,
    /// Whose certificates are trusted.
    pub tls_ca: Option<String>,
    /// The file with the token that is shown.
    pub token_file: Option<String>,
    /// That token itself.
    pub token: Option<String>,
    /// Whether a proxy speaks TLS.
    pub behind_proxy: bool,
}

/// Keeps a damaged store aside; its instance takes the document from the others at its next start.
#[napi]
pub fn rebuild(data_dir: String, force: bool) -> napi::Result<Option<String>> {
    run(|| confmesh::rebuild(std::path::Path::new(&data_dir), force))
        .map(|kept| kept.map(|kept| kept.display().to_string()))
}

/// Puts a backup into the data directory of an instance that is stopped, which comes back as another one.
#[napi]
pub fn restore(data_dir: String, file: String, force: bool) -> napi::Result<String> {
    let restored = run(|| confmesh::restore(std::path::Path::new(&data_dir), std::path::Path::new(&file), force))?;
    Ok(shown(&restored.to_value()))
}

/// Starts an instance, on another thread: it reads files and the store.
#[napi]
pub async fn start_mesh(options: StartOptions) -> napi::Result<Live> {
    run(|| {
        let StartOptions {
            bind,
            files,
            listen,
            peers,
            buses,
            env_prefix,
            data_dir,
            document,
            rules,
            access,
            allow_origins,
            allow_hosts,
            mut layering,
            sources,
            found_after,
            old_after,
            stale_after,
            settle,
            history_versions,
            history_age,
            history_bytes,
            webhook_secrets,
            webhook_secret_file,
            webhook_paths,
            notify_urls,
            notify_secret_file,
            notify_command,
        } = options;
        let Given { sources, environment, encrypt_key_file, .. } = sources.given()?;
        let asking = Asking::of(layering.checks.take());
        let options = MeshOptions {
            bind: bind.map(PathBuf::from),
            files: files.into_iter().map(PathBuf::from).collect(),
            sources,
            environment,
            encrypt_key_file: encrypt_key_file.map(PathBuf::from),
            webhooks: WebhookOptions {
                secrets: webhook_secrets,
                secret_file: webhook_secret_file.map(PathBuf::from),
                paths: webhook_paths,
            },
            notify: NotifyOptions {
                urls: notify_urls,
                secret_file: notify_secret_file.map(PathBuf::from),
                command: notify_command,
            },
            listen,
            peers,
            buses,
            env_prefix,
            data_dir: data_dir.map(PathBuf::from),
            document: DocumentName::parse(&document)?,
            policy: policy(&rules)?,
            auth: access.auth.map(PathBuf::from),
            tls_cert: access.tls_cert.map(PathBuf::from),
            tls_key: access.tls_key.map(PathBuf::from),
            tls_client_ca: access.tls_client_ca.map(PathBuf::from),
            tls_ca: access.tls_ca.map(PathBuf::from),
            token_file: access.token_file.map(PathBuf::from),
            token: access.token,
            behind_proxy: access.behind_proxy,
            allow_origins,
            allow_hosts,
            schema: layering.schema(asking.as_ref())?,
            check_within_ms: milliseconds("checkWithin", layering.check_within)?,
            invalid_variables: layering.invalid_variables.parse()?,
            profiles: layering.profiles,
            interpolate: layering.interpolate,
            env_names: layering.env_names.clone(),
            found_after_ms: milliseconds("foundAfter", found_after)?,
            old_after_ms: milliseconds("oldAfter", old_after)?,
            stale_after_ms: stale_after.map(|ms| milliseconds("staleAfter", ms)).transpose()?,
            settle,
            history: Budget {
                versions: count("historyVersions", history_versions)?,
                age_ms: milliseconds("historyAge", history_age)?,
                bytes: count("historyBytes", history_bytes)?,
            },
            ..MeshOptions::default()
        };
        options.start().map(|mesh| Live(mesh, asking))
    })
}

/// A time that JavaScript gives; `Infinity` is never.
fn milliseconds(option: &str, ms: f64) -> Result<u64> {
    if ms >= 0.0 {
        // Fractions are cut off, and what is too large is the largest.
        return Ok(ms as u64);
    }
    Err(Error::new(Code::Usage, format!("`{option}` is no time: {ms}")).with_hint("give milliseconds, 0 or more"))
}

/// A number of things that JavaScript gives; `Infinity` is any number.
fn count(option: &str, given: f64) -> Result<usize> {
    if given >= 0.0 {
        // As with times.
        return Ok(given as usize);
    }
    Err(Error::new(Code::Usage, format!("`{option}` is no count: {given}")).with_hint("give a number, 0 or more"))
}

fn receipt(receipt: &Receipt) -> String {
    shown(&receipt.to_value())
}

/// The answer to what was asked for at once: an async function would begin on any thread, in any order, and would hold on to an
/// object that is freed when its thread of JavaScript ends.
type Promised<'env> = napi::Result<PromiseRaw<'env, String>>;

async fn written(answer: Result<Answer<Receipt>>) -> napi::Result<String> {
    let answer = answer.map_err(thrown)?;
    answer.await.map(|done| receipt(&done)).map_err(thrown)
}

fn parsed(hash: Option<String>) -> Result<Option<ContentTag>> {
    hash.map(|hash| hash.parse()).transpose()
}

/// How a write is made.
#[napi(object)]
pub struct Terms {
    /// Only on this version.
    pub if_version: Option<String>,
    /// Over a first value that a rule keeps.
    pub force: Option<bool>,
    /// The token of a lock, in digits.
    pub fence: Option<String>,
    /// Who.
    pub user: Option<String>,
    /// Why.
    pub message: Option<String>,
}

impl Terms {
    fn read(self) -> Result<WriteTerms> {
        let if_version = self.if_version.map(|text| PathVersion::parse(&text)).transpose()?;
        let fence = self
            .fence
            .map(|text| text.parse().map_err(|_| Error::new(Code::Usage, format!("`{text}` is no token of a lock"))));
        Ok(WriteTerms {
            if_version,
            force: self.force.unwrap_or(false),
            fence: fence.transpose()?.unwrap_or(0),
            user: self.user.map(Into::into),
            message: self.message.map(Into::into),
            ..WriteTerms::default()
        })
    }
}

impl Live {
    fn command(&self, terms: Terms, command: impl FnOnce() -> Result<Command>) -> Result<Answer<Receipt>> {
        Ok(self.0.write(command()?, terms.read()?))
    }
}

impl Live {
    /// Blocks until a write is done. Its checks are asked meanwhile.
    fn done(&self, answer: Answer<Receipt>, ask: &Function<'_, String, String>) -> Result<String> {
        let done = match &self.1 {
            Some(asking) => asking.while_waiting(ask, move || answer.wait()),
            None => answer.wait(),
        };
        done.map(|done| receipt(&done))
    }
}

#[napi]
impl Live {
    /// One more for each visible change.
    #[napi(getter)]
    pub fn revision(&self) -> i64 {
        i64::try_from(self.0.snapshot().revision).unwrap_or(i64::MAX)
    }

    /// The content hash of the document.
    #[napi(getter)]
    pub fn hash(&self) -> String {
        self.0.snapshot().hash().to_string()
    }

    /// `{revision, value}` of one moment.
    #[napi]
    pub fn snapshot_text(&self) -> String {
        let snapshot = self.0.snapshot();
        shown(&[("revision", Value::from(snapshot.revision)), ("value", snapshot.value.clone())].into_iter().collect())
    }

    /// The warnings, a list of error fields.
    #[napi]
    pub fn warnings_text(&self) -> String {
        shown(&self.0.snapshot().warnings().iter().map(Error::to_value).collect::<Vec<_>>().into())
    }

    /// The source of every leaf.
    #[napi]
    pub fn provenance_text(&self) -> String {
        let sources = self.0.snapshot().provenance().into_iter();
        shown(&sources.map(|(path, source)| (path.to_string(), source)).collect())
    }

    /// The addresses that are really listened on.
    #[napi(getter)]
    pub fn addresses(&self) -> Vec<String> {
        self.0.addresses().iter().map(ToString::to_string).collect()
    }

    /// The account of one path.
    #[napi]
    pub fn explain_text(&self, path: String) -> napi::Result<String> {
        run(|| {
            let path = Path::parse(&path)?;
            let explanation = self.0.snapshot().explain(&path).ok_or_else(|| nothing_at(&path))?;
            Ok(shown(&explanation.to_value()))
        })
    }

    /// Sets a path, and blocks until that is done: for configurations of one process. `ask` is that of [`open_files`].
    #[napi]
    pub fn set_now(&self, path: String, value: String, ask: Function<'_, String, String>) -> napi::Result<String> {
        run(|| self.done(self.0.set(&path, read(&value)?), &ask))
    }

    /// Removes a path, and blocks until that is done.
    #[napi]
    pub fn unset_now(&self, path: String, ask: Function<'_, String, String>) -> napi::Result<String> {
        run(|| self.done(self.0.unset(&path), &ask))
    }

    /// Sets a path.
    #[napi]
    pub fn set<'env>(&self, env: &'env Env, path: String, value: String, terms: Terms) -> Promised<'env> {
        env.spawn_future(written(self.command(terms, || Ok(Command::set(Path::parse(&path)?, read(&value)?)))))
    }

    /// Removes a path.
    #[napi]
    pub fn unset<'env>(&self, env: &'env Env, path: String, terms: Terms) -> Promised<'env> {
        env.spawn_future(written(self.command(terms, || Path::parse(&path).map(Command::unset))))
    }

    /// Any operation of the list, by name; the arguments are a JSON map.
    #[napi]
    pub fn call<'env>(&self, env: &'env Env, operation: String, arguments: String) -> Promised<'env> {
        let asked = read(&arguments).map(|arguments| self.0.call(&operation, &arguments)).map_err(thrown);
        env.spawn_future(async move { asked?.await.map(|reply| shown(&reply)).map_err(thrown) })
    }

    /// Gives the document up for that of the instance at a URL, or tells what that would lose.
    #[napi]
    pub fn adopt_text<'env>(&self, env: &'env Env, url: String, yes: bool) -> Promised<'env> {
        let mesh = self.0.clone();
        env.spawn_future(async move { Ok(shown(&mesh.adopt_from(&url, yes).await.map_err(thrown)?.to_value())) })
    }

    /// Applies an RFC 6902 patch.
    #[napi]
    pub fn patch<'env>(&self, env: &'env Env, patch: String, if_hash: Option<String>) -> Promised<'env> {
        let patch = read(&patch).and_then(|patch| Patch::from_value(&patch));
        env.spawn_future(written(patch.and_then(|patch| Ok(self.0.patch(patch, parsed(if_hash)?)))))
    }

    /// Applies an RFC 7396 merge patch.
    #[napi]
    pub fn merge_patch<'env>(&self, env: &'env Env, patch: String, if_hash: Option<String>) -> Promised<'env> {
        env.spawn_future(written(read(&patch).and_then(|patch| Ok(self.0.merge_patch(patch, parsed(if_hash)?)))))
    }

    /// Makes the document this one.
    #[napi]
    pub fn replace<'env>(&self, env: &'env Env, value: String, if_hash: Option<String>) -> Promised<'env> {
        env.spawn_future(written(read(&value).and_then(|value| Ok(self.0.replace(value, parsed(if_hash)?)))))
    }

    /// How everything is doing.
    #[napi]
    pub fn status_text<'env>(&self, env: &'env Env) -> Promised<'env> {
        let asked = self.0.status();
        env.spawn_future(async move { asked.await.map(|status| shown(&status.to_value())).map_err(thrown) })
    }

    /// Follows the changes of paths that match a pattern.
    #[napi]
    pub fn subscribe(&self, pattern: String) -> napi::Result<Feed> {
        run(|| self.0.subscribe(&pattern)).map(|changes| Feed::changes(changes, &self.0))
    }

    /// What an operator should know, from the start on.
    #[napi]
    pub fn reports(&self) -> Feed {
        Feed::reports(&self.0)
    }

    /// Calls back with each webhook for a name, as JSON, and waits until `answerSource` says that it is done with it.
    #[napi]
    pub fn on_webhook(&self, name: String, callback: Hearer) -> napi::Result<()> {
        run(|| self.0.on_webhook(&name, move |hook| told(&callback, hook)))
    }

    /// Calls back with each report, as JSON, until it is closed; keeps neither it nor the process alive.
    #[napi]
    pub fn tell(&self, callback: Teller) {
        let mut reports = self.0.reports();
        napi::bindgen_prelude::spawn(async move {
            while let Some(report) = reports.next().await {
                if callback.call(shown(&report.to_value()), ThreadsafeFunctionCallMode::NonBlocking) != napi::Status::Ok
                {
                    break; // its thread of JavaScript has ended
                }
            }
        });
    }

    /// Closes it, and blocks until that is done.
    #[napi]
    pub fn close_now(&self) {
        self.0.close();
    }

    /// Closes it on another thread.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let mesh = self.0.clone();
        env.spawn_future(async move {
            mesh.close();
            Ok(())
        })
    }
}
