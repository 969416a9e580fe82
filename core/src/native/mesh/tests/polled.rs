//! Sources that are polled, against a server that misbehaves on command.
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use super::server::{Act, Behaviour, Server, answer, ok};
use crate::engine::SourceState;
use crate::native::mesh::{Mesh, MeshOptions, RemoteStatus};
use crate::schema::{Field, Schema};
use crate::source::SourceSpec;
use crate::value::{Str, Value};
use crate::{Code, open};

pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn spec(text: &str) -> SourceSpec {
    SourceSpec::parse(text).unwrap()
}

pub(super) fn limit(mesh: &Mesh) -> Option<Value> {
    mesh.get("limit").unwrap()
}

pub(super) type States = BTreeMap<Str, (SourceState, Option<RemoteStatus>)>;

pub(super) fn source_states(mesh: &Mesh) -> States {
    let status = mesh.status().wait().unwrap();
    let document = &status.documents[0];
    let state = |source: &crate::engine::SourceStatus| {
        (source.id.clone(), (source.state.clone(), document.remotes.get(&source.id).cloned()))
    };
    document.status.sources.iter().map(state).collect()
}

pub(super) fn good(number: i32) -> impl Fn(&str) -> Act + Send + 'static {
    move |_| ok("application/json", &format!("ETag: \"{number}\"\r\n"), &format!("{{\"limit\": {number}}}"))
}

fn bomb() -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let part = vec![b' '; 1 << 20];
    (0..70).for_each(|_| packed.write_all(&part).unwrap());
    packed.finish().unwrap()
}

type Case = (&'static str, Behaviour, &'static str);

/// Every way to answer badly: its name, what is done, and what is said of it.
fn misbehaviours() -> Vec<Case> {
    fn json(body: &'static [u8]) -> Behaviour {
        Box::new(move |_| answer("200 OK", "Content-Type: application/json\r\n", body))
    }
    fn status(line: &'static str, headers: &'static str) -> Behaviour {
        Box::new(move |_| answer(line, headers, b""))
    }
    let packed = bomb();
    let later = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(1));
    vec![
        ("empty body", json(b""), "the answer is empty"),
        ("blank body", json(b" \n"), "the answer is empty"),
        ("no map", json(b"[1]"), "not a map"),
        ("half a document", json(b"{\"limit\": "), ":1:"),
        ("no UTF-8", json(b"\xff\xfe"), "not UTF-8"),
        (
            "cut body",
            Box::new(|_| {
                Act::Send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}".to_vec())
            }),
            "cut off",
        ),
        ("an HTML page", Box::new(|_| ok("text/html", "", "<!DOCTYPE html><p>please log in")), "an HTML page"),
        (
            "an HTML page that calls itself JSON",
            Box::new(|_| ok("application/json", "", "<html></html>")),
            "an HTML page",
        ),
        ("another type", Box::new(|_| ok("image/png", "", "{}")), "of the type `image/png`"),
        (
            "a gzip bomb",
            Box::new(move |_| {
                answer("200 OK", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", &packed)
            }),
            "larger than 64 MiB",
        ),
        (
            "half a gzip",
            Box::new(|_| {
                answer("200 OK", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", b"\x1f\x8b\x08")
            }),
            "no whole gzip",
        ),
        ("an unknown encoding", Box::new(|_| answer("200 OK", "Content-Encoding: br\r\n", b"x")), "encoded as `br`"),
        (
            "65 MiB announced",
            Box::new(|_| Act::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 65 << 20).into_bytes())),
            "larger than 64 MiB",
        ),
        (
            "65 MiB unannounced",
            Box::new(|_| Act::Flood(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec(), 65 << 20)),
            "larger than 64 MiB",
        ),
        ("401", status("401 Unauthorized", ""), "answered 401: it wants credentials"),
        ("403", status("403 Forbidden", ""), "answered 403: it does not let us"),
        ("404", status("404 Not Found", ""), "answered 404: there is no such document"),
        ("410", status("410 Gone", ""), "answered 410: the document is gone for good"),
        ("429", status("429 Too Many Requests", "Retry-After: 1\r\n"), "answered 429: it is asked too often"),
        (
            "503",
            Box::new(move |_| answer("503 Service Unavailable", &format!("Retry-After: {later}\r\n"), b"")),
            "answered 503: it is not available",
        ),
        ("500", status("500 Internal Server Error", ""), "answered 500: it fails"),
        (
            "a 304 that nobody asked",
            Box::new(|head| {
                if head.contains("if-none-match") {
                    answer("500 No", "", b"")
                } else {
                    answer("304 Not Modified", "", b"")
                }
            }),
            "answered",
        ),
        (
            "redirects in a circle",
            Box::new(|_| answer("302 Found", "Location: /round\r\n", b"")),
            "more than 5 redirects",
        ),
        ("a redirect to nowhere", status("301 Moved Permanently", ""), "names no URL"),
        (
            "drips of a header",
            Box::new(|_| {
                Act::Drip(b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy".to_vec())
            }),
            "no answer within 0.6 s, waiting for the answer",
        ),
        ("no HTTP", Box::new(|_| Act::Send(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec())), "no HTTP"),
        ("silence", Box::new(|_| Act::Send(Vec::new())), "ended before the answer did"),
    ]
}

#[test]
fn whatever_a_server_does_the_last_good_document_stays_and_it_recovers() {
    // Each on a mesh of its own, all at once: most of the time is waiting.
    let run = |(name, act, says): Case| {
        let server = Server::start();
        server.behave(good(1));
        let timeout = if name.starts_with("drips") { "600ms" } else { "20s" };
        let source = spec(&format!("{};interval=100ms;timeout={timeout}", server.url("/app")));
        let id = source.id();
        let mesh = MeshOptions::default().source(source).start().unwrap();
        assert_eq!(limit(&mesh), Some(1.into()), "{name}");
        server.behave(act);
        let error = |mesh: &Mesh| match source_states(mesh).get(&id) {
            Some((SourceState::Stale(error), _)) => error.to_string(),
            _ => String::new(),
        };
        until(&format!("{name}: {says}"), || error(&mesh).contains(says));
        assert_eq!(limit(&mesh), Some(1.into()), "{name}");
        assert_eq!(mesh.health().wait().unwrap().word(), "degraded", "{name}");
        let shown = mesh.status().wait().unwrap().to_value();
        let text = crate::canonical::canonical(&shown);
        assert!(
            text.contains("\"age_ms\"") && text.contains("\"circuit\"") && text.contains("\"state\":\"stale\""),
            "{text}"
        );
        server.behave(good(2));
        until(&format!("{name}: recovery"), || limit(&mesh) == Some(2.into()));
        until(&format!("{name}: health"), || mesh.health().wait().unwrap().word() == "healthy");
        let mut reports = mesh.reports();
        let mut lines = Vec::new();
        while let Ok(Some(report)) = reports.wait(Duration::ZERO) {
            lines.extend(report.source.map(|(_, state)| (state.as_str(), report.message)));
        }
        let stale = lines.iter().filter(|(state, message)| *state == "stale" && message.contains(says)).count();
        assert_eq!((stale, lines.last().map(|(state, _)| *state)), (1, Some("fresh")), "{name}: {lines:?}");
    };
    std::thread::scope(|scope| {
        for case in misbehaviours() {
            scope.spawn(move || run(case));
        }
    });
}

#[test]
fn an_unchanged_document_is_asked_by_its_validator_and_a_304_that_lies_is_found_out() {
    let server = Server::start();
    server.behave(good(1));
    let mesh = open(Vec::<String>::new()).source(spec(&format!("{};interval=100ms", server.url("/")))).start().unwrap();
    // It says `not modified` to everybody who has a validator, whatever changed.
    server.behave(|head| match head.contains("if-none-match: \"1\"") {
        true => answer("304 Not Modified", "", b""),
        false => good(2)(head),
    });
    until("the whole document is fetched now and then", || limit(&mesh) == Some(2.into()));
    let conditional = server.heads().iter().filter(|head| head.contains("if-none-match")).count();
    assert!((10..20).contains(&conditional), "{conditional}");
}

#[test]
fn a_document_that_is_refused_is_never_asked_for_by_its_validator() {
    let server = Server::start();
    server.behave(good(1));
    let schema = Schema::new(Field::map().field("limit", Field::integer().range(0, 9)));
    let source = spec(&format!("{};interval=100ms", server.url("/")));
    let mesh = open(Vec::<String>::new()).schema(schema).source(source.clone()).start().unwrap();
    server.behave(good(10));
    until("it is refused", || matches!(source_states(&mesh).get(&source.id()), Some((SourceState::Stale(_), _))));
    server.heads();
    until("it is asked again", || server.heads().iter().any(|head| head.contains("if-none-match: \"1\"")));
    assert!(!server.heads().iter().any(|head| head.contains("\"10\"")));
    assert_eq!(limit(&mesh), Some(1.into()));
    server.behave(|head| match head.contains("if-none-match: \"1\"") {
        true => answer("304 Not Modified", "", b""),
        false => good(1)(head),
    });
    until("it is in order again", || matches!(source_states(&mesh).get(&source.id()), Some((SourceState::Fresh, _))));
}

#[test]
fn formats_come_by_content_type_by_name_or_as_the_option_says() {
    let server = Server::start();
    server.behave(|head| match head.split(' ').nth(1).unwrap() {
        "/json" => ok("application/problem+json; charset=utf-8", "", "{\"json\": 1}"),
        "/yaml" => ok("application/yaml", "", "yaml: 2\n"),
        "/toml" => ok("application/toml", "", "toml = 3\n"),
        "/name.toml" => ok("text/plain", "", "name = 4\n"),
        "/x" => ok("text/plain", "", "option: 5\n"),
        _ => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(b"{\"gzip\": 6}").unwrap();
            answer("200 OK", "Content-Type: text/json\r\nContent-Encoding: gzip\r\n", &packed.finish().unwrap())
        }
    });
    let paths = ["/json", "/yaml", "/toml", "/name.toml", "/x;format=yaml", "/gzip"];
    let options = paths.iter().fold(open(Vec::<String>::new()), |open, path| open.source(spec(&server.url(path))));
    let config = options.start().unwrap();
    for (path, number) in [("json", 1), ("yaml", 2), ("toml", 3), ("name", 4), ("option", 5), ("gzip", 6)] {
        assert_eq!(config.get(path).unwrap(), Some(number.into()), "{path}");
    }
    let error = open(Vec::<String>::new()).source(spec(&server.url("/x"))).start().unwrap_err();
    assert_eq!(error.code(), Code::UnknownFormat);
}

#[test]
fn a_redirect_to_another_origin_gets_no_credentials_and_ones_own_does() {
    let (server, other) = (Server::start(), Server::start());
    other.behave(good(3));
    let target = other.url("/there");
    server.behave(move |head| match head.starts_with("get /here") {
        true => answer("307 Temporary Redirect", "Location: moved?x=1\r\n", b""),
        false => answer("302 Found", &format!("Location: {target}\r\n"), b""),
    });
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "t0ps3cret\n").unwrap();
    let text = format!("{};token-file={};header=X-Api-Key: k3y", server.url("/here"), token.path().display());
    let config = open(Vec::<String>::new()).source(spec(&text)).start().unwrap();
    assert_eq!(limit(&config), Some(3.into()));
    let (own, foreign) = (server.heads(), other.heads());
    assert!(own[1].starts_with("get /moved?x=1 "), "{}", own[1]);
    assert!(own.iter().all(|head| head.contains("authorization: bearer t0ps3cret") && head.contains("x-api-key: k3y")));
    assert!(foreign[0].starts_with("get /there ") && !foreign[0].contains("s3cret") && !foreign[0].contains("k3y"));
    // A validator is for those who had it: with another token everything is asked for.
    server.behave(good(4));
    let text = format!("{};token-file={};interval=100ms", server.url("/here"), token.path().display());
    let config = open(Vec::<String>::new()).source(spec(&text)).start().unwrap();
    until("it is asked by its validator", || server.heads().iter().any(|head| head.contains("if-none-match")));
    std::fs::write(token.path(), "other").unwrap();
    let with_other = || server.heads().into_iter().find(|head| head.contains("bearer other"));
    let mut found = None;
    until("the other token is sent", || {
        found = with_other();
        found.is_some()
    });
    assert!(!found.unwrap().contains("if-none-match"));
    assert!(!crate::canonical::canonical(&config.status().wait().unwrap().to_value()).contains("other\""));
}

#[test]
fn tls_is_checked_against_the_named_certificate_and_names_and_dead_servers_are_told() {
    let (server, certificate) = Server::secure();
    server.behave(good(5));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    let url = |host: &str| format!("https://{host}:{}/", server.address.port());
    let trusted = format!("{};ca={}", url("localhost"), file.path().display());
    let config = open(Vec::<String>::new()).source(spec(&trusted)).start().unwrap();
    assert_eq!(limit(&config), Some(5.into()));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (source, says) in [
        (url("localhost"), "is not to be trusted"),
        (format!("{};ca={}", url("127.0.0.1"), file.path().display()), "is not to be trusted"),
        (format!("{};ca=/nowhere.pem", url("localhost")), "cannot read certificates from `/nowhere.pem`"),
        ("http://no-such-host.invalid/".to_owned(), "cannot look up `no-such-host.invalid`"),
        (format!("http://{dead}/"), "connection refused"),
    ] {
        let error = open(Vec::<String>::new()).source(spec(&source)).start().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}

#[test]
fn a_start_without_the_server_has_what_was_last_good_at_once_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.behave(good(7));
    let source = spec(&format!("{};interval=100ms;stale-after=300ms", server.url("/")));
    let start = || MeshOptions::default().data_dir(dir.path()).source(source.clone()).start().unwrap();
    start().close();
    server.behave(|_| answer("503 Service Unavailable", "", b""));
    let mesh = start();
    assert_eq!(limit(&mesh), Some(7.into()));
    let explained = mesh.explain("limit").unwrap().unwrap();
    let winner = explained.winner.clone().unwrap();
    assert!(winner.source == source.id() && winner.loaded_ms.is_some());
    assert!(explained.to_string().contains("(loaded 20"), "{explained}");
    let (state, remote) = source_states(&mesh).get(&source.id()).cloned().unwrap();
    assert!(matches!(state, SourceState::Stale(_)) && remote.unwrap().from_disk);
    until("too old to be relied on", || mesh.health().wait().unwrap().word() == "not_ready");
    server.behave(good(8));
    until("it is heard again", || limit(&mesh) == Some(8.into()));
    until("it can be relied on", || mesh.health().wait().unwrap().word() == "healthy");
    assert!(!source_states(&mesh).get(&source.id()).cloned().unwrap().1.unwrap().from_disk);
}

#[test]
fn secrets_are_masked_and_never_kept_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.behave(|_| ok("application/json", "", "{\"db\": {\"password\": \"hunter2\"}, \"open\": 1}"));
    for (options, says) in [(";secret", "marked as secret"), ("", "it holds secrets and there is no key file")] {
        let policy =
            crate::Policy::of([crate::policy::Rule::on(crate::Pattern::parse("db.password").unwrap()).secret(true)]);
        let mut mesh =
            MeshOptions::default().data_dir(dir.path()).source(spec(&format!("{}{options}", server.url("/"))));
        if options.is_empty() {
            mesh = mesh.policy(policy.unwrap());
        }
        let mesh = mesh.start().unwrap();
        assert_eq!(mesh.get("db.password").unwrap(), Some("hunter2".into()), "the program itself has it");
        assert!(!mesh.explain("db.password").unwrap().unwrap().to_string().contains("hunter2"));
        let mut reports = mesh.reports();
        until("it is told", || {
            reports.wait(Duration::ZERO).unwrap().is_some_and(|report| report.message.contains(says))
        });
        mesh.close();
        let kept = std::fs::read_dir(dir.path().join("sources")).map(|found| found.count()).unwrap_or(0);
        assert_eq!(kept, 0);
    }
}

#[test]
fn of_many_updates_a_minute_the_newest_comes_into_force() {
    let server = Server::start();
    server.behave(good(1));
    let source = spec(&format!("{};interval=100ms;max-updates-per-minute=2", server.url("/")));
    let mesh = open(Vec::<String>::new()).source(source).start().unwrap();
    server.behave(good(2));
    until("the second is in force", || limit(&mesh) == Some(2.into()));
    for number in 3..6 {
        server.behave(good(number));
        server.heads();
        let mut asked = 0;
        until("it was asked", || {
            asked += server.heads().len();
            asked > 1
        });
    }
    assert_eq!(limit(&mesh), Some(2.into()), "two a minute");
}

#[test]
fn an_optional_source_may_be_missing_and_a_needed_one_may_not() {
    let server = Server::start();
    server.behave(|_| answer("404 Not Found", "", b""));
    let url = server.url("/");
    let error = open(Vec::<String>::new()).source(spec(&url)).start().unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let config = open(Vec::<String>::new()).source(spec(&format!("{url};optional"))).start().unwrap();
    assert_eq!(config.snapshot().value, Value::empty_map());
    // An instance starts, as others may need it, but nobody should rely on it.
    let mesh = MeshOptions::default().source(spec(&format!("{url};interval=100ms"))).start().unwrap();
    assert_eq!(mesh.health().wait().unwrap().word(), "not_ready");
    // So one of the program that gives nothing.
    let nothing = MeshOptions::default().custom_source(SourceSpec::custom("nothing"), || Ok(None)).start().unwrap();
    assert_eq!(nothing.health().wait().unwrap().word(), "not_ready");
    server.behave(good(1));
    until("it is there", || limit(&mesh) == Some(1.into()) && mesh.health().wait().unwrap().word() == "healthy");
}

#[test]
fn commands_give_documents_and_their_failures_are_told() {
    let config = open(Vec::<String>::new()).source(spec("exec:printf '{\"a b\": %s}' 7")).start().unwrap();
    assert_eq!(config.get("a b").unwrap(), Some(7.into()));
    for (command, says) in [
        (
            "exec:sh -c 'printf t0p%s s3cret >&2\\; exit 3'",
            "failed: exit status 3; the log has what it wrote to its error output, with `CONFMESH_LOG=warn`",
        ),
        ("exec:sh -c 'printf t0p%s s3cret >&2'", "wrote nothing; the log has what it wrote to its error output"),
        ("exec:sh -c 'echo t0ps3cret >&2\\; exit 3';secret", "failed: exit status 3"),
        ("exec:no-such-program-here", "cannot run `exec:no-such-program-here`: no such file"),
        ("exec:true", "wrote nothing"),
        ("exec:echo {", ":"),
        ("exec:sleep 60;timeout=200ms", "did not end within 0.2 s and was killed"),
    ] {
        let error = open(Vec::<String>::new()).source(spec(command)).start().unwrap_err();
        assert!(error.to_string().contains(says) && !error.to_string().contains("t0ps3cret"), "{command}: {error}");
    }
    // What a command started ends with it.
    let pid = tempfile::NamedTempFile::new().unwrap();
    let command = format!("exec:sh -c 'sleep 60 & echo $! > {}\\; wait';timeout=500ms", pid.path().display());
    open(Vec::<String>::new()).source(spec(&command)).start().unwrap_err();
    let child = std::fs::read_to_string(pid.path()).unwrap();
    let is_alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    until("its child is gone", || !is_alive());
}

#[test]
fn what_a_good_command_left_behind_keeps_nobody_waiting_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    // One holds the pipes, the other has its own.
    for (name, redirected) in [("pipes", ""), ("apart", " >/dev/null 2>&1")] {
        let pid = dir.path().join(name);
        let command = format!(
            "exec:sh -c 'sleep 60{redirected} & echo $! > {}\\; echo limit: 7';format=yaml;timeout=30s",
            pid.display()
        );
        let since = Instant::now();
        let config = open(Vec::<String>::new()).source(spec(&command)).start().unwrap();
        assert_eq!(limit(&config), Some(7.into()), "{name}");
        assert!(since.elapsed() < Duration::from_secs(20), "{name}: it waited for the child");
        let child = std::fs::read_to_string(pid).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        until("its child is gone", || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")));
    }
}

#[test]
fn a_variable_that_is_not_set_refuses_the_start() {
    for option in ["token-env=NOT_SET_HERE", "basic-env=NOT_SET_HERE", "header-env=X-Api-Key: NOT_SET_HERE"] {
        let source = spec(&format!("https://127.0.0.1:1/;optional;{option}"));
        let error = MeshOptions::default().source(source).start().unwrap_err();
        assert!(error.to_string().contains("the variable `NOT_SET_HERE` is not set"), "{error}");
        assert_eq!((error.code(), error.hint()), (Code::Usage, Some("export it before the start")));
    }
}

#[test]
fn a_server_without_tls_is_not_called_untrusted() {
    let says = |answer: &'static [u8]| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let _ = std::io::Read::read(&mut stream, &mut [0; 8192]);
                let _ = stream.write_all(answer);
            }
        });
        open(Vec::<String>::new()).source(spec(&format!("https://{address}/"))).start().unwrap_err()
    };
    let answers: [(&[u8], &str); 2] =
        [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"), (b"", "hung up during the TLS handshake")];
    for (answer, words) in answers {
        let error = says(answer);
        let hint = error.hint().unwrap_or_default();
        assert!(error.to_string().contains(words) && !error.to_string().contains("trusted"), "{error}");
        assert!(hint.contains("`http://`") && !hint.contains("ca="), "{hint}");
    }
}

#[test]
fn a_source_of_the_program_is_called_with_a_deadline_and_never_twice_at_once() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CALLS: AtomicU32 = AtomicU32::new(0);
    static RUNNING: AtomicU32 = AtomicU32::new(0);
    let own = || {
        assert_eq!(RUNNING.fetch_add(1, Ordering::SeqCst), 0, "never twice at once");
        let call = CALLS.fetch_add(1, Ordering::SeqCst);
        if call == 1 {
            std::thread::sleep(Duration::from_millis(700));
        }
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        match call {
            2 => panic!("a defect of the program"),
            3 => Err(crate::Error::new(Code::Unreachable, "the backend is away")),
            4 => Ok(Some(Value::from(3))),
            call => Ok(Some([("limit", i64::from(call))].into_iter().collect())),
        }
    };
    let mut source = SourceSpec::custom("mine");
    source.options = spec("exec:x;interval=100ms;timeout=200ms").options;
    let config = open(Vec::<String>::new()).custom_source(source.clone(), own).start().unwrap();
    assert_eq!(limit(&config), Some(0.into()));
    let mut reports = config.reports();
    let mut seen = Vec::new();
    until("it comes back", || {
        while let Some(report) = reports.wait(Duration::ZERO).unwrap() {
            seen.push(report.message);
        }
        limit(&config).is_some_and(|limit| limit.as_i64() >= Some(5))
    });
    for says in ["no answer within 0.2 s", "panicked", "the backend is away", "of the type integer, not a map"] {
        assert!(seen.iter().any(|seen| seen.contains(says)), "{says}: {seen:?}");
    }
    assert_eq!(config.health().wait().unwrap().word(), "healthy");
}
