//! The HTTP client of the commands that talk to a running instance.
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use super::arguments::Instance;
use super::output::{FAILED, Stop, error_from_value};
use super::terms::Terms;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::limits::MAX_TEXT_BYTES;
use crate::native::io_error::reason;
use crate::native::net::Token;
use crate::native::net::tls::trusted;
use crate::value::Value;

/// The document that every instance serves.
const DOCUMENT: &str = "/config/default";
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// An instance without news sends a sign of life every 15 seconds.
const SILENT_FOR: Duration = Duration::from_secs(45);
/// An answer is at most a document and what is said about it.
const MAX_ANSWER_BYTES: u64 = 2 * MAX_TEXT_BYTES as u64;

/// A connection to one instance.
pub(super) struct Client {
    agent: Agent,
    base: String,
    /// What is shown: `Bearer` and the token.
    shown: Option<String>,
}

impl Client {
    /// A client of the instance at a URL such as `http://127.0.0.1:8765`; without a scheme it is `http`.
    pub fn new(instance: &Instance) -> Result<Client> {
        Client::patient(instance, ANSWER_WITHIN)
    }

    /// One that waits so long for answers.
    pub fn patient(instance: &Instance, answer_within: Duration) -> Result<Client> {
        let base = base(&instance.url)?;
        let token = match (&instance.token_file, token_of_environment()) {
            (Some(file), _) => Token::File(file.clone()),
            (None, Some(token)) => Token::Given(token),
            (None, None) => Token::None,
        };
        let token = token.read()?;
        if token.is_some() && !is_private(&base) {
            return Err(Error::new(
                Code::Usage,
                format!("the token would go to {base} for everybody on the way to read"),
            )
            .with_hint("use `https://`"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // An instance is reached directly: a proxy knows nothing of this machine's loopback.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(answer_within))
            .timeout_per_read(Some(SILENT_FOR.max(answer_within)))
            .user_agent(concat!("confmesh/", env!("CARGO_PKG_VERSION")));
        let config = match base.starts_with("https") {
            true => config.tls_config(tls(instance.tls_ca.as_deref())?).build(),
            false => config.build(),
        };
        let shown = token.map(|token| format!("Bearer {token}"));
        Ok(Client { agent: config.new_agent(), base, shown })
    }

    /// The instance as messages name it.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The value at a path of the document; none where nothing is there.
    pub fn value(&self, path: &str) -> Result<Option<Value>, Stop> {
        self.found(&at(DOCUMENT, path))
    }

    /// The value at a path as people see it: secrets below the path are masked.
    pub fn shown(&self, path: &str) -> Result<Option<Value>, Stop> {
        let target = at(DOCUMENT, path);
        let sign = if target.contains('?') { '&' } else { '?' };
        self.found(&format!("{target}{sign}mask=true"))
    }

    fn found(&self, target: &str) -> Result<Option<Value>, Stop> {
        match self.ask(Method::GET, target, None) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Error(error, _)) if error.code() == Code::NotFound => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// The version of a path of the document; `none` where nothing is there.
    pub fn version(&self, path: &str) -> Result<String, Stop> {
        let response = self.send(Method::GET, &at(DOCUMENT, path), None, None)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok("none".to_owned());
        }
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok());
        let tag = tag.map(|tag| tag.trim_matches('"').to_owned());
        tag.ok_or_else(|| self.strange(StatusCode::OK).into())
    }

    /// Sets a path; the answer is the receipt.
    pub fn set(&self, path: &str, value: &Value, terms: &Terms) -> Result<Value, Stop> {
        let body = Some(crate::canonical::canonical(value));
        self.ask_under(Method::PUT, &terms.target(&at(DOCUMENT, path)), body, terms)
    }

    /// Removes a path; the answer is the receipt.
    pub fn unset(&self, path: &str, terms: &Terms) -> Result<Value, Stop> {
        self.ask_under(Method::DELETE, &terms.target(&at(DOCUMENT, path)), None, terms)
    }

    /// Any request of the list.
    pub fn call(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Value, Stop> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Error::new(Code::Internal, format!("`{method}` is no method")))?;
        self.ask(method, target, body.map(crate::canonical::canonical))
    }

    /// What waits for a decision, and with `all` what a rule decided.
    pub fn conflicts(&self, all: bool) -> Result<Value, Stop> {
        self.ask(Method::GET, if all { "/conflicts?all=true" } else { "/conflicts" }, None)
    }

    /// Asks the instance to compare itself with its peers; `{"peers": N}`.
    pub fn force_sync(&self) -> Result<Value, Stop> {
        self.ask(Method::POST, "/force-sync", None)
    }

    /// `{"entries": [entry…]}`.
    pub fn audit(&self) -> Result<Value, Stop> {
        self.ask(Method::GET, "/audit", None)
    }

    /// Names who is to decide a conflict; the answer is the receipt.
    pub fn assign(&self, id: &str, user: &Value) -> Result<Value, Stop> {
        let body: Value = [("user", user.clone())].into_iter().collect();
        self.ask(Method::POST, &of_conflict(id, "assign"), Some(crate::canonical::canonical(&body)))
    }

    /// Settles a conflict; the answer is the receipt.
    pub fn resolve(&self, id: &str, choice: &Value, terms: &Terms) -> Result<Value, Stop> {
        let target = of_conflict(id, "resolve");
        self.ask_under(Method::POST, &terms.target(&target), Some(crate::canonical::canonical(choice)), terms)
    }

    /// Takes a member that is gone for good out of the members.
    pub fn expel(&self, replica: &str) -> Result<Value, Stop> {
        let mut target = "/members/".to_owned();
        encode(replica, &mut target);
        self.ask(Method::POST, &format!("{target}/expel"), None)
    }

    /// Gives the document up for another one; `{"genesis"}`.
    pub fn adopt(&self, genesis: &str) -> Result<Value, Stop> {
        let body: Value = [("adopt", Value::from(genesis))].into_iter().collect();
        self.ask(Method::POST, "/join", Some(crate::canonical::canonical(&body)))
    }

    /// What a repair would remove.
    pub fn repair_plan(&self) -> Result<Value, Stop> {
        self.ask(Method::GET, "/repair", None)
    }

    /// Lets the document go on without that; `{"genesis", "authors_removed", "members_removed"}`.
    pub fn repair(&self) -> Result<Value, Stop> {
        self.ask(Method::POST, "/repair", None)
    }

    /// What is kept: `{"kept": […]}`, each with its text.
    pub fn kept(&self) -> Result<Value, Stop> {
        self.ask(Method::GET, "/kept", None)
    }

    /// Says that what is kept is not needed any more.
    pub fn confirm_kept(&self, id: u64) -> Result<Value, Stop> {
        self.ask(Method::POST, &format!("/kept/{id}/confirm"), None)
    }

    /// The account of a path.
    pub fn explain(&self, path: &str) -> Result<Option<Value>, Stop> {
        self.found(&at(&format!("{DOCUMENT}/explain"), path))
    }

    /// How the instance is doing.
    pub fn status(&self) -> Result<Value, Stop> {
        self.ask(Method::GET, "/status", None)
    }

    /// Whether the instance answers that requests may be sent to it.
    pub fn is_ready(&self) -> bool {
        let health = self.ask(Method::GET, "/health", None);
        health.is_ok_and(|value| matches!(value.child("status").and_then(Value::as_str), Some("healthy" | "degraded")))
    }

    /// Follows the changes that match one of the patterns; of all, if there are none.
    /// Secrets are masked unless they are asked for.
    pub fn events(&self, patterns: &[String], show_secrets: bool) -> Result<Events, Stop> {
        let mut target = format!("/events?mask={}", !show_secrets);
        for pattern in patterns {
            target.push_str("&pattern=");
            encode(pattern, &mut target);
        }
        let response = self.send(Method::GET, &target, None, None)?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        // A stream has no end: the limit is on each line.
        Ok(Events { lines: BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader()) })
    }

    fn ask(&self, method: Method, target: &str, body: Option<String>) -> Result<Value, Stop> {
        self.ask_under(method, target, body, &Terms::default())
    }

    fn ask_under(&self, method: Method, target: &str, body: Option<String>, terms: &Terms) -> Result<Value, Stop> {
        let response = self.send(method, target, body, terms.condition())?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        let text = self.text(response)?;
        parse(&text, Format::Json).map_err(|_| self.strange(StatusCode::OK).into())
    }

    fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<String>,
        header: Option<(&'static str, String)>,
    ) -> Result<Response<Body>, Stop> {
        let request = Request::builder().method(method).uri(format!("{}{target}", self.base));
        let shown = self.shown.clone().map(|shown| ("authorization", shown));
        let headers = header.into_iter().chain(shown);
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        let sent = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body)
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        sent.map_err(|error| self.unreachable(&error).into())
    }

    fn text(&self, response: Response<Body>) -> Result<String, Stop> {
        let reading = response.into_body().into_with_config().limit(MAX_ANSWER_BYTES).read_to_string();
        reading.map_err(|error| self.unreachable(&error).into())
    }

    /// What the instance says against the request.
    fn refusal(&self, response: Response<Body>) -> Stop {
        let status = response.status();
        let said = match self.text(response) {
            Ok(text) => parse(&text, Format::Json).ok(),
            Err(stop) => return stop,
        };
        match said.as_ref().and_then(|body| body.child("error")).and_then(error_from_value) {
            Some(error) if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => {
                Stop::Error(error, FAILED)
            }
            Some(error) => error.into(),
            None => self.strange(status).into(),
        }
    }

    fn strange(&self, status: StatusCode) -> Error {
        let message = format!("{} does not answer like a confmesh instance (status {})", self.base, status.as_u16());
        Error::new(Code::Unreachable, message)
            .with_hint("is another program listening there? name an instance with `--url`")
    }

    fn unreachable(&self, error: &ureq::Error) -> Error {
        let certificate = match error {
            ureq::Error::Io(error) => error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()),
            ureq::Error::Rustls(error) => Some(error),
            _ => None,
        };
        if let Some(why) = certificate {
            return Error::new(Code::Unreachable, format!("cannot reach {}: {why}", self.base)).with_hint(
                "name the certificate that signed its certificate: `--tls-ca FILE`; or correct the name, or the certificate",
            );
        }
        let why = match error {
            ureq::Error::Io(error) => reason(error),
            ureq::Error::Timeout(_) => "timed out".to_owned(),
            ureq::Error::HostNotFound => "the host is unknown".to_owned(),
            ureq::Error::ConnectionFailed => "connection refused".to_owned(),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the URL is malformed".to_owned(),
            ureq::Error::Protocol(_) => "it does not speak HTTP".to_owned(),
            other => other.to_string(),
        };
        Error::new(Code::Unreachable, format!("cannot reach {}: {why}", self.base))
            .with_hint("start one with `confmesh serve`, or name another with `--url`")
    }
}

/// A stream of changes (server-sent events).
pub(super) struct Events {
    lines: BufReader<ureq::BodyReader<'static>>,
}

impl Events {
    /// Waits for the next event; none where the stream ended.
    pub fn next(&mut self) -> Option<Value> {
        let mut event = String::new();
        loop {
            let mut line = Vec::new();
            let limited = std::io::Read::take(&mut self.lines, MAX_ANSWER_BYTES).read_until(b'\n', &mut line);
            if limited.ok()? == 0 || line.last() != Some(&b'\n') {
                return None;
            }
            let line = String::from_utf8(line).ok()?;
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(more) = line.strip_prefix("data:") {
                event.push_str(more.strip_prefix(' ').unwrap_or(more));
                event.push('\n');
            } else if line.is_empty() && !event.is_empty() {
                match parse(&event, Format::Json) {
                    Ok(value) => return Some(value),
                    // A later version may send what we cannot read; the next one may be for us.
                    Err(_) => event.clear(),
                }
            }
        }
    }
}

/// The token that the variable `CONFMESH_TOKEN` holds.
pub(super) fn token_of_environment() -> Option<String> {
    std::env::var("CONFMESH_TOKEN").ok().map(|token| token.trim().to_owned()).filter(|token| !token.is_empty())
}

/// Whether nobody else can read what goes there.
fn is_private(base: &str) -> bool {
    let uri = base.parse::<ureq::http::Uri>().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default().trim_matches(['[', ']']);
    base.starts_with("https") || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How TLS is spoken: by the certificates of a file, or of the system.
fn tls(ca: Option<&Path>) -> Result<TlsConfig> {
    let trusted = trusted(ca)?;
    let trusted: Vec<_> = trusted.iter().map(|found| Certificate::from_der(found).to_owned()).collect();
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let config = TlsConfig::builder().provider(TlsProvider::Rustls).unversioned_rustls_crypto_provider(crypto);
    Ok(config.root_certs(RootCerts::Specific(Arc::new(trusted))).build())
}

/// The URL without a path, with its scheme.
fn base(url: &str) -> Result<String> {
    let bad = |why: &str| {
        Error::new(Code::Usage, format!("cannot use the URL `{url}`: {why}"))
            .with_hint("name an instance like http://127.0.0.1:8765")
    };
    let (scheme, rest) = url.trim().split_once("://").unwrap_or(("http", url.trim()));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" => "https",
        _ => return Err(bad("its scheme is not http or https")),
    };
    if rest.is_empty() || rest.starts_with(['/', ':', '?', '#']) {
        return Err(bad("it names no host"));
    }
    if rest.contains(['/', '?', '#', '@']) {
        return Err(bad("it has more than a host and a port"));
    }
    let base = format!("{scheme}://{rest}");
    match base.parse::<ureq::http::Uri>() {
        Ok(uri) if uri.authority().is_some_and(has_sound_port) => Ok(base),
        _ => Err(bad("it is malformed")),
    }
}

/// The parser of URLs takes any text for a port.
fn has_sound_port(authority: &ureq::http::uri::Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

fn at(target: &str, path: &str) -> String {
    let mut target = target.to_owned();
    if !path.is_empty() {
        target.push_str("?path=");
        encode(path, &mut target);
    }
    target
}

fn of_conflict(id: &str, what: &str) -> String {
    let mut target = "/conflicts/".to_owned();
    encode(id, &mut target);
    format!("{target}/{what}")
}

/// Percent-encodes for a query (RFC 3986).
pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_before_anything_is_sent() {
        for (url, expected) in [
            ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
            ("http://localhost:1/", "http://localhost:1"),
            ("localhost:8765", "http://localhost:8765"),
            ("HTTP://[::1]:80", "http://[::1]:80"),
            ("https://h", "https://h"),
        ] {
            assert_eq!(base(url).unwrap(), expected);
        }
        for (url, why) in [
            ("ws://h", "its scheme is not http or https"),
            ("http://", "it names no host"),
            ("http://h/config", "it has more than a host and a port"),
            ("http://h:port", "it is malformed"),
            ("http://a b", "it is malformed"),
        ] {
            assert_eq!(base(url).unwrap_err().message(), format!("cannot use the URL `{url}`: {why}"));
        }
    }

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        for (base, expected) in [
            ("http://127.0.0.1:8765", true),
            ("http://localhost", true),
            ("http://[::1]:1", true),
            ("https://config.example", true),
            ("http://10.0.0.7:8765", false),
            ("http://localhost.evil.example", false),
        ] {
            assert_eq!(is_private(base), expected, "{base}");
        }
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(at("/x", "/a b/é&c"), "/x?path=%2Fa%20b%2F%C3%A9%26c");
        assert_eq!(at("/x", ""), "/x");
    }
}
