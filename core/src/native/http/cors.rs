//! What a browser is told: who may read an answer, and what a page may do.
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// Pages of any origin may see that an instance is there, so that a client can tell "not there" from "not allowed".
const SEEN_BY_ALL: &str = "/livez";

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, PATCH, POST, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-match, if-none-match, last-event-id");
const EXPOSED: HeaderValue = HeaderValue::from_static("etag, retry-after");
/// How long a browser may remember what is allowed, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

const ASKS_FOR_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOWS_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The page and what it loads come from here, and it talks to nobody else.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Whether a request asks beforehand what another origin may do here.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a page that may.
pub(super) fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answers = response.headers_mut();
    answers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    answers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    if headers.contains_key(ASKS_FOR_PRIVATE) {
        answers.insert(ALLOWS_PRIVATE, HeaderValue::from_static("true"));
    }
    response
}

/// Adds to an answer who may read it: `reader` is the allowed origin that asked, if one did.
pub(super) fn seal(response: &mut Response, path: &str, reader: Option<HeaderValue>) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let shared = if path == SEEN_BY_ALL { "cross-origin" } else { "same-origin" };
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static(shared));
    headers.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
    if let Some(origin) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// What the page itself may do.
pub(super) fn page_headers() -> [(HeaderName, HeaderValue); 2] {
    [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))]
}
