//! `confmesh doctor`: what of this machine will be in the way, and what to do about it, before anything runs.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use rustix::fs::{statfs, statvfs};
use rustix::process::{Resource, getrlimit};

use super::output::{CORRECTABLE, DONE, Outcome, data, json, table};
use crate::error::{Code, Error};
use crate::format::FileArgument;
use crate::native::io_error::{failure, reason};
use crate::native::source::files::expand_sources;
use crate::native::source::polled::load_once;
use crate::source::{Place, SourceSpec};
use crate::value::Value;

/// Looks for what will be in the way: files that cannot be watched, sources that do not answer, limits, permissions, the clock.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed, and no instance has to run. Exit status 1 where something does not work.

Example:
  confmesh doctor --file config.yaml --source https://config.example/app --data-dir /var/lib/app")]
pub(super) struct Doctor {
    /// A file that is to be read, or bound.
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A source, as `merge` and `serve` take it.
    #[arg(long = "source", value_name = "SPEC")]
    pub sources: Vec<String>,
    /// Where an instance is to remember.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What was found of one thing.
struct Finding {
    about: String,
    /// None: all is well; else what is wrong, and whether it does not work at all.
    problem: Option<(Error, bool)>,
    well: String,
}

impl Finding {
    fn well(about: impl Into<String>, well: impl Into<String>) -> Finding {
        Finding { about: about.into(), problem: None, well: well.into() }
    }

    fn odd(about: impl Into<String>, error: Error) -> Finding {
        Finding { about: about.into(), problem: Some((error, false)), well: String::new() }
    }

    fn broken(about: impl Into<String>, error: Error) -> Finding {
        Finding { about: about.into(), problem: Some((error, true)), well: String::new() }
    }

    fn word(&self) -> &'static str {
        match &self.problem {
            None => "ok",
            Some((_, false)) => "odd",
            Some((_, true)) => "broken",
        }
    }

    fn to_value(&self) -> Value {
        let mut fields = vec![("about", Value::from(self.about.as_str())), ("found", self.word().into())];
        match &self.problem {
            None => fields.push(("message", self.well.as_str().into())),
            Some((error, _)) => fields.push(("error", error.to_value())),
        }
        fields.into_iter().collect()
    }
}

pub(super) fn run_doctor(arguments: &Doctor, as_json: bool) -> Outcome {
    let mut specs = Vec::new();
    for source in &arguments.sources {
        specs.push(SourceSpec::parse(source)?);
    }
    let specs = expand_sources(specs)?;
    let mut found = vec![clock(), descriptors()];
    found.extend(watches());
    let named =
        arguments.files.iter().map(|file| match file.to_str().and_then(|text| FileArgument::parse(text).ok()) {
            Some(file) => (PathBuf::from(&file.path), file.is_optional),
            None => (file.clone(), false),
        });
    let of_sources =
        specs.iter().filter_map(SourceSpec::file).map(|file| (PathBuf::from(&file.path), file.is_optional));
    for (file, is_optional) in named.chain(of_sources) {
        found.extend(of_file(&file, is_optional));
    }
    found.extend(arguments.data_dir.as_deref().map(of_data_dir));
    found.extend(of_polled(specs.into_iter().filter(|spec| spec.place.is_polled()).collect())?);
    if as_json {
        json(&found.iter().map(Finding::to_value).collect::<Vec<_>>().into())?;
    } else {
        let mut text = String::new();
        for finding in &found {
            let said = finding.problem.as_ref().map_or_else(|| finding.well.clone(), |(error, _)| error.to_string());
            text.push_str(&table(&[vec![format!("{:6}", finding.word()), format!("{}: {said}", finding.about)]]));
            let hint = finding.problem.as_ref().and_then(|(error, _)| error.hint());
            text.push_str(&hint.map_or_else(String::new, |hint| format!("        {hint}\n")));
        }
        data(&text)?;
    }
    let is_broken = found.iter().any(|finding| matches!(finding.problem, Some((_, true))));
    Ok(if is_broken { CORRECTABLE } else { DONE })
}

/// Certificates, webhooks and the stamps of writes rest on the time.
fn clock() -> Finding {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // 2025: before this program was made.
    if since.as_secs() < 1_735_689_600 {
        let error = Error::new(Code::Internal, "it shows a time before 2025").with_hint("synchronise it (NTP)");
        return Finding::broken("clock", error);
    }
    Finding::well("clock", "it shows a time that can be")
}

fn descriptors() -> Finding {
    let limit = getrlimit(Resource::Nofile).maximum;
    match limit {
        Some(most) if most < 1_024 => {
            let error =
                Error::new(Code::File, format!("only {most} may be open at once: few connections and files are"));
            Finding::odd("open files", error.with_hint("raise the hard limit: `ulimit -Hn`, `LimitNOFILE=` of systemd"))
        }
        Some(most) => Finding::well("open files", format!("{most} at once")),
        None => Finding::well("open files", "any number at once"),
    }
}

/// The limits of the system on watching.
fn watches() -> Vec<Finding> {
    let limits = [("max_user_watches", 8_192_u64), ("max_user_instances", 128)];
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse::<u64>().ok();
    let found = limits.iter().filter_map(|(name, least)| Some((*name, *least, read(name)?)));
    let told = found.map(|(name, least, most)| {
        let about = format!("inotify {name}");
        if most >= least {
            return Finding::well(about, most.to_string());
        }
        let error = Error::new(
            Code::File,
            format!("{most} is little: where they are used up, files are looked at every second"),
        );
        Finding::odd(about, error.with_hint(format!("`sysctl fs.inotify.{name}={least}`")))
    });
    told.collect()
}

/// File systems that tell nobody of what other machines change, by their magic numbers.
const SILENT: [(i64, &str); 6] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
];

fn of_file(file: &Path, is_optional: bool) -> Vec<Finding> {
    let about = format!("file `{}`", file.display());
    let above = match file.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    match std::fs::read_dir(above).map(|_| ()) {
        Err(error) => return vec![Finding::broken(about, failure(Code::File, "open the directory", above, &error))],
        Ok(()) if std::fs::metadata(file).is_ok_and(|about| !about.is_file() && !about.is_dir()) => {
            let error = Error::new(Code::File, "it is a pipe, a socket or a device").with_hint("put a file there");
            found.push(Finding::broken(&about, error));
        }
        Ok(()) => match std::fs::File::open(file) {
            Ok(_) => found.push(Finding::well(&about, "it can be read")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_optional => {
                found.push(Finding::well(&about, "it is not there, and need not be"));
            }
            Err(error) => found.push(Finding::broken(&about, failure(Code::File, "read", file, &error))),
        },
    }
    if let Ok(system) = statfs(above) {
        #[allow(clippy::unnecessary_cast, reason = "its type differs by platform")]
        let kind = system.f_type as i64;
        if let Some((_, name)) = SILENT.iter().find(|(magic, _)| *magic == kind) {
            let message = format!("it lies on {name}, which tells nothing of changes by other machines");
            found.push(Finding::odd(
                about,
                Error::new(Code::File, message).with_hint("it is looked at every second instead"),
            ));
        }
    }
    found
}

fn of_data_dir(dir: &Path) -> Finding {
    let about = format!("data directory `{}`", dir.display());
    let there = dir.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("."));
    let tried = tempfile::Builder::new().prefix(".confmesh-doctor-").tempfile_in(there);
    if let Err(error) = tried {
        return Finding::broken(about, failure(Code::File, "write into", there, &error));
    }
    match statvfs(there) {
        Ok(room) if room.f_bavail.saturating_mul(room.f_frsize) < 64 << 20 => {
            let error = Error::new(Code::Store, "less than 64 MiB are free").with_hint("make room before it is full");
            Finding::odd(about, error)
        }
        Ok(room) => {
            let free = room.f_bavail.saturating_mul(room.f_frsize) >> 20;
            Finding::well(about, format!("it can be written to, {free} MiB are free"))
        }
        Err(error) => {
            Finding::odd(about, Error::new(Code::Store, format!("how much is free: {}", reason(&error.into()))))
        }
    }
}

/// Sources that are polled are asked once, one after the other, so that each is told with its own time.
fn of_polled(specs: Vec<SourceSpec>) -> Result<Vec<Finding>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Code::Internal, format!("cannot start a runtime: {error}")))?;
    let mut found = Vec::new();
    for spec in specs {
        let about = format!("source `{}`", spec.id());
        if let Place::Http(url) = &spec.place
            && url.starts_with("http://")
        {
            let error = Error::new(Code::Usage, "what comes over `http://` can be read and changed on its way");
            found.push(Finding::odd(&about, error.with_hint("write `https://` where the server speaks it")));
        }
        let (is_optional, begun) = (spec.options.is_optional, Instant::now());
        let priority = spec.place.priority();
        let ms = |since: Duration| since.as_millis();
        found.push(match runtime.block_on(load_once(spec, priority)) {
            Ok(Some(_)) => Finding::well(about, format!("a document in {} ms", ms(begun.elapsed()))),
            Ok(None) if is_optional => Finding::well(about, "it has no document, and need not have one"),
            Ok(None) => Finding::broken(about, Error::new(Code::NotFound, "it gave no document")),
            Err(error) if is_optional => Finding::odd(about, error),
            Err(error) => Finding::broken(about, error),
        });
    }
    runtime.shutdown_background();
    Ok(found)
}
