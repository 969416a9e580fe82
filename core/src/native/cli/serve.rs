//! `confmesh serve`: one instance until somebody ends it.
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::arguments::Serve;
use super::input::Inputs;
use super::output::{CORRECTABLE, DONE, FAILED, Outcome, Stop, say};
use super::signals::Signals;
use crate::error::{Code, Error, Result};
use crate::format::FileArgument;
use crate::native::io_error::{failure, reason};
use crate::native::mesh::{LogFormat, Mesh, MeshOptions};
use crate::native::transport::bus::BusAddress;
use crate::policy::Policy;
use crate::source::SourceSpec;

/// Where an instance listens unless it is told otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8765";
/// The variable with secrets of webhooks.
const WEBHOOK_SECRET: &str = "CONFMESH_WEBHOOK_SECRET";

pub(super) fn run_serve(arguments: &Serve) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| internal("cannot start", &error))?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(|error| internal("cannot wait for signals", &error))?
    };
    allow_descriptors();
    let data_dir =
        arguments.data_dir.clone().unwrap_or_else(|| data_dir_beside(arguments.bind.as_deref().map(plain).as_deref()));
    if arguments.require_auth && arguments.access.auth.is_none() {
        return Err(Error::new(Code::Usage, "it starts only with authentication, and nothing says who may do what")
            .with_hint("`confmesh token new NAME --role writer --auth auth.toml` begins such a file: name it with `--auth auth.toml`, or leave out `--require-auth` (`auth.required`, `--preset production`)")
            .into());
    }
    let sources = arguments.composing.specs()?;
    check_files(arguments, &sources)?;
    let options = options(arguments, sources.clone(), &data_dir)?;
    let Some(mesh) = start(options, &runtime, &mut signals)? else { return Ok(DONE) };
    announce(&mesh, arguments, &sources, &data_dir);
    let mut changes = mesh.subscribe("**")?;
    let stdin_ends = arguments.until_stdin_ends.then(stdin_ends);
    let is_asked = runtime.block_on(async {
        let parent_gone = async {
            match stdin_ends {
                Some(ends) => _ = ends.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = signals.next() => true,
            () = parent_gone => true,
            () = async { while changes.next().await.is_some() {} } => false,
        }
    });
    drop(changes);
    let (done, closed) = oneshot::channel();
    thread::spawn(move || {
        mesh.close();
        // Whoever waited may have lost patience.
        let _ = done.send(());
    });
    let is_closed = runtime.block_on(async {
        tokio::select! {
            _ = closed => true,
            () = signals.next() => false,
        }
    });
    // After a second signal nothing is waited for.
    runtime.shutdown_background();
    match (is_asked, is_closed) {
        (true, true) => Ok(DONE),
        (true, false) => Ok(FAILED),
        (false, _) => Err(Error::new(Code::Internal, "the instance stopped by itself")
            .with_hint("its last messages are above")
            .into()),
    }
}

/// Starts, which waits for what sources say first; nothing where somebody stops it meanwhile.
fn start(options: MeshOptions, runtime: &Runtime, signals: &mut Signals) -> Result<Option<Mesh>, Stop> {
    let (ready, started) = oneshot::channel();
    thread::spawn(move || {
        let _ = ready.send(options.start());
    });
    let started = runtime.block_on(async {
        tokio::select! {
            started = started => Some(started),
            () = signals.next() => None,
        }
    });
    match started {
        None => Ok(None),
        Some(Ok(mesh)) => Ok(Some(mesh.map_err(Stop::of_source)?)),
        Some(Err(_)) => Err(Error::new(Code::Internal, "the start stopped by itself").into()),
    }
}

/// Asks the system for as many open files as it lets this process have: each connection is one.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.current.is_some() && limit.maximum.is_none() {
        // What it has will do where the system refuses.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

fn options(arguments: &Serve, sources: Vec<SourceSpec>, data_dir: &Path) -> Result<MeshOptions, Stop> {
    let composing = &arguments.composing;
    match &arguments.log_format {
        Some(format) => format.parse::<LogFormat>()?,
        None => LogFormat::default().or_environment()?,
    }
    .use_it();
    let mut options = MeshOptions::default()
        .data_dir(data_dir)
        .found_after_ms(arguments.found_after)
        .old_after_ms(arguments.old_after)
        .settle(arguments.settle)
        .policy(policy(arguments)?)
        .interpolate(composing.interpolate.is_some())
        .invalid_variables(composing.invalid_variables)
        .env_names(composing.interpolate.clone().unwrap_or_default())
        .heartbeat_ms(arguments.heartbeat)
        .log(arguments.log_level);
    options.history = arguments.keeping.budget();
    options.stale_after_ms = arguments.stale_after;
    options.schema = composing.schema.as_deref().map(|file| super::schema::read(file, false)).transpose()?;
    options.profiles = composing.profiles.clone();
    options.bind = arguments.bind.clone();
    options.files = arguments.files.clone();
    options.sources = sources.into_iter().map(Into::into).collect();
    options.peers = arguments.peers.clone();
    options.encrypt_key_file = arguments.encrypt_key_file.clone();
    options.webhooks.secret_file = arguments.webhook_secret_file.clone();
    options.webhooks.secrets =
        std::env::var(WEBHOOK_SECRET).ok().filter(|secret| !secret.is_empty()).into_iter().collect();
    let paths = arguments.webhook_paths.as_ref();
    options.webhooks.paths = paths.map(|paths| paths.iter().filter(|path| !path.is_empty()).cloned().collect());
    options.notify.urls = arguments.notify_urls.clone();
    options.notify.secret_file = arguments.notify_secret_file.clone();
    options.notify.command = arguments.notify_command.clone();
    options.env_prefix = composing.env.clone();
    options.allow_origins = arguments.allow_origins.clone();
    options.allow_hosts = arguments.allow_hosts.clone();
    options.listen = arguments.listen.clone();
    if arguments.no_listen {
        options.listen.clear();
    } else if options.listen.is_empty() {
        options.listen.push(DEFAULT_ADDRESS.to_owned());
    }
    Ok(arguments.access.of(options))
}

/// The rules of the command line, then those of the file.
fn policy(arguments: &Serve) -> Result<Policy, Stop> {
    let given = arguments.composing.policy()?;
    let Some(file) = &arguments.policy else { return Ok(given) };
    let rules = Inputs::default().read(file)?.value()?;
    let rules = Policy::from_value(&rules).map_err(|error| match error.path().map(ToString::to_string) {
        Some(at) => Error::new(error.code(), format!("{file}: rule {at}: {}", error.message())).with_hint(
            error
                .hint()
                .unwrap_or("rules are maps such as `{\"pattern\": \"app.*\", \"conflict\": \"manual_resolution\"}`"),
        ),
        None => error,
    })?;
    Ok(Policy::of(given.rules().iter().chain(rules.rules()).cloned())?)
}

/// Files may come later, but a directory that is missing is a slip.
fn check_files(arguments: &Serve, sources: &[SourceSpec]) -> Result<(), Stop> {
    let sources = sources.iter().filter_map(SourceSpec::file);
    let of_sources: Vec<PathBuf> = sources.filter(|file| !file.is_optional).map(|file| file.path.into()).collect();
    for file in arguments.bind.iter().chain(&arguments.files).map(|file| plain(file)).chain(of_sources) {
        let file = &file;
        if file.to_string_lossy().contains(['*', '?']) {
            continue;
        }
        let above = directory(file);
        if let Err(error) = std::fs::metadata(&above).and_then(|_| std::fs::read_dir(&above)) {
            return Err(Stop::Error(failure(Code::File, "open the directory", &above, &error), CORRECTABLE));
        }
        if file.try_exists().is_ok_and(|exists| exists) {
            continue;
        }
        if arguments.bind.as_deref().map(plain).as_ref() == Some(file) {
            say(format!("`{}` does not exist: it is created when the document gets content", file.display()));
        } else {
            say(format!("`{}` does not exist: it counts once it does", file.display()));
        }
    }
    Ok(())
}

/// The path of a file argument without its option.
fn plain(file: &Path) -> PathBuf {
    let plain = file.to_str().and_then(|text| FileArgument::parse(text).ok());
    plain.map_or_else(|| file.to_owned(), |file| file.path.into())
}

fn announce(mesh: &Mesh, arguments: &Serve, sources: &[SourceSpec], data_dir: &Path) {
    say(format!("confmesh {} serves `{}` as {}", env!("CARGO_PKG_VERSION"), mesh.document(), mesh.instance()));
    for address in mesh.addresses() {
        let scheme = if arguments.access.tls_cert.is_some() { "https" } else { "http" };
        say(format!("  page  {scheme}://{address}/"));
    }
    if let Some(auth) = &arguments.access.auth {
        say(format!("  auth  {}", auth.display()));
    }
    if let Some(file) = &arguments.bind {
        say(format!("  file  {}", plain(file).display()));
    }
    for file in &arguments.files {
        say(format!("  below {}", plain(file).display()));
    }
    for source in sources {
        say(format!("  from  {}", source.id()));
    }
    if let Some(prefix) = &arguments.composing.env {
        let prefix = prefix.split(';').next().unwrap_or(prefix);
        say(format!("  env   {}_*", prefix.trim_end_matches('_')));
    }
    if let Some(schema) = &arguments.composing.schema {
        say(format!("  check {schema}"));
    }
    for peer in &arguments.peers {
        say(format!("  peer  {peer}"));
    }
    // As it is shown, without passwords.
    for bus in arguments.access.buses.iter().filter_map(|bus| BusAddress::parse(bus).ok()) {
        say(format!("  bus   {bus}"));
    }
    say(format!("  data  {}", data_dir.display()));
}

/// The directory of a file, as it can be opened.
fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(above) if !above.as_os_str().is_empty() => above.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `.config.json.confmesh` beside `config.json`; `.confmesh` here where no file is bound.
pub(super) fn data_dir_beside(bound: Option<&Path>) -> PathBuf {
    match bound.and_then(|file| Some((file, file.file_name()?))) {
        Some((file, name)) => file.with_file_name(format!(".{}.confmesh", name.to_string_lossy())),
        None => PathBuf::from(".confmesh"),
    }
}

/// Answers when stdin ends.
fn stdin_ends() -> oneshot::Receiver<()> {
    let (ended, ends) = oneshot::channel();
    thread::spawn(move || {
        let mut ignored = [0; 256];
        while std::io::stdin().lock().read(&mut ignored).is_ok_and(|count| count > 0) {}
        // Nobody waits any more where the instance ended before its parent.
        let _ = ended.send(());
    });
    ends
}

fn internal(what: &str, error: &std::io::Error) -> Stop {
    Error::new(Code::Internal, format!("{what}: {}", reason(error))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_stands_beside_the_bound_file() {
        for (bound, expected) in [
            (Some("config.json"), ".config.json.confmesh"),
            (Some("/etc/app/config.yaml"), "/etc/app/.config.yaml.confmesh"),
            (None, ".confmesh"),
        ] {
            assert_eq!(data_dir_beside(bound.map(Path::new)), Path::new(expected));
        }
    }
}
