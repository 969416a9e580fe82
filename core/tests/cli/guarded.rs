//! Instances with authentication, and those who come to them: over HTTP, as guests, as peers, from the command.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::process::{Running, wait_for};
use super::{dir, json, run, run_with};

const LONG: Duration = Duration::from_secs(20);

/// An instance that asks for tokens.
pub struct Guarded {
    pub process: Running,
    pub address: SocketAddr,
    pub scheme: &'static str,
}

impl Guarded {
    pub fn start(dir: &Path, arguments: &[&str]) -> Guarded {
        Guarded::start_at(dir, "127.0.0.1:0", arguments)
    }

    fn start_at(dir: &Path, listen: &str, arguments: &[&str]) -> Guarded {
        let fixed = ["serve", "--listen", listen, "--auth", "auth.toml", "--found-after", "50"];
        let process = Running::start(dir, &[&fixed[..], arguments].concat(), &[]);
        let line = process.tells("  page  http");
        let (scheme, rest) = line.trim_start_matches("  page  ").trim_end_matches('/').split_once("://").unwrap();
        let address: SocketAddr = rest.parse().unwrap();
        let scheme = if scheme == "https" { "https" } else { "http" };
        Guarded { process, address, scheme }
    }

    /// Waits until it has its document.
    pub fn founded(self, token: &str) -> Guarded {
        wait_for("the founding", || {
            let (status, body) = self.ask("GET", "/status", token, "");
            (status == 200 && json(&body)["documents"][0]["founded"] == Value::Bool(true)).then_some(())
        });
        self
    }

    /// One request in the name of a token; without one where it is empty.
    pub fn ask(&self, method: &str, target: &str, token: &str, body: &str) -> (u16, String) {
        self.ask_with(method, target, token, body, "application/json")
    }

    /// The same, with a body of that kind.
    pub fn ask_with(&self, method: &str, target: &str, token: &str, body: &str, kind: &str) -> (u16, String) {
        let mut io = TcpStream::connect(self.address).unwrap();
        io.set_read_timeout(Some(LONG)).unwrap();
        let shown = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{shown}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        io.write_all(text.as_bytes()).unwrap();
        let mut reply = String::new();
        io.read_to_string(&mut reply).unwrap();
        let (head, body) =
            reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {target}: {reply:?}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// A stream of events in the name of a token.
    pub fn events(&self, token: &str) -> BufReader<TcpStream> {
        let mut io = TcpStream::connect(self.address).unwrap();
        io.set_read_timeout(Some(LONG)).unwrap();
        write!(io, "GET /events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", self.address).unwrap();
        let mut reader = BufReader::new(io);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        reader
    }

    /// A guest that says who it is by a header, or not at all where the token is empty.
    pub fn guest(&self, token: &str) -> Guest {
        let mut request = format!("ws://{}/sync", self.address).into_client_request().unwrap();
        if !token.is_empty() {
            let shown = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert("authorization", shown);
        }
        self.guest_of(request).unwrap()
    }

    fn guest_of(&self, request: tokio_tungstenite::tungstenite::handshake::client::Request) -> Result<Guest, String> {
        let io = TcpStream::connect(self.address).unwrap();
        io.set_read_timeout(Some(LONG)).unwrap();
        client(request, io).map(|(socket, _)| Guest(socket)).map_err(|error| error.to_string())
    }
}

/// A guest of an instance.
pub struct Guest(WebSocket<TcpStream>);

impl Guest {
    pub fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message, or why there is none any more.
    pub fn hear(&mut self) -> Result<Value, String> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Ok(json(text.as_str())),
                Ok(Message::Close(frame)) => {
                    let frame = frame.map(|frame| format!("{:?}: {}", frame.code, frame.reason));
                    return Err(frame.unwrap_or_default());
                }
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The next message of a type.
    pub fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().unwrap_or_else(|end| panic!("waiting for `{kind}`: {end}"));
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Asks, and gives the answer to that.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        loop {
            let answer = self.hear().unwrap_or_else(|end| panic!("asking {message}: {end}"));
            if answer["request_id"] == message["request_id"] {
                return answer;
            }
        }
    }
}

pub fn token(dir: &Path, name: &str, more: &[&str]) -> String {
    let line = run(dir, &[&["token", "new", name, "--auth", "auth.toml"][..], more].concat());
    assert_eq!(line.status, 0, "{line:?}");
    line.stdout.trim().to_owned()
}

#[test]
fn a_token_is_made_shown_once_listed_used_and_taken_back_while_everything_runs() {
    let dir = dir(&[("config.json", r#"{"app": {"rate": 1, "name": "n"}, "db": {"host": "h"}}"#)]);
    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let instance = Guarded::start(dir.path(), &["--bind", "config.json"]).founded(&admin);
    let url = format!("http://{}", instance.address);
    let writer = token(dir.path(), "ci", &["--role", "writer", "--paths", "app.*", "--expires", "30d"]);
    std::fs::write(dir.path().join("ci.token"), format!("{writer}\n")).unwrap();
    let listed = run(dir.path(), &["token", "list", "--auth", "auth.toml"]).data();
    assert!(listed.contains("ci") && listed.contains("app.*") && !listed.contains(&writer), "{listed}");
    let as_ci =
        |arguments: &[&str]| run(dir.path(), &[arguments, &["--url", &url, "--token-file", "ci.token"]].concat());
    // The instance takes the new one by itself.
    wait_for("the new principal", || (as_ci(&["get", "app.rate"]).status == 0).then_some(()));
    assert_eq!(as_ci(&["set", "app.rate", "2", "--user", "somebody"]).status, 0);
    let refused = json(&as_ci(&["set", "db.host", "x", "--json"]).complaint(1));
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["hint"]),
        (&"forbidden".into(), &"it is limited to `app.*`".into())
    );
    assert_eq!(json(&as_ci(&["get"]).data()), json(r#"{"app":{"name":"n","rate":2}}"#));
    // Who wrote is whoever showed the token, whatever was said.
    let (_, written) = instance.ask("GET", "/config/default/written?path=app.rate", &admin, "");
    assert_eq!(json(&written)["written"][0]["user"], "ci", "{written}");
    let by_variable = run_with(dir.path(), &["get", "app.rate", "--url", &url], &[("CONFMESH_TOKEN", &writer)], "");
    assert_eq!(by_variable.data(), "2\n");
    let without = json(&run(dir.path(), &["get", "app.rate", "--url", &url, "--json"]).complaint(1));
    assert_eq!(without["error"]["code"], "unauthenticated");
    let far =
        run_with(dir.path(), &["get", "--url", "http://10.255.0.1:1"], &[("CONFMESH_TOKEN", &writer)], "").complaint(1);
    assert!(far.contains("for everybody on the way to read") && !far.contains(&writer), "{far}");

    let mut guest = instance.guest(&writer);
    guest.say(&json(r#"{"v":1,"type":"config_request","follow":true}"#));
    assert_eq!(guest.hear_of("config_response")["config_data"], json(r#"{"app":{"name":"n","rate":2}}"#));
    let events = instance.events(&writer);
    let revoked = std::time::Instant::now();
    let told = run(dir.path(), &["token", "revoke", "ci", "--auth", "auth.toml"]);
    assert_eq!((told.status, told.stderr.as_str()), (0, "`ci` is revoked\n"));
    let end = loop {
        if let Err(end) = guest.hear() {
            break end;
        }
    };
    assert!(end.contains(&format!("{:?}", CloseCode::Policy)) && end.contains("not known here"), "{end}");
    assert!(events.lines().all(|line| line.is_ok()), "the stream ends in order");
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?} with the start of the command", revoked.elapsed());
    assert_eq!(instance.ask("GET", "/config/default", &writer, "").0, 401);
    assert_eq!(instance.ask("GET", "/config/default", &admin, "").0, 200);
    let shown =
        format!("{}{}", instance.process.errors(), std::fs::read_to_string(dir.path().join("auth.toml")).unwrap());
    assert!(!shown.contains(&writer) && !shown.contains(&admin), "no token is written anywhere");
}

#[test]
fn a_broken_authentication_file_keeps_who_could_come_in_and_is_told() {
    let dir = dir(&[("config.json", "{}")]);
    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let instance = Guarded::start(dir.path(), &["--bind", "config.json"]).founded(&admin);
    let good = std::fs::read_to_string(dir.path().join("auth.toml")).unwrap();
    for broken in ["[[principal]\n", "[[principal]]\nname = \"a\"\nroles = [\"raeder\"]\nsan = \"a\"\n"] {
        std::fs::write(dir.path().join("auth.toml"), broken).unwrap();
        wait_for("the complaint", || {
            let (_, health) = instance.ask("GET", "/health", &admin, "");
            (health.contains("\"degraded\"") && health.contains("auth")).then_some(())
        });
        assert_eq!(instance.ask("PUT", "/config/default?path=a", &admin, "1").0, 200);
        std::fs::write(dir.path().join("auth.toml"), &good).unwrap();
        wait_for("health", || {
            let (_, health) = instance.ask("GET", "/health", &admin, "");
            (json(&health)["status"] == "healthy").then_some(())
        });
    }
    let wrong = run(dir.path(), &["serve", "--auth", "none.toml", "--listen", "127.0.0.1:0"]).complaint(1);
    assert!(wrong.contains("none.toml") && wrong.contains("confmesh token new"), "{wrong}");
}

#[test]
fn a_stranger_learns_that_the_instance_is_there_and_costs_little() {
    let dir = dir(&[("config.json", r#"{"a": 1}"#)]);
    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let instance = Guarded::start(dir.path(), &["--bind", "config.json"]).founded(&admin);
    for target in ["/livez", "/readyz?verbose", "/health", "/", "/openapi.json"] {
        let (status, body) = instance.ask("GET", target, "", "");
        assert!(
            status == 200 && !body.contains("instance_id\":\"") && !body.contains("document ok"),
            "{target}: {body}"
        );
    }
    let routes = json(&instance.ask("GET", "/openapi.json", "", "").1);
    let mut refused = 0;
    for (route, methods) in routes["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()) {
            let target = route.replace("{name}", "default").replace("{id}", "1").replace("{replica}", "1");
            let free =
                ["/webhook/config", "/", "/livez", "/readyz", "/health", "/openapi.json", "/sync", "/ws", "/ws/config"];
            if !free.contains(&route.as_str()) {
                let (status, body) = instance.ask(&method, &target, "", "{}");
                assert_eq!(
                    (status, json(&body)["error"]["code"].as_str()),
                    (401, Some("unauthenticated")),
                    "{method} {route}"
                );
                assert_eq!(instance.ask(&method, &target, "cm_no", "{}").0, 401, "{method} {route}");
                refused += 1;
            }
        }
    }
    assert!(refused > 15, "{refused}");
    let status = json(&instance.ask("GET", "/status", &admin, "").1);
    assert_eq!(status["auth"]["refused"], refused, "attempts are counted");
    instance.process.tells("who showed a token or certificate that is not good here");

    // The first message, or a subprotocol, says who is there; nothing else is answered.
    let mut guest = instance.guest("");
    guest.say(&serde_json::json!({"type": "authenticate", "token": admin}));
    let welcome = guest.hear().unwrap();
    assert_eq!((&welcome["type"], &welcome["principal"]), (&"authenticated".into(), &"admin".into()));
    guest.say(&json(r#"{"v":1,"type":"config_request"}"#));
    assert_eq!(guest.hear_of("config_response")["config_data"], json(r#"{"a":1}"#));
    let mut request = format!("ws://{}/sync", instance.address).into_client_request().unwrap();
    let protocols = HeaderValue::from_str(&format!("confmesh, confmesh.bearer.{admin}")).unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    assert_eq!(instance.guest_of(request).unwrap().hear_of("connection_established")["type"], "connection_established");
    for first in [
        json(r#"{"v":1,"type":"config_request"}"#),
        json(r#"{"type":"authenticate","token":"cm_no"}"#),
        json(
            r#"{"v":1,"type":"hello","instance_id":"00000000000000000000000000000001","versions":[1],"documents":[]}"#,
        ),
    ] {
        let mut guest = instance.guest("");
        guest.say(&first);
        assert_eq!(guest.hear().unwrap()["error"]["code"], "unauthenticated", "{first}");
        let end = guest.hear().unwrap_err();
        assert!(end.contains("4001"), "{end}");
    }
    let mut large = instance.guest("");
    let much = Message::text(format!("{{\"type\":\"authenticate\",\"token\":\"{}\"}}", "x".repeat(1 << 20)));
    let _ = large.0.send(much); // it may be cut off in the middle of it
    let told = large.hear();
    assert!(
        told.is_err() || told.unwrap()["error"]["code"] == "unauthenticated" && large.hear().is_err(),
        "more than 64 KiB"
    );
    assert_eq!(instance.ask("GET", "/config/default?path=a", &admin, "").0, 200);
}

#[test]
fn peers_prove_who_they_are_and_hold_whole_documents_or_none() {
    let dir = dir(&[("a.json", r#"{"a": 1}"#)]);
    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let peer = token(dir.path(), "b", &["--role", "peer"]);
    let part = token(dir.path(), "c", &["--role", "peer", "--paths", "a.*"]);
    let hub = Guarded::start(dir.path(), &["--bind", "a.json", "--data-dir", "hub"]).founded(&admin);
    let to = format!("ws://{}/sync", hub.address);
    let serve = |name: &str, token: &str| {
        let arguments =
            ["serve", "--listen", "127.0.0.1:0", "--data-dir", name, "--peer", &to, "--found-after", "600000"];
        let variables = if token.is_empty() { vec![] } else { vec![("CONFMESH_TOKEN", token)] };
        let process = Running::start(dir.path(), &arguments, &variables);
        let line = process.tells("  page  http://");
        (line.trim_start_matches("  page  ").trim_end_matches('/').to_owned(), process)
    };
    let (url, _with) = serve("b", &peer);
    wait_for("the document", || (run(dir.path(), &["get", "a", "--url", &url]).stdout == "1\n").then_some(()));
    assert_eq!(run(dir.path(), &["set", "b", "2", "--url", &url]).status, 0);
    wait_for("the write", || (hub.ask("GET", "/config/default?path=b", &admin, "").1 == "2").then_some(()));
    for (name, token, code) in
        [("c", part.as_str(), "may not hold a replica"), ("d", "", "asks for a token"), ("e", "cm_no", "401")]
    {
        let (url, process) = serve(name, token);
        wait_for(&format!("the refusal of {name}"), || {
            let status = run(dir.path(), &["status", "--json", "--url", &url]).stdout;
            status.contains(code).then_some(())
        });
        assert_ne!(run(dir.path(), &["get", "a", "--url", &url]).status, 0, "it has nothing");
        drop(process);
    }
    // Who is revoked is no peer any more, at once.
    assert_eq!(run(dir.path(), &["token", "revoke", "b", "--auth", "auth.toml"]).status, 0);
    wait_for("the end of the connection", || {
        run(dir.path(), &["status", "--json", "--url", &url]).stdout.contains("\"waiting\"").then_some(())
    });
}

/// Certificates in files: of an authority, of the instance, and of a client called `hub.example`.
pub fn certificates(dir: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", authority.self_signed(&key).unwrap().pem());
    let authority = Issuer::new(authority, key);
    for (name, names, purpose) in [
        ("server", vec!["localhost".to_owned(), "127.0.0.1".to_owned()], ExtendedKeyUsagePurpose::ServerAuth),
        ("client", vec!["hub.example".to_owned()], ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![purpose];
        write(&format!("{name}.pem"), params.signed_by(&key, &authority).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[test]
fn tls_is_spoken_by_listeners_peers_and_commands_and_certificates_stand_for_tokens() {
    let dir = dir(&[("a.json", r#"{"a": 1}"#)]);
    certificates(dir.path());
    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let peer = token(dir.path(), "b", &["--role", "peer"]);
    let table = std::fs::read_to_string(dir.path().join("auth.toml")).unwrap();
    let named = "[[principal]]\nname = \"hub\"\nsan = \"hub.example\"\nroles = [\"peer\"]\n";
    std::fs::write(dir.path().join("auth.toml"), format!("{table}\n{named}")).unwrap();
    let spoken = ["--bind", "a.json", "--data-dir", "hub", "--tls-cert", "server.pem", "--tls-key", "server.key"];
    let arguments = [&spoken[..], &["--tls-client-ca", "ca.pem"]].concat();
    let hub = Guarded::start_at(dir.path(), "127.0.0.1:0", &arguments);
    assert_eq!(hub.scheme, "https");
    let url = format!("https://{}", hub.address);
    let ask = |arguments: &[&str], token: &str| {
        run_with(
            dir.path(),
            &[arguments, &["--url", &url, "--tls-ca", "ca.pem"]].concat(),
            &[("CONFMESH_TOKEN", token)],
            "",
        )
    };
    wait_for("the document", || (ask(&["get", "a"], &admin).stdout == "1\n").then_some(()));
    let untrusted = run_with(dir.path(), &["get", "a", "--url", &url], &[("CONFMESH_TOKEN", &admin)], "").complaint(1);
    assert!(untrusted.contains("--tls-ca"), "{untrusted}");
    let plain =
        run_with(dir.path(), &["get", "a", "--url", &url.replace("https", "http")], &[("CONFMESH_TOKEN", &admin)], "");
    assert_eq!(plain.status, 1, "{plain:?}");

    let to = format!("wss://localhost:{}/sync", hub.address.port());
    for (name, more, variables) in [
        ("with a token", &["--tls-ca", "ca.pem"][..], &[("CONFMESH_TOKEN", peer.as_str())][..]),
        ("with a certificate", &["--tls-ca", "ca.pem", "--tls-cert", "client.pem", "--tls-key", "client.key"], &[]),
    ] {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--data-dir", name, "--peer", &to, "--found-after", "600000"];
        let process = Running::start(dir.path(), &[&fixed[..], more].concat(), variables);
        let line = process.tells("  page  http");
        let here = line.trim_start_matches("  page  ").trim_end_matches('/').to_owned();
        let here = here.replace("127.0.0.1", if here.starts_with("https") { "localhost" } else { "127.0.0.1" });
        if here.starts_with("http://") {
            wait_for(name, || (run(dir.path(), &["get", "a", "--url", &here]).stdout == "1\n").then_some(()));
            assert_eq!(run(dir.path(), &["set", "from_b", "2", "--url", &here]).status, 0);
            wait_for("the write", || (ask(&["get", "from_b"], &admin).stdout == "2\n").then_some(()));
        }
        wait_for(&format!("{name}: the peer"), || {
            let status = ask(&["status", "--json"], &admin).stdout;
            let peers = json(&status)["peers"].as_array().cloned().unwrap_or_default();
            peers.iter().any(|peer| peer["link"] == "in_step").then_some(())
        });
    }
    for (more, complaint) in [
        (&["--tls-cert", "server.pem"][..], "given together"),
        (&["--tls-cert", "server.pem", "--tls-key", "client.key"], "of no use together"),
        (&["--tls-cert", "auth.toml", "--tls-key", "server.key"], "PEM"),
        (&["--tls-client-ca", "ca.pem"], "of no use without"),
        (&["--peer", "ws://10.255.0.1:8765"], "leads to another machine without TLS"),
        (&["--peer", "wss://10.255.0.1:8765/sync?token=x"], "ends up in logs"),
    ] {
        let ran = run(dir.path(), &[&["serve", "--listen", "127.0.0.1:0", "--data-dir", "x"][..], more].concat());
        assert!(ran.status > 0 && ran.stderr.contains(complaint), "{more:?}: {ran:?}");
    }
}

#[test]
fn no_route_tells_a_limited_reader_anything_of_other_places() {
    let schema = "fields:\n  planted:\n    fields:\n      port: {type: integer, max: 9, default: 1}\n      token: {type: string, secret: true}\n";
    let config =
        "planted:\n  port: 2\n  token: planted-token\n  list: [planted-item]\napp:\n  rate: 1\n  key: app-secret\n";
    let policy =
        r#"[{"pattern": "planted.*", "conflict": "manual_resolution"}, {"pattern": "app.key", "secret": true}]"#;
    let below = "planted:\n  port: planted-text\n  below: planted-below\n";
    let dir = dir(&[("a.yaml", config), ("schema.yaml", schema), ("policy.json", policy), ("below.yaml", below)]);
    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let reader = token(dir.path(), "reader", &["--role", "reader", "--role", "writer", "--paths", "app.*"]);
    let options = ["--bind", "a.yaml", "--schema", "schema.yaml", "--policy", "policy.json", "--file", "below.yaml"];
    let instance = Guarded::start(dir.path(), &options).founded(&admin);
    let events = instance.events(&reader);
    let mut guest = instance.guest(&reader);
    guest.say(&json(r#"{"v":1,"type":"config_request","follow":true}"#));
    assert_eq!(guest.hear_of("config_response")["config_data"], json(r#"{"app":{"key":"***","rate":1}}"#));
    // Something of every kind happens where the reader may not look: writes, conflicts, refusals.
    let mut writer = instance.guest(&admin);
    writer.say(&json(r#"{"v":1,"type":"config_request"}"#));
    let seen = writer.hear_of("config_response")["seen"].clone();
    for value in ["planted-1", "planted-2", "planted-3"] {
        let answer = writer.ask(&serde_json::json!({
            "v": 1, "type": "config_change", "config_key": "planted.disputed", "new_value": value,
            "request_id": value, "seen": seen
        }));
        assert_eq!(answer["success"], true, "{answer}");
    }
    for (target, body) in
        [("planted.new", "\"planted-new\""), ("planted.port", "99"), ("planted.token", "\"planted-other\"")]
    {
        instance.ask("PUT", &format!("/config/default?path={target}"), &admin, body);
    }
    assert_eq!(instance.ask("PUT", "/config/default?path=app.rate", &admin, "2").0, 200);
    let planted = |text: &str| text.contains("planted") || text.contains("app-secret");
    let routes = json(&instance.ask("GET", "/openapi.json", "", "").1);
    let (mut asked, mut told) = (0, 0);
    for (route, methods) in routes["paths"].as_object().unwrap() {
        if methods.get("get").is_none()
            || ["/events", "/sync", "/ws", "/ws/config", "/openapi.json", "/"].contains(&route.as_str())
        {
            continue;
        }
        for query in [
            "",
            "?all=true",
            "?path=planted",
            "?path=planted.port",
            "?path=app",
            "?path=app.rate",
            "?verbose",
            "?mask=true",
        ] {
            let target = format!("{}{query}", route.replace("{name}", "default").replace("{id}", "1"));
            let (_, body) = instance.ask("GET", &target, &reader, "");
            let named = query.contains("planted");
            // What it asked for it knows.
            assert!(
                !planted(&if named { body.replace(query.trim_start_matches("?path="), "") } else { body.clone() }),
                "{target}: {body}"
            );
            told += usize::from(planted(&instance.ask("GET", &target, &admin, "").1));
            asked += 1;
        }
    }
    assert!(asked > 60 && told > 10, "{asked} asked, and {told} times an admin saw what was planted");
    for body in [r#"{"app":{"rate":3}}"#, r#"{"planted":null}"#, r#"{"app":null}"#] {
        let (_, answer) = instance.ask_with("PATCH", "/config/default", &reader, body, "application/merge-patch+json");
        assert!(!planted(&answer) || body.contains("planted"), "{answer}");
    }
    let shown = json(&instance.ask("GET", "/config/default", &admin, "").1);
    assert_eq!((&shown["planted"]["new"], &shown["app"]["rate"]), (&"planted-new".into(), &3.into()));
    assert_eq!(run(dir.path(), &["token", "revoke", "reader", "--auth", "auth.toml"]).status, 0);
    let streamed: String = events.lines().map_while(Result::ok).collect();
    assert!(streamed.contains("app.rate") && !planted(&streamed), "{streamed}");
    let mut heard = String::new();
    while let Ok(message) = guest.hear() {
        heard.push_str(&message.to_string());
    }
    assert!(heard.contains("config_update") && !planted(&heard), "{heard}");
}

#[test]
fn a_token_of_somebody_else_is_checked_by_a_command_listed_and_ends_its_stream() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};

    let secret = "a secret that both sides have, and nobody else";
    let made = |subject: &str, seconds: i64| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let end = i64::try_from(since.as_secs()).unwrap() + seconds;
        let claims = serde_json::json!({"iss": "login", "aud": "confmesh", "sub": subject, "exp": end});
        let text =
            [r#"{"alg":"HS256"}"#.to_owned(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&text);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let jwt = "[[jwt]]\nissuer = \"login\"\naudience = \"confmesh\"\nalgorithm = \"HS256\"\nkey_file = \"login.key\"\n";
    let ann = "[[principal]]\nname = \"Ann\"\nsub = \"ann\"\nroles = [\"writer\"]\n";
    let dir = dir(&[("config.json", r#"{"a": 1}"#), ("auth.toml", &format!("{jwt}{ann}")), ("login.key", secret)]);
    let check = |token: &str, more: &[&str]| {
        run_with(dir.path(), &[&["token", "check", "--auth", "auth.toml"], more].concat(), &[], token)
    };
    let known = json(&check(&made("ann", 600), &["--json"]).data());
    assert_eq!((&known["principal"], &known["roles"]), (&"Ann".into(), &json(r#"["writer"]"#)));
    assert!(check(&made("ann", 600), &[]).data().contains("this token"));
    for (token, why) in [
        (made("bob", 600), "`bob` of `login` has no role here"),
        (made("ann", -120), "expired"),
        (format!("{}!", made("ann", 600)), "cannot be read"),
        ("cm_no".to_owned(), "not known here"),
    ] {
        let refused = check(&token, &[]).complaint(1);
        assert!(refused.contains(why) && !refused.contains(&token), "{refused}");
    }
    let listed = run(dir.path(), &["token", "list", "--auth", "auth.toml"]).data();
    assert!(listed.contains("a JWT of login for ann") && listed.contains("(others)  none"), "{listed}");

    let admin = token(dir.path(), "admin", &["--role", "admin"]);
    let instance = Guarded::start(dir.path(), &["--bind", "config.json"]).founded(&admin);
    // Good for 3 s of the minute that clocks may be off.
    let events = instance.events(&made("ann", -57));
    assert_eq!(instance.ask("PUT", "/config/default?path=a", &made("ann", 600), "2").0, 200);
    assert!(events.lines().all(|line| line.is_ok()), "the stream ends in order with its token");
    let other = instance.events(&made("ann", 600));
    std::fs::write(dir.path().join("login.key"), format!("{secret}, and another")).unwrap();
    assert!(other.lines().all(|line| line.is_ok()), "and with its key");
    assert_eq!(instance.ask("GET", "/config/default", &made("ann", 600), "").0, 401);
    std::fs::remove_file(dir.path().join("login.key")).unwrap();
    wait_for("the complaint", || {
        let (_, health) = instance.ask("GET", "/health", &admin, "");
        (health.contains("degraded") && health.contains("login.key")).then_some(())
    });
    assert_eq!(instance.ask("GET", "/config/default?path=a", &admin, "").1, "2");
}
