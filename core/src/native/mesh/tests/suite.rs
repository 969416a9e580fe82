//! What every source that is polled does, whoever wrote it: one suite over HTTP, commands and a program's own.
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::server::{Act, Server, answer, ok};
use super::until;
use crate::engine::SourceState;
use crate::native::mesh::{Config, GivenSource, OpenOptions, RemoteStatus};
use crate::schema::{Field, Schema};
use crate::source::SourceSpec;
use crate::value::Value;
use crate::{Code, Error, Result, open};

/// What a backend holds.
#[derive(Clone)]
enum Holds {
    Text(&'static str),
    Nothing,
    /// It fails.
    Failure,
    /// It answers after so many milliseconds.
    Slow(u64, &'static str),
}

/// A backend whose content the suite sets.
trait Backend {
    fn holds(&self, holds: Holds);
    /// The source with these options.
    fn source(&self, options: &str) -> GivenSource;
}

struct Http(Server);

impl Backend for Http {
    fn holds(&self, holds: Holds) {
        self.0.behave(move |_| match holds {
            Holds::Text(text) => ok("application/json", "", text),
            Holds::Nothing => answer("404 Not Found", "", b""),
            Holds::Failure => answer("500 Internal Server Error", "", b""),
            Holds::Slow(ms, text) => Act::Late(ms, Box::new(ok("application/json", "", text))),
        });
    }

    fn source(&self, options: &str) -> GivenSource {
        SourceSpec::parse(&format!("{};{options}", self.0.url("/"))).unwrap().into()
    }
}

/// A script that a shell runs.
struct Exec(PathBuf, tempfile::TempDir);

impl Exec {
    fn new() -> Exec {
        let dir = tempfile::tempdir().unwrap();
        Exec(dir.path().join("load.sh"), dir)
    }

    /// The program: it is there or not.
    fn shell(&self) -> PathBuf {
        self.1.path().join("shell")
    }
}

impl Backend for Exec {
    fn holds(&self, holds: Holds) {
        let script = match holds {
            Holds::Text(text) => format!("echo '{text}'"),
            Holds::Nothing => return std::fs::remove_file(self.shell()).unwrap_or_default(),
            Holds::Failure => "exit 1".to_owned(),
            Holds::Slow(ms, text) => format!("sleep {}.{:03}; echo '{text}'", ms / 1_000, ms % 1_000),
        };
        // Whole or not at all: it may be run right now.
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{script}\n")).unwrap();
        std::fs::rename(next, &self.0).unwrap();
        // A program that was just written may be busy: only the name comes and goes.
        let _ = std::os::unix::fs::symlink("/bin/sh", self.shell());
    }

    fn source(&self, options: &str) -> GivenSource {
        let command = format!("exec:{} {};{options}", self.shell().display(), self.0.display());
        SourceSpec::parse(&command).unwrap().into()
    }
}

struct Own(Arc<Mutex<Holds>>);

impl Backend for Own {
    fn holds(&self, holds: Holds) {
        *self.0.lock().unwrap() = holds;
    }

    fn source(&self, options: &str) -> GivenSource {
        let holds = Arc::clone(&self.0);
        let load = move || -> Result<Option<Value>> {
            let now = holds.lock().unwrap().clone();
            let text = match now {
                Holds::Text(text) => text,
                Holds::Nothing => return Ok(None),
                Holds::Failure => return Err(Error::new(Code::Unreachable, "away")),
                Holds::Slow(ms, text) => {
                    std::thread::sleep(Duration::from_millis(ms));
                    text
                }
            };
            crate::format::parse(text, crate::format::Format::Json).map(Some)
        };
        let mut spec = SourceSpec::custom("own");
        spec.options = SourceSpec::parse(&format!("exec:x;{options}")).unwrap().options;
        GivenSource::custom(spec, load)
    }
}

const QUICK: &str = "interval=100ms;timeout=5s";

fn opening(source: GivenSource) -> OpenOptions {
    open(Vec::<String>::new()).given_source(source)
}

fn limit(config: &Config) -> Option<i64> {
    config.get("limit").unwrap().and_then(|limit| limit.as_i64())
}

fn shows(config: &Config, number: i64) -> Option<()> {
    (limit(config) == Some(number)).then_some(())
}

fn state(config: &Config) -> (SourceState, RemoteStatus) {
    let status = config.status().wait().unwrap();
    let document = &status.documents[0];
    let (id, remote) = document.remotes.iter().next().unwrap();
    let source = document.status.sources.iter().find(|source| source.id == *id).unwrap();
    (source.state.clone(), remote.clone())
}

fn is(config: &Config, wanted: &str) -> Option<()> {
    (state(config).0.as_str() == wanted).then_some(())
}

type Test = fn(&dyn Backend);

const SUITE: &[(&str, Test)] = &[
    ("it is a layer with a name and an age", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        let winner = config.explain("limit").unwrap().unwrap().winner.unwrap();
        assert_eq!((limit(&config), winner.priority, winner.loaded_ms.is_some()), (Some(1), 40, true));
    }),
    ("a change is seen, and so is a key that goes", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1, "gone": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        backend.holds(Holds::Text(r#"{"limit": 2}"#));
        until("the change", || shows(&config, 2));
        assert_eq!(config.get("gone").unwrap(), None);
    }),
    ("an empty map is a document", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        backend.holds(Holds::Text("{}"));
        until("it is empty", || limit(&config).is_none().then_some(()));
        assert_eq!(state(&config).0, SourceState::Fresh);
    }),
    ("a needed one that is missing ends the start", |backend| {
        backend.holds(Holds::Nothing);
        assert!(opening(backend.source(QUICK)).start().is_err());
    }),
    ("an optional one may come later", |backend| {
        backend.holds(Holds::Nothing);
        let config = opening(backend.source(&format!("{QUICK};optional"))).start().unwrap();
        assert_eq!(limit(&config), None);
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        until("it came", || shows(&config, 1));
    }),
    ("one that vanishes keeps its last good document and comes back", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(&format!("{QUICK};optional"))).start().unwrap();
        backend.holds(Holds::Nothing);
        until("it is told", || is(&config, "stale"));
        assert_eq!(limit(&config), Some(1));
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        until("it is back", || is(&config, "fresh"));
    }),
    ("one that fails keeps its last good document, counts, and recovers", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        backend.holds(Holds::Failure);
        until("it counts", || state(&config).1.progress.filter(|progress| progress.failures > 1));
        assert_eq!((limit(&config), config.health().wait().unwrap().word()), (Some(1), "degraded"));
        backend.holds(Holds::Text(r#"{"limit": 2}"#));
        until("it recovers", || shows(&config, 2));
        until("it is well", || (config.health().wait().unwrap().word() == "healthy").then_some(()));
    }),
    ("half a document and one that is no map change nothing", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        for wrong in [r#"{"limit": "#, "[1]", "3"] {
            backend.holds(Holds::Text(wrong));
            until("it is told", || is(&config, "stale"));
            assert_eq!(limit(&config), Some(1));
            backend.holds(Holds::Text(r#"{"limit": 1}"#));
            until("it is well", || is(&config, "fresh"));
        }
    }),
    ("what the schema refuses never comes into force", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let schema = Schema::new(Field::map().field("limit", Field::integer().range(0, 9)));
        let config = opening(backend.source(QUICK)).schema(schema).start().unwrap();
        backend.holds(Holds::Text(r#"{"limit": 10}"#));
        until("it is told", || is(&config, "stale"));
        assert_eq!(limit(&config), Some(1));
        backend.holds(Holds::Text(r#"{"limit": 9}"#));
        until("it is mended", || shows(&config, 9));
    }),
    ("the same document again is no change", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        let (revision, before) = (config.snapshot().revision, state(&config).1.loaded_ms);
        let last = || state(&config).1.progress.and_then(|progress| progress.last_good_ms);
        for _ in 0..3 {
            let then = last();
            until("it is asked again", || (last() > then).then_some(()));
        }
        assert_eq!((config.snapshot().revision, state(&config).1.loaded_ms), (revision, before));
    }),
    ("whatever it flaps through, the last document is in force in the end", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 0}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        for holds in [Holds::Text(r#"{"limit": 1}"#), Holds::Failure, Holds::Text("{}"), Holds::Text(r#"{"limit": 5}"#)]
        {
            backend.holds(holds);
            std::thread::sleep(Duration::from_millis(30));
        }
        until("the last one", || shows(&config, 5));
    }),
    ("one that is slower than its interval still brings its changes", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source(QUICK)).start().unwrap();
        backend.holds(Holds::Slow(250, r#"{"limit": 2}"#));
        until("it comes", || shows(&config, 2));
        assert_eq!(state(&config).0, SourceState::Fresh);
    }),
    ("one that hangs is told after its deadline", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source("interval=100ms;timeout=300ms")).start().unwrap();
        backend.holds(Holds::Slow(3_000, r#"{"limit": 2}"#));
        until("it is told", || is(&config, "stale"));
        assert_eq!(limit(&config), Some(1));
    }),
    ("closing waits for no answer", |backend| {
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        let config = opening(backend.source("interval=100ms;timeout=30s")).start().unwrap();
        backend.holds(Holds::Slow(20_000, "{}"));
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        config.close();
        assert!(begun.elapsed() < Duration::from_secs(3));
    }),
    ("a start while it hangs has what was kept, at once", |backend| {
        let dir = tempfile::tempdir().unwrap();
        backend.holds(Holds::Text(r#"{"limit": 1}"#));
        opening(backend.source(QUICK)).data_dir(dir.path()).start().unwrap().close();
        backend.holds(Holds::Slow(20_000, "{}"));
        let begun = Instant::now();
        let config = opening(backend.source("interval=100ms;timeout=30s")).data_dir(dir.path()).start().unwrap();
        let took = begun.elapsed();
        assert!(state(&config).1.from_disk && limit(&config) == Some(1));
        // 50 ms on a machine that does nothing else; here many tests run at once.
        assert!(took < Duration::from_secs(2), "{took:?}");
    }),
    ("a secret one is masked and not kept", |backend| {
        let dir = tempfile::tempdir().unwrap();
        backend.holds(Holds::Text(r#"{"limit": 1, "password": "hunter2"}"#));
        let source = backend.source(&format!("{QUICK};secret"));
        let config = opening(source).data_dir(dir.path()).start().unwrap();
        assert!(!config.explain("password").unwrap().unwrap().to_string().contains("hunter2"));
        config.close();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }),
];

fn run(backend: impl Fn() -> Box<dyn Backend>) {
    for (name, test) in SUITE {
        eprintln!("{name}");
        test(backend().as_ref());
    }
}

#[test]
fn the_source_suite_over_http() {
    run(|| Box::new(Http(Server::start())));
}

#[test]
fn the_source_suite_over_commands() {
    run(|| Box::new(Exec::new()));
}

#[test]
fn the_source_suite_over_a_source_of_the_program() {
    run(|| Box::new(Own(Arc::new(Mutex::new(Holds::Nothing)))));
}
