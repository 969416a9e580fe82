//! The endpoints.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path as UrlPath, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::caller::{self, Caller};
use super::connections::{Budget, accept};
use super::guard::Guard;
use super::host::Host;
use super::inbound::{Counted, Inbound};
use super::problem::{Problem, json};
use super::terms::terms;
use super::{cors, health, routes};
use crate::canonical::canonical;
use crate::diff::Patch;
use crate::engine::{Command, Receipt, Snapshot, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::guard::{Verb, Who};
use crate::id::DocumentName;
use crate::native::guard::Gate;
use crate::native::transport::websocket::{Count, Links, accept_upgrade, handshake};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::secret::masked_below;
use crate::value::Value;

/// The page: path, content type and bytes of each of its files.
const ASSETS: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

pub(super) type Parameters = Query<Vec<(String, String)>>;
pub(super) type Answered = Result<Response, Problem>;

#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: Arc<dyn Host>,
    pub(super) budget: Budget,
    links: Links,
    guard: Guard,
    gate: Option<Gate>,
    inbound: Inbound,
}

impl Server {
    /// The document as it is now, and the terms of a write to it.
    async fn terms(
        &self,
        name: &DocumentName,
        headers: &HeaderMap,
        parameters: &[(String, String)],
        (path, who): (Option<&Path>, Who),
    ) -> Result<(Arc<Snapshot>, WriteTerms)> {
        if let (Some(grant), Some(path)) = (&who, path) {
            grant.check_at(Verb::Write, name, path)?;
        }
        let (snapshot, version) = self.host.read(name, path.cloned().unwrap_or_else(Path::root), &who).await?;
        let mut current = vec![snapshot.digest().to_string()];
        // Over the whole document, so only where somebody names it.
        if tags(headers, header::IF_MATCH).any(|tag| tag.contains("sha256:")) {
            current.push(snapshot.hash().to_string());
        }
        current.extend(path.map(|_| version.to_string()));
        let terms = terms(headers, parameters, path, &current)?;
        Ok((snapshot, WriteTerms { by: who, ..terms }))
    }
}

/// Answers on a listener for as long as the future lives. Connections that stand go on without it.
pub async fn serve(
    listener: TcpListener,
    host: Arc<dyn Host>,
    links: Links,
    guard: Guard,
    (budget, inbound, tls): (Budget, Inbound, Option<TlsAcceptor>),
) {
    let gate = host.gate();
    let server = Server { host, budget: budget.clone(), links, guard, gate, inbound };
    let router = routes::router()
        .fallback(asset)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(server.clone(), check))
        .with_state(server);
    accept(listener, router, &budget, tls).await;
}

/// Looks at every request before anything else does, and at every answer after everything else.
async fn check(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let path = request.uri().path().to_owned();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let allowed = server.guard.check_host(headers).and_then(|()| {
        if changes || handshake::is_upgrade(headers) { server.guard.check_origin(headers) } else { Ok(()) }
    });
    let reader = if allowed.is_ok() { server.guard.reader(headers) } else { None };
    let mut response = match allowed {
        Ok(()) if cors::is_preflight(request.method(), headers) => cors::preflight(headers),
        Ok(()) if !server.host.is_started() && !health::is_probe(&path) => health::starting().into_response(),
        Ok(()) => match admitted(&server, &mut request, &path) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    cors::seal(&mut response, &path, reader);
    response
}

/// Says who sends a request, and counts it. Who shows what is not good is counted by its address, as strangers are.
fn admitted(server: &Server, request: &mut Request, path: &str) -> Result<(), Problem> {
    let caller = Caller::of(server.gate.as_ref(), request);
    let who = caller.as_ref().ok().and_then(Caller::who);
    let principal = who.as_ref().map(|grant| &**grant.principal());
    let is_free = health::is_probe(path) || (path == "/" && !handshake::is_upgrade(request.headers()));
    if let Some(ConnectInfo(from)) = request.extensions().get().filter(|_| !is_free) {
        let client = server.inbound.client(*from, request.headers());
        if let Some(counted) = server.inbound.counted(principal, client) {
            counted.request()?;
            request.extensions_mut().insert(counted);
        }
    }
    request.extensions_mut().insert(caller?);
    Ok(())
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let error = Error::new(Code::Usage, format!("`{}` does not take `{method}`", uri.path()));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error)
}

pub(super) async fn root(state: State<Server>, from: ConnectInfo<SocketAddr>, request: Request) -> Response {
    if handshake::is_upgrade(request.headers()) { upgrade(state, from, request).await } else { page("index.html") }
}

pub(super) async fn upgrade(
    State(server): State<Server>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let admission = match request.extensions().get::<Caller>().cloned().unwrap_or_default().admission(server.gate) {
        Ok(admission) => admission,
        Err(error) => return Problem::from(error).into_response(),
    };
    match handshake::upgrade(request.method(), request.headers()) {
        Ok(mut headers) => {
            headers
                .extend(caller::spoken(request.headers()).map(|protocol| (header::SEC_WEBSOCKET_PROTOCOL, protocol)));
            let counted = request.extensions_mut().remove::<Counted>();
            let count = counted.map(|counted| Box::new(move || counted.take()) as Count);
            accept_upgrade(&server.links, hyper::upgrade::on(&mut request), from.to_string(), (admission, count));
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
        }
        Err(refusal) => {
            let mut response = Problem::new(refusal.status, refusal.error).into_response();
            response.headers_mut().extend(refusal.headers);
            response
        }
    }
}

async fn asset(method: Method, uri: Uri) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return nothing_at(&uri).into_response();
    }
    let name = uri.path().trim_start_matches('/');
    if ASSETS.iter().any(|(path, ..)| *path == name) { page(name) } else { nothing_at(&uri).into_response() }
}

fn nothing_at(uri: &Uri) -> Problem {
    Error::new(Code::NotFound, format!("nothing is at `{}`", uri.path()))
        .with_hint("the document is at `/config/default`, the page at `/`")
        .into()
}

fn page(name: &str) -> Response {
    let Some((_, kind, bytes)) = ASSETS.iter().find(|(path, ..)| *path == name) else {
        return Problem::from(Error::new(Code::NotFound, "this build carries no page")).into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, cors::page_headers(), *bytes).into_response()
}

pub(super) async fn events(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Parameters,
) -> Answered {
    let asked: Vec<&str> = only(&parameters, "pattern").collect();
    let mut patterns = Pattern::parse_subscription(&asked)?;
    if patterns.is_empty() {
        patterns.push(Pattern::parse("*")?);
    }
    let follows_notices = match only(&parameters, "notices").next() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(Error::new(Code::Usage, format!("`notices` is `true` or `false`, not `{other}`")).into());
        }
    };
    let notices = follows_notices.then(|| server.host.notices(caller.clone().pass())).transpose()?;
    let events = server.host.events(patterns, wants_mask(&parameters), caller.pass())?;
    let events = events.map(|event| Ok::<_, Infallible>(Event::default().data(canonical(&event)))).boxed();
    let events = match notices {
        // By a name, so that who only knows changes does not take it for one.
        Some(notices) => {
            let notices = notices.map(|notice| Ok(Event::default().event("notice").data(canonical(&notice))));
            let ended = futures_util::stream::once(std::future::ready(None));
            let both = futures_util::stream::select(events.map(Some).chain(ended), notices.map(Some));
            both.take_while(|event| std::future::ready(event.is_some())).filter_map(std::future::ready).boxed()
        }
        None => events,
    };
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    // Where the stream ends, so does the connection: nothing else is asked on it.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

pub(super) async fn read(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    UrlPath(name): UrlPath<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Answered {
    let name = DocumentName::parse(&name)?;
    let path = path(&parameters)?;
    let who = caller.who();
    if let Some(grant) = &who {
        grant.check(Verb::Read, &name)?;
    }
    let (snapshot, tag) = match &path {
        Some(path) => {
            let (now, version) = server.host.read(&name, path.clone(), &who).await?;
            let tag = match &who {
                // The version is that of all that is there: who sees a part of it gets one of that part.
                Some(grant) if !grant.covers(path) => {
                    if !grant.touches(path) {
                        grant.check_at(Verb::Read, &name, path)?;
                    }
                    now.value.at(path).map(|value| value.digest().to_string()).unwrap_or_default()
                }
                _ => version.to_string(),
            };
            (now, format!("\"{tag}\""))
        }
        None => server.host.snapshot(&name, &who).map(|now| (Arc::clone(&now), format!("\"{}\"", now.digest())))?,
    };
    if let Some(path) = path.as_ref().filter(|path| snapshot.value.at(path).is_none()) {
        return Err(nothing(path).into());
    }
    // Whether it is new is asked by weak comparison, as what a proxy made of the tag names the same.
    let known = |named: &str| named == "*" || named.trim_start_matches("W/") == tag;
    let known = tags(&headers, header::IF_NONE_MATCH).any(known);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let value = path.as_ref().map_or(Some(&snapshot.value), |path| snapshot.value.at(path)).unwrap_or(&Value::Null);
        // Programs read secrets; what is for people is asked for with `mask=true`.
        if wants_mask(&parameters) {
            json(StatusCode::OK, &masked_below(snapshot.policy(), &path.unwrap_or_else(Path::root), value))
        } else {
            json(StatusCode::OK, value)
        }
    };
    set_tag(&mut response, &tag);
    Ok(response)
}

pub(super) async fn replace(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    UrlPath(name): UrlPath<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let name = DocumentName::parse(&name)?;
    let value = server.budget.json(body).await?;
    let path = path(&parameters)?;
    let (_, terms) = server.terms(&name, &headers, &parameters, (path.as_ref(), caller.who())).await?;
    let is_path = path.is_some();
    let command = path.map_or_else(|| Command::Replace(value.clone()), |path| Command::set(path, value.clone()));
    Ok(receipt(&server.host.write(&name, command, terms).await?, is_path))
}

pub(super) async fn patch(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    UrlPath(name): UrlPath<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let name = DocumentName::parse(&name)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_operations = match kind.as_str() {
        "application/json-patch+json" => true,
        "application/merge-patch+json" | "application/json" => false,
        _ => {
            let error = Error::new(Code::Usage, format!("`{kind}` is no patch that is understood here")).with_hint(
                "send `application/json-patch+json` (RFC 6902) or `application/merge-patch+json` (RFC 7396)",
            );
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
    };
    let body = server.budget.json(body).await?;
    let (_, terms) = server.terms(&name, &headers, &parameters, (None, caller.who())).await?;
    let command = if is_operations { Command::Patch(Patch::from_value(&body)?) } else { Command::MergePatch(body) };
    Ok(receipt(&server.host.write(&name, command, terms).await?, false))
}

pub(super) async fn remove(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    UrlPath(name): UrlPath<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Answered {
    let name = DocumentName::parse(&name)?;
    let Some(path) = path(&parameters)? else {
        return Err(Error::new(Code::Usage, "a whole document cannot be removed")
            .with_hint("name what to remove: `?path=a.b`; or `PUT` an empty document")
            .into());
    };
    let (snapshot, terms) = server.terms(&name, &headers, &parameters, (Some(&path), caller.who())).await?;
    // Who may not read sees nothing there, and removes it nevertheless.
    let reads = terms.by.as_ref().is_none_or(|grant| grant.verbs().has(Verb::Read));
    if reads && snapshot.value.at(&path).is_none() {
        return Err(nothing(&path).into());
    }
    Ok(receipt(&server.host.write(&name, Command::unset(path), terms).await?, true))
}

fn nothing(path: &Path) -> Error {
    Error::new(Code::NotFound, format!("nothing is at `{path}`")).with_path(path.clone())
}

pub(super) fn only<'a>(parameters: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    parameters.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn path(parameters: &[(String, String)]) -> Result<Option<Path>> {
    only(parameters, "path").next().map(Path::parse).transpose()
}

fn wants_mask(parameters: &[(String, String)]) -> bool {
    only(parameters, "mask").next().is_some_and(|text| text == "true")
}

/// The tags of a conditional header; weak ones compare as strong ones, since equal digests mean equal documents.
pub(super) fn tags(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// What a write did; its tag is the version of the path that it was about, or else the digest of the document.
fn receipt(receipt: &Receipt, is_path: bool) -> Response {
    let mut response = json(StatusCode::OK, &receipt.to_value());
    let version = receipt.version.as_ref().filter(|_| is_path).map(ToString::to_string);
    set_tag(&mut response, &format!("\"{}\"", version.unwrap_or_else(|| receipt.snapshot.digest().to_string())));
    response
}

pub(super) fn set_tag(response: &mut Response, tag: &str) {
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}
