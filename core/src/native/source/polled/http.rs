//! Documents over HTTP: conditional requests, redirects, credentials, and what answers mean.
use std::env::VarError;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, ETAG, HOST, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER, USER_AGENT,
};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use xxhash_rust::xxh3::xxh3_64;

use super::{Answer, Failure, body};
use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::native::file;
use crate::native::net::connect::{Body, Connection, Phase, connect, failed, tls};
use crate::origin::Origin;
use crate::source::{SourceOptions, SourceSpec};
use crate::value::Str;

const MAX_REDIRECTS: usize = 5;
const ACCEPTED: &str = "application/json, application/yaml, application/toml, text/yaml, */*;q=0.1";
const AGENT: &str = concat!("confmesh/", env!("CARGO_PKG_VERSION"));

pub(super) struct HttpLoader {
    id: Str,
    uri: Uri,
    options: SourceOptions,
    tls: Option<TlsConnector>,
    /// Of the document that is in force.
    taken: Option<Seen>,
    /// Of the one that was handed on last.
    offered: Option<Seen>,
}

/// What tells whether a document is another one.
struct Seen {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    /// Of what was sent with the request: a server may answer others with another document under the same tag.
    credentials: u64,
    hash: [u8; 32],
    format: Format,
}

impl HttpLoader {
    pub(super) fn new(spec: &SourceSpec, url: &str) -> Result<HttpLoader> {
        let id = spec.id();
        let uri: Uri = url.parse().ok().filter(|uri: &Uri| uri.host().is_some()).ok_or_else(|| {
            Error::new(Code::Usage, format!("`{id}` is no URL")).with_hint("write `https://host/path`")
        })?;
        let options = spec.options.clone();
        let tls = is_https(&uri).then(|| tls(options.ca.as_deref())).transpose()?;
        Ok(HttpLoader { id, uri, options, tls, taken: None, offered: None })
    }

    pub(super) fn accepted(&mut self) {
        self.taken = self.offered.take();
    }

    pub(super) async fn load(&mut self, full: bool) -> Result<Answer, Failure> {
        let phase = Phase::default();
        let patience = Duration::from_millis(self.options.patience_ms());
        match timeout(patience, self.exchange(full, &phase)).await {
            Ok(answer) => answer.map_err(|failure| Failure { error: self.named(failure.error), ..failure }),
            Err(_) => {
                let message = format!("no answer within {} s, {}", patience.as_secs_f64(), phase.words());
                let error = Error::new(Code::Unreachable, message).with_hint("raise `timeout`, or see why it is slow");
                Err(self.named(error).into())
            }
        }
    }

    /// An error with the source that it is about.
    fn named(&self, error: Error) -> Error {
        error.with_origin(Origin::source(&self.id))
    }

    async fn exchange(&mut self, full: bool, phase: &Phase) -> Result<Answer, Failure> {
        self.offered = None;
        let credentials = self.credentials()?;
        let credentials_hash = hash_of(&credentials);
        let conditional = self.taken.as_ref().filter(|seen| !full && seen.credentials == credentials_hash);
        let mut conditions = HeaderMap::new();
        if let Some(seen) = conditional {
            conditions.extend(seen.etag.clone().map(|etag| (IF_NONE_MATCH, etag)));
            conditions.extend(seen.modified.clone().map(|modified| (IF_MODIFIED_SINCE, modified)));
        }
        let is_conditional = !conditions.is_empty();
        // The body comes over the connection, which has to live as long.
        let (response, uri, _connection) = self.follow(&credentials, &conditions, phase).await?;
        let (head, incoming) = response.into_parts();
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if is_conditional => return Ok(Answer::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE if self.options.is_optional => return Ok(Answer::Missing),
            status => return Err(refused(status, &head.headers, !credentials.is_empty())),
        }
        phase.set(4);
        let bytes = body::read(incoming).await?;
        let (headers, named) = (head.headers.clone(), self.options.format);
        // What is large takes its time, and everything else runs on this thread.
        let unpack = move || {
            let (text, format) = body::document(body::unpacked(bytes, &headers)?, &headers, named, uri.path())?;
            let hash = Sha256::digest(text.as_bytes()).into();
            Ok::<_, Failure>((text, format, hash))
        };
        let unpacked = tokio::task::spawn_blocking(unpack).await;
        let (text, format, hash) = unpacked.map_err(|_| Error::new(Code::Internal, "reading the answer broke"))??;
        let is_same = self.taken.as_ref().is_some_and(|seen| seen.hash == hash && seen.format == format);
        let header = |name| head.headers.get(name).cloned();
        let seen =
            Seen { etag: header(ETAG), modified: header(LAST_MODIFIED), credentials: credentials_hash, hash, format };
        if is_same {
            // The document is in force already, so its newest validator counts.
            self.taken = Some(seen);
            return Ok(Answer::Unchanged);
        }
        self.offered = Some(seen);
        Ok(Answer::Text(text, format))
    }

    /// Asks, and goes on to where answers point. Only the server that is named gets credentials.
    async fn follow(
        &self,
        credentials: &HeaderMap,
        conditions: &HeaderMap,
        phase: &Phase,
    ) -> Result<(Response<Incoming>, Uri, Connection), Failure> {
        let mut uri = self.uri.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_own = is_same_origin(&uri, &self.uri);
            let tls = self.tls.as_ref().filter(|_| is_https(&uri));
            let mut request = Request::new(Body::default());
            *request.uri_mut() =
                uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| unusable("path"))?;
            let headers = request.headers_mut();
            let authority = uri.authority().map_or("", |authority| authority.as_str());
            headers.insert(HOST, HeaderValue::from_str(authority).map_err(|_| unusable("host"))?);
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
            headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            headers.extend(conditions.clone());
            if is_own {
                headers.extend(credentials.clone());
            }
            let mut connection = connect(&uri, tls, phase).await?;
            phase.set(3);
            let response = connection.sender.send_request(request).await.map_err(|error| failed(&error))?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect {
                return Ok((response, uri, connection));
            }
            let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
            let next = target.and_then(|target| resolved(&uri, target)).ok_or_else(|| {
                Error::new(
                    Code::Unreachable,
                    format!("the answer {} names no URL to go to", response.status().as_u16()),
                )
            })?;
            if is_https(&uri) && !is_https(&next) {
                let error = Error::new(Code::Unreachable, "the answer leads from https to http, which is not followed");
                return Err(error.with_hint("name the URL that it leads to, if that is meant").into());
            }
            if is_https(&next) && self.tls.is_none() {
                let error = Error::new(
                    Code::Unreachable,
                    format!("the answer leads to `https://{}`", next.host().unwrap_or_default()),
                );
                return Err(error.with_hint("name the `https://` URL itself").into());
            }
            uri = next;
        }
        let error = Error::new(Code::Unreachable, format!("more than {MAX_REDIRECTS} redirects in a row"));
        Err(error.with_hint("name the URL at their end").into())
    }

    /// What only the server that is named may see: credentials, and headers that may be some.
    fn credentials(&self) -> Result<HeaderMap> {
        let options = &self.options;
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: &str, from: &str| -> Result<()> {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| Error::new(Code::Usage, format!("{from} holds what no header can")))?;
            value.set_sensitive(true);
            headers.append(name, value);
            Ok(())
        };
        if let Some(name) = &options.token_env {
            add(AUTHORIZATION, &format!("Bearer {}", variable(name)?), &format!("the variable `{name}`"))?;
        }
        if let Some(path) = &options.token_file {
            let missing =
                || Error::new(Code::File, format!("cannot read the token's file `{path}`: no such file or directory"));
            let token = file::read_regular(std::path::Path::new(path))?.ok_or_else(missing)?;
            add(AUTHORIZATION, &format!("Bearer {}", token.trim()), &format!("the file `{path}`"))?;
        }
        if let Some(name) = &options.basic_env {
            add(
                AUTHORIZATION,
                &format!("Basic {}", BASE64.encode(variable(name)?)),
                &format!("the variable `{name}`"),
            )?;
        }
        let header_name = |name: &str| {
            let parsed = HeaderName::from_bytes(name.as_bytes());
            parsed.map_err(|_| Error::new(Code::Usage, format!("`{}` is no name of a header", name.escape_default())))
        };
        for (name, value) in &options.headers {
            add(header_name(name)?, value.as_str(), &format!("the header `{name}`"))?;
        }
        for (name, from) in &options.header_envs {
            add(header_name(name)?, &variable(from)?, &format!("the variable `{from}`"))?;
        }
        Ok(headers)
    }
}

/// Whether every variable that a source names holds something.
pub(super) fn check_variables(spec: &SourceSpec) -> Result<()> {
    let options = &spec.options;
    let of_headers = options.header_envs.iter().map(|(_, from)| from);
    for name in options.token_env.iter().chain(&options.basic_env).chain(of_headers) {
        variable(name).map_err(|error| error.with_origin(Origin::source(spec.id())))?;
    }
    Ok(())
}

/// The value of a variable.
fn variable(name: &str) -> Result<String> {
    let what = match std::env::var(name) {
        Ok(value) if !value.trim().is_empty() => return Ok(value.trim().to_owned()),
        Ok(_) => "is empty",
        Err(VarError::NotPresent) => "is not set",
        Err(VarError::NotUnicode(_)) => "is no UTF-8",
    };
    let error = Error::new(Code::Usage, format!("the variable `{name}` {what}"));
    Err(error.with_hint("export it before the start"))
}

fn unusable(part: &str) -> Failure {
    Error::new(Code::Usage, format!("the {part} of the URL cannot be sent")).into()
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn is_same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if is_https(uri) { 443 } else { 80 });
    let same_host = a.host().zip(b.host()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    a.scheme_str() == b.scheme_str() && same_host && port(a) == port(b)
}

/// Where a `Location` leads from a URL.
fn resolved(from: &Uri, target: &str) -> Option<Uri> {
    let target = target.split('#').next()?;
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let text = if target.contains("://") {
        target.to_owned()
    } else if let Some(rest) = target.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else if target.starts_with('?') {
        format!("{scheme}://{authority}{}{target}", from.path())
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{target}")
    };
    let is_usable = |uri: &Uri| {
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        matches!(uri.scheme_str(), Some("http" | "https")) && is_plain
    };
    text.parse().ok().filter(is_usable)
}

fn hash_of(headers: &HeaderMap) -> u64 {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
    }
    xxh3_64(&bytes)
}

/// What an answer means that is no document, and what can be done.
fn refused(status: StatusCode, headers: &HeaderMap, with_credentials: bool) -> Failure {
    let number = status.as_u16();
    let retry_after_ms = headers.get(RETRY_AFTER).and_then(|value| retry_after_ms(value.to_str().ok()?));
    let reason = status.canonical_reason().unwrap_or("").to_ascii_lowercase();
    let (code, what, hint) = match number {
        401 if with_credentials => {
            (Code::Unreachable, "the credentials are not taken".to_owned(), "renew the token or password")
        }
        401 => (
            Code::Unreachable,
            "it wants credentials".to_owned(),
            "name them: `;token-env=NAME`, `;basic-env=NAME` or `;header-env=…`",
        ),
        403 => (
            Code::Unreachable,
            "it does not let us read this".to_owned(),
            "the credentials are known, but need more rights",
        ),
        404 => (
            Code::NotFound,
            "there is no such document".to_owned(),
            "correct the path; where it may be missing say `;optional`",
        ),
        410 => {
            (Code::NotFound, "the document is gone for good".to_owned(), "take the source out, or name where it went")
        }
        429 => (Code::Busy, "it is asked too often".to_owned(), "raise `interval`"),
        503 => (Code::Unreachable, "it is not available".to_owned(), "it is asked again by itself"),
        304 => {
            (Code::Unreachable, "it says `not modified`, which nobody asked".to_owned(), "a cache in between is wrong")
        }
        500..=599 => (Code::Unreachable, format!("it fails: {reason}"), "see its log; it is asked again by itself"),
        _ => (Code::Unreachable, format!("{reason}, which is no document"), "is this the URL of a document?"),
    };
    // When it is asked again stands in the status: a reason that counts down would be news every second.
    let error = Error::new(code, format!("answered {number}: {what}")).with_hint(hint);
    Failure { retry_after_ms, ..Failure::from(error) }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after_ms(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    let wait = date.duration_since(SystemTime::now()).unwrap_or_default();
    u64::try_from(wait.as_millis()).ok()
}
